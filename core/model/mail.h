/* A mail as text: RFC 5322 with MIME, lines of at most 998 bytes ending in CRLF, nothing but ASCII.
 * Pure: time and randomness are arguments. */
#ifndef MODEL_MAIL_H
#define MODEL_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define MAIL_ADDRESS_MAX 254
#define MAIL_SUBJECT_MAX 10000
#define MAIL_NAME_MAX 255 /* of an attachment, of a person */

struct mail_address { /* points into the text it was parsed from */
    const char *name; /* what to show, unquoted by mail_put_address; may be empty */
    size_t name_len;
    const char *spec; /* user@host */
    size_t spec_len;
};

struct mail_text {
    const char *data; /* NULL: none */
    size_t len;
};

struct mail_file {
    const char *name, *type; /* type NULL: application/octet-stream */
    struct mail_text data;
};

struct mail_header {
    const char *name, *value;
};

struct mail {
    struct mail_address from, reply_to; /* reply_to.spec NULL: none */
    const struct mail_address *to, *cc;
    size_t n_to, n_cc;
    const char *subject; /* NULL: none */
    struct mail_text text, html;
    const struct mail_file *files;
    size_t n_files;
    const struct mail_header *headers;
    size_t n_headers;
    int64_t date_s;       /* Unix */
    const char *id;       /* "<...>" */
    const char *boundary; /* random; [A-Za-z0-9]+, at most 40 bytes */
};

/* "ada@example.org", "Ada Lovelace <ada@example.org>" or "\"Lovelace, Ada\" <...>". False: that is
 * none. Control characters are in none, nor is anything but ASCII in user@host. */
bool mail_address_parse(const char *text, size_t len, struct mail_address *out);

/* May it stand in a header as it is, encoded where need be? No control characters but tabs. */
bool mail_header_text(const char *text, size_t len);
/* "text/plain; charset=UTF-8": a type and what may follow it. */
bool mail_type(const char *text);
/* May tasks set it? Not what mail_write sets, and only a name. */
bool mail_header_name(const char *name);

/* The mail's parts must have passed the checks above. */
void mail_write(struct buf *out, const struct mail *mail);

#endif
