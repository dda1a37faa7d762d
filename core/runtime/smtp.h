/* One mail on its way to its server. libcurl connects, speaks TLS and logs in; the conversation
 * from MAIL on is ours, because libcurl's waits for the server's last answer without giving the
 * thread back. Owned by the worker's thread. */
#ifndef RUNTIME_SMTP_H
#define RUNTIME_SMTP_H

#include <stdbool.h>

#include <uv.h>

#include "base/buf.h"
#include "runtime/op.h"
#include "runtime/transfers.h"

enum smtp_tls { SMTP_TLS_AUTO, SMTP_TLS_NEEDED, SMTP_TLS_NONE };

struct smtp_options { /* texts are borrowed until smtp_start returns */
    const char *url;  /* smtp:// or smtps:// */
    enum smtp_tls tls;
    const char *user, *password; /* NULL: no login */
    const char *ca;
    bool verify;
    int64_t timeout_ms; /* 0: none */
};

struct smtp {
    struct op op;
    struct transfer transfer;
    struct buf from, recipients; /* recipients: addresses, each with a NUL behind it */
    struct buf message;          /* dots stuffed, with its end */
    char *id;                    /* of the message */
    size_t held_bytes;
    uv_poll_t *poll; /* once connected */
    int stage;
    size_t at;           /* in recipients */
    struct buf out;      /* the command being sent */
    size_t sent;         /* of `out`, or of `message` */
    struct buf in;       /* the part of a line that has come */
    size_t answer_bytes; /* of the answer so far */
    char answer[256];    /* the last line of the last one */
    const char *failed;  /* a failure of ours: its word; `error` says more */
    char error[512];
    bool login, login_offered;
    bool done;
};

struct smtp *smtp_new(struct transfers *transfers);
void smtp_sender(struct smtp *s, const char *address, size_t len);
void smtp_recipient(struct smtp *s, const char *address, size_t len);
/* False: the worker's mails are larger than its memory may be. */
bool smtp_message(struct smtp *s, const char *text, size_t len);
void smtp_start(struct smtp *s, const struct smtp_options *options); /* op_done follows */
/* Ends it wherever it is, and leaves what came of it. */
void smtp_close(struct smtp *s);
void smtp_free(
    struct smtp *s); /* closed or not; NULL is fine. Closed: also after the worker's end */

/* Once closed. NULL: the server has taken the mail; else the word for what went wrong. */
const char *smtp_failure(const struct smtp *s, const char **message);

#endif
