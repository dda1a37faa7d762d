/* Bodies: JSON with limits, and a submission in it. Pure; any thread. */
#ifndef FACES_HTTPD_BODY_H
#define FACES_HTTPD_BODY_H

#include <jansson.h>

#include "faces/httpd_problem.h"
#include "neap.h"

#define HTTPD_DEPTH (NEAP_DEPTH_MAX + 2) /* of a body: arguments stand in an object */

/* NULL: `p` says what is wrong with the text. Keys that stand twice in an object are an error. */
json_t *httpd_body_json(const char *text, size_t len, struct httpd_problem *p);

/* A job as it is asked for. What `request` points at is owned here or is the text that was parsed,
 * which must stay. */
struct httpd_submission {
    struct neap_request request;
    struct neap_retry retry;
    struct neap_unique unique;
    json_t *root;
    char *packed; /* arguments, where they are not the text's own bytes */
    const char **by;
    uint64_t *after;
};

/* False: `p` says what is wrong with which member. Close it either way. */
bool httpd_submission_read(struct httpd_submission *s, const char *text, size_t len,
                           struct httpd_problem *p);
void httpd_submission_close(struct httpd_submission *s);

/* Where in a submission it is that neap refused, by what it said: a JSON pointer, or NULL. */
const char *httpd_submission_pointer(const char *message);

#endif
