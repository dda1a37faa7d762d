/* What submitting one job and submitting line by line share. */
#ifndef FACES_HTTPD_SUBMIT_H
#define FACES_HTTPD_SUBMIT_H

#include "base/buf.h"
#include "faces/httpd_body.h"

/* As neap_submit_start; `key` is an Idempotency-Key or NULL. */
int httpd_submit(neap *n, struct httpd_submission *s, const char *key, void *user,
                 neap_submitted_fn *done, struct neap_error *err);
void httpd_submit_problem(struct httpd_problem *p, int code, const char *message);
void httpd_submit_put(struct buf *out, uint64_t id, bool duplicate); /* {"id":...,...} */

#endif
