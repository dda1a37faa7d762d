/* Who may ask, and in which form: everything that is checked before a route sees a request. */
#ifndef FACES_HTTPD_GUARD_H
#define FACES_HTTPD_GUARD_H

#include "faces/httpd_request.h"

/* The header is there, the body is not. Fills the request's route, path values, parameters and kind
 * of body. False: `p` says what is wrong, and the connection ends where its framing cannot be
 * trusted. */
bool httpd_guard(struct httpd_request *r, const char *method, const char *version,
                 struct httpd_problem *p);

/* In a time that does not depend on where they differ. */
bool httpd_same_secret(const char *given, const char *secret);

#endif
