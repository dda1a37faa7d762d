/* The one table of what can be asked: requests are matched against it, and the OpenAPI page is made
 * from it. */
#ifndef FACES_HTTPD_ROUTES_H
#define FACES_HTTPD_ROUTES_H

#include "faces/httpd_request.h"

enum httpd_route_flags {
    ROUTE_PUBLIC = 1,        /* without a token, too */
    ROUTE_CHANGES = 2,       /* refused while neap stops */
    ROUTE_BODY = 4,          /* takes JSON */
    ROUTE_BODY_OPTIONAL = 8, /* or nothing */
    ROUTE_NDJSON = 16,       /* takes NDJSON, too; and an Idempotency-Key */
};

struct httpd_route {
    const char *method, *path;       /* "/api/v1/jobs/{id}"; {id} is a job's, {name} any name */
    const char *operation, *summary; /* a word for programs, a line for people */
    httpd_step *run;
    int what;           /* of httpd_run_ask: enum neap_what */
    const char *fixed;  /* the name that goes with it, where the path has none */
    const char *params; /* of the query, separated by spaces; `filter`: all terms of one */
    const char *request, *answer; /* names of schemas; NULL: none */
    unsigned flags;
};
extern const struct httpd_route httpd_routes[]; /* ends in an entry without a method */

struct httpd_param_doc {
    const char *name, *schema, *help;
    bool filter; /* a term of the filter */
};
extern const struct httpd_param_doc httpd_param_docs[]; /* ends in an entry without a name */

bool httpd_routes_find(struct httpd_request *r, const char *method); /* sets r->route */
/* Why there is none: 404 or 405, with the nearest path, or the methods that there are. */
void httpd_routes_missing(const struct httpd_request *r, const char *method,
                          struct httpd_problem *p);
bool httpd_routes_takes(const struct httpd_route *route, const char *name); /* in its query */
/* What the path and the query hold. */
bool httpd_routes_values(struct httpd_request *r, struct httpd_problem *p);
enum MHD_Result httpd_routes_run(struct httpd_request *r);

/* The handlers. */
enum MHD_Result httpd_run_ask(struct httpd_request *r); /* asks neap `what` */
enum MHD_Result httpd_run_submit(struct httpd_request *r);
enum MHD_Result httpd_run_bulk(struct httpd_request *r); /* submits line by line */
enum MHD_Result httpd_run_events(struct httpd_request *r);
enum MHD_Result httpd_run_reload(struct httpd_request *r);
enum MHD_Result httpd_run_health(struct httpd_request *r);
enum MHD_Result httpd_run_ready(struct httpd_request *r);
enum MHD_Result httpd_run_openapi(struct httpd_request *r);

#endif
