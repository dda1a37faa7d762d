/* Asking neap for a request. */
#ifndef FACES_HTTPD_ASKS_H
#define FACES_HTTPD_ASKS_H

#include "faces/httpd_request.h"

/* Suspends until neap has answered, or for limit_ms (0: as long as it takes; then the reply's code
 * is NEAP_ETIME); `then` goes on with r->reply. */
enum MHD_Result httpd_ask(struct httpd_request *r, const struct neap_ask *ask, httpd_step *then,
                          int64_t limit_ms);
/* The query's `wait` in ms, 0 without. False: it is wrong. */
bool httpd_wait_param(const struct httpd_request *r, int64_t *ms, struct httpd_problem *p);

#endif
