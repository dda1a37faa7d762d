/* The key of a job that may be there only once, from its task and what tells two of them apart.
 * Pure. */
#ifndef MODEL_UNIQUE_H
#define MODEL_UNIQUE_H

#include "model/job.h"

struct unique_by {
    const char *text; /* instead of arguments; NULL: arguments */
    size_t text_len;
    const char *const *fields; /* names of the arguments that count; n_fields 0: all */
    size_t n_fields;
};

/* States in which a job is in the way unless the submission says otherwise: it has not ended. */
#define UNIQUE_STATES                                                                              \
    (1u << NEAP_SCHEDULED | 1u << NEAP_PENDING | 1u << NEAP_AVAILABLE | 1u << NEAP_RUNNING |       \
     1u << NEAP_RETRYABLE)

/* `args` is MessagePack. Tables with the same pairs make the same key, in whatever order they are.
 * NEAP_EINVAL: fields are named, and the arguments are no table with names. */
int unique_key(const char *task, const void *args, size_t args_len, const struct unique_by *by,
               unsigned char out[JOB_KEY_BYTES], struct neap_error *err);

#endif
