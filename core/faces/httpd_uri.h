/* The target of a request: its path and query as they were sent. Pure. */
#ifndef FACES_HTTPD_URI_H
#define FACES_HTTPD_URI_H

#include "faces/httpd_problem.h"
#include "neap.h"

/* A path that begins with a slash, of the characters that a URI has, with sound escapes of anything
 * but control characters. */
bool httpd_uri_check(const char *uri, struct httpd_problem *p);

/* The next part of a path; `*at` stands at its slash and moves to the next one or the end. False:
 * there is none. */
bool httpd_uri_part(const char **at, const char **part, size_t *len);

/* Unescaped, to free(). */
char *httpd_uri_decode(const char *text, size_t len);

/* `name=value&...` after the question mark, unescaped, to free(). A plus is a plus.
 * repeat: `priority` may stand twice. */
bool httpd_uri_query(const char *uri, bool repeat, struct neap_param *out, size_t max,
                     size_t *count, struct httpd_problem *p);
/* Does the query have a parameter of this plain name? */
bool httpd_query_has(const char *uri, const char *name);

#endif
