/* The HTTP API of `neap serve`, on a unix socket and on TCP: docs/api.md. Its threads are
 * libmicrohttpd's, one a listener, and one that looks after time; all block every signal.
 *
 *     httpd_start -> httpd_drain (refuses what changes things) -> httpd_stop -> neap_close
 *     -> httpd_free (answers that neap still owed have come by then) */
#ifndef FACES_HTTPD_H
#define FACES_HTTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "neap.h"

struct httpd;

struct httpd_options { /* texts are copied */
    neap *n;
    const char *socket; /* a path; NULL: no unix socket */
    const char *listen; /* "ADDRESS:PORT"; NULL: no TCP */
    const char *token;  /* asked for on TCP; NULL: none */
    const char *hosts;  /* names, separated by commas, that Host may be; NULL: none */
    size_t max_body;
    unsigned max_connections, max_per_address; /* per address: 0 for any number */
    int64_t header_ms, body_ms;
    void *user; /* handed to these two, which any thread may call */
    int (*reload)(void *user, struct neap_error *err); /* as neap_reload */
    void (*log)(void *user, int level, const char *text, const char *fields);
    bool (*logs)(void *user, int level); /* would `log` say something? */
};

/* NEAP_EINVAL: an address without a token that others can reach, a path that is too long;
 * NEAP_ECONFLICT: somebody listens there; NEAP_EIO. On an error there is nothing to free. */
int httpd_start(struct httpd **out, const struct httpd_options *options, struct neap_error *err);
/* The same with what the configuration says of sockets, tokens and limits; of `given` only n, user,
 * reload, log and logs count. NULL in `*out`: it is to listen nowhere. NEAP_ECONFIG: no token to be
 * had.
 */
int httpd_open(struct httpd **out, const struct httpd_options *given, struct neap_error *err);
/* What it listens on, to tell people: "unix:/run/neap.sock, 127.0.0.1:8080". */
void httpd_where(const struct httpd *h, struct buf *out);
/* From here on what would change something is refused; questions are answered. */
void httpd_drain(struct httpd *h); /* NULL is fine, here and below */
/* Accepts nothing more, ends what waits with 503, joins the threads, removes the socket. */
void httpd_stop(struct httpd *h);
void httpd_free(struct httpd *h);

/* The description of the API, made from the table of routes: one line of JSON, indented. */
void httpd_openapi(struct buf *out);

#endif
