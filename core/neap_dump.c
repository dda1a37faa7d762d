/* neap_dump: a store's file without an executor. */
#include "neap.h"

#include "base/buf.h"
#include "base/clock.h"
#include "engine/engine_doc.h"
#include "parts/store_dump.h"

struct dumping { /* the caller's thread */
    void *user;
    void (*each)(void *user, const char *json, size_t len);
    struct buf text;
};

static void write_job(void *user, const struct job *job)
{
    struct dumping *d = user;
    d->text.len = 0;
    doc_job(NULL, job, job->state, true, &d->text);
    const char *json = buf_string(&d->text);
    d->each(d->user, json, d->text.len);
}

NEAP_API int neap_dump(const char *path, void *user,
                       void (*each)(void *user, const char *json, size_t len),
                       struct neap_error *err)
{
    struct store_dump *file = NULL;
    int rc = store_dump_open(&file, path, clock_unix_ms(), err);
    if (rc)
        return rc;
    struct dumping d = {.user = user, .each = each};
    rc = store_dump_each(file, &d, write_job, err);
    buf_close(&d.text);
    store_dump_close(file);
    return rc;
}

NEAP_API int neap_dump_check(const char *path, void *user,
                             void (*problem)(void *user, const char *text), struct neap_error *err)
{
    struct store_dump *file = NULL;
    const int rc = store_dump_open(&file, path, clock_unix_ms(), err);
    if (rc)
        return rc;
    store_dump_check(file, user, problem);
    store_dump_close(file);
    return NEAP_OK;
}
