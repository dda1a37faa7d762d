/* What the engine tells of one job. */
#ifndef ENGINE_ENGINE_INFO_H
#define ENGINE_ENGINE_INFO_H

#include "model/job.h"
#include "neap.h"

struct engine;

int info_state(const struct job *job); /* enum neap_state; running once a worker has started it */
const char *info_held(struct engine *e,
                      const struct job *job); /* why one in line cannot run; NULL: it can */
void info_fill(struct engine *e, const struct job *job,
               struct neap_job *out); /* free with neap_job_free */

#endif
