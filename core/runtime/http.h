/* One HTTP request on its way and its response. Owned by the worker's thread. */
#ifndef RUNTIME_HTTP_H
#define RUNTIME_HTTP_H

#include <stdbool.h>

#include "base/buf.h"
#include "runtime/op.h"
#include "runtime/transfers.h"

struct http_options { /* texts are borrowed until http_start returns */
    const char *url;
    const char *method; /* upper case */
    const char *body;   /* NULL: none */
    size_t body_len;
    const char *to; /* the file for the body of a 2xx response, or NULL */
    const char *ca; /* NULL: the system's certificates */
    const char *user, *password;
    int64_t timeout_ms, connect_timeout_ms; /* 0: none */
    long redirects;
    size_t max_body;  /* bytes of a body in memory */
    int64_t max_file; /* bytes of a body in a file */
    bool verify;
    bool own_agent, own_encoding, own_type, own_expect; /* the caller has set that header */
};

struct http_field { /* of the response's head; repeated ones are joined */
    char *name;     /* lower case */
    struct buf value;
};

struct http {
    struct op op;
    struct transfer transfer;
    struct curl_slist *headers; /* of the request */
    char *sent;                 /* its body */
    bool custom;                /* its method is none that libcurl knows */
    char *to, *temp;            /* where the body goes, and where it is until it is whole */
    int fd;
    int64_t file_bytes, max_file;
    size_t max_body, held_bytes;
    long status;
    bool head_done;
    struct http_field *fields;
    size_t n_fields, head_bytes;
    struct buf body;
    char *url;          /* after all redirects, once closed */
    const char *failed; /* a failure of our own: its word; `message` says more */
    char message[512];
};

/* Where it begins, add the request's headers, then start it. */
struct http *http_new(struct transfers *transfers);
void http_header(struct http *h, const char *name, const char *value);
/* False: failed and message say why. Else op_done follows. */
bool http_start(struct http *h, const struct http_options *options);
/* Ends it wherever it is, and leaves what came of it. A file that is not whole is removed. */
void http_close(struct http *h);
void http_free(
    struct http *h); /* closed or not; NULL is fine. Closed: also after the worker's end */

/* Once closed. NULL: all is well; else the word for what went wrong, with the text in *message.
 */
const char *http_failure(const struct http *h, const char **message);
bool http_to_file(const struct http *h); /* the body is in the file */

#endif
