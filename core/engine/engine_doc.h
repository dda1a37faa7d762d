/* The document of a job, as JSON. */
#ifndef ENGINE_ENGINE_DOC_H
#define ENGINE_ENGINE_DOC_H

#include <stdbool.h>

#include "base/buf.h"
#include "model/filter.h"
#include "model/job.h"

struct engine;

/* `e` NULL: of a file that no engine has. `wide`: with arguments, result, traceback and earlier
 * attempts. `state` where the store does not say it yet, else info_state(job). */
void doc_job(struct engine *e, const struct job *job, int state, bool wide, struct buf *out);
/* What a filter looks at; good as long as the job is. */
struct filter_job doc_filter_job(const struct job *job);

#endif
