/* The order matters: first whether the message is well formed, then where it comes from, then who
 * sends it, and only then what it is about. So whoever has no token learns nothing. */
#include "faces/httpd_guard.h"

#include "base/mem.h"
#include "base/text.h"
#include "faces/httpd_routes.h"
#include "faces/httpd_uri.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KEY_MAX 255 /* of an Idempotency-Key */

enum known { HOST, ORIGIN, FETCH_SITE, TYPE, AUTHORIZATION, KEY, PREFER, LENGTH, CODING, KNOWN };
static const char *const names[KNOWN] = {"Host",         "Origin",         "Sec-Fetch-Site",
                                         "Content-Type", "Authorization",  "Idempotency-Key",
                                         "Prefer",       "Content-Length", "Transfer-Encoding"};

struct headers {
    const char *values[KNOWN]; /* NULL: absent */
    const char *twice;         /* one that may not be, NULL: none */
    const char *begin, *end;   /* of what was read: from the method, after the last value */
    bool gaps;                 /* look at what is between them */
    bool strange;              /* a byte that no header has, or a line that does not end in CR LF */
};

/* ---- the form of the message */

static bool is_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
            return false;
    return true;
}

static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f ||
            strchr("\"(),/:;<=>?@[\\]{}", text[i]))
            return false;
    return len > 0;
}

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                   size_t key_len, const char *value, size_t len)
{
    struct headers *h = cls;
    (void)kind;
    if (!value)
        value = key + key_len;
    h->strange |= !is_token(key, key_len) || !is_text(value, len);
    h->strange |= h->gaps && (uintptr_t)key - (uintptr_t)h->end != 2;
    h->end = value + len;
    for (size_t i = 0; i < KNOWN; i++) {
        if (strlen(names[i]) != key_len || strncasecmp(names[i], key, key_len) != 0)
            continue;
        if (h->values[i])
            h->twice = names[i];
        h->values[i] = value;
    }
    return MHD_YES;
}

/* libmicrohttpd 0.9 takes a bare LF for the end of a line, joins folded lines, and does not say so.
 * But it leaves everything where it read it, with NULs in place of what it took away: so the spaces
 * between what it hands out tell what was there. (From 1.0 on it refuses all that itself.) */
static bool read_headers(struct httpd_request *r, const char *method, const char *version,
                         struct headers *h, struct httpd_problem *p)
{
    const struct httpd_lib *lib = &r->h->lib;
    *h = (struct headers){
        .begin = method, .end = version + strlen(version), .gaps = r->h->leaves_gaps};
    lib->get_connection_values_n(r->connection, MHD_HEADER_KIND, take_header, h);
    const size_t size =
        lib->get_connection_info(r->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)
            ->header_size;
    h->strange |= h->gaps && (size - ((uintptr_t)h->end - (uintptr_t)h->begin) != 4 ||
                              (size_t)(version - method) != strlen(method) + strlen(r->uri) + 2);
    if (h->strange)
        httpd_problem_set(p, 400,
                          "the header is malformed: each line is `Name: value` and ends in "
                          "CR LF, without folding or control characters");
    else if (size > HTTPD_HEADER_BYTES)
        httpd_problem_set(p, 431, "the header has more than %d bytes", HTTPD_HEADER_BYTES);
    else if (h->twice)
        httpd_problem_set(p, 400, "%s stands in the header twice", h->twice);
    else if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        httpd_problem_set(p, 505, "only HTTP/1.1 and HTTP/1.0 are understood");
    else
        return true;
    return false;
}

static bool check_framing(const struct headers *h, int64_t *length, struct httpd_problem *p)
{
    const char *text = h->values[LENGTH];
    *length = 0;
    if (h->values[CODING])
        httpd_problem_set(p, 411, "send a Content-Length: Transfer-Encoding is not taken");
    else if (text && (strspn(text, "0123456789") != strlen(text) || !text_integer(text, length)))
        httpd_problem_set(p, 400, "Content-Length is not a number");
    return !httpd_problem_any(p);
}

/* ---- where it comes from */

/* "name", "name:80", "[::1]:80" into the name alone; false: it is none of them. */
static bool host_name(const char *host, char *out, size_t size)
{
    const bool bracket = *host == '[';
    const size_t len = bracket ? strcspn(host + 1, "]") : strcspn(host, ":");
    const char *rest = host + bracket + len;
    if (bracket && *rest++ != ']')
        return false;
    if (*rest == ':' && rest[1 + strspn(rest + 1, "0123456789")])
        return false;
    if ((*rest && *rest != ':') || len == 0 || len >= size)
        return false;
    memcpy(out, host + bracket, len);
    out[len] = '\0';
    return true;
}

static bool host_is_literal(const struct httpd_listener *l, const char *name)
{
    unsigned char given[16], own[16];
    for (int family = AF_INET;; family = AF_INET6) {
        if (inet_pton(family, name, given) == 1)
            return l->any_address || (inet_pton(family, l->address, own) == 1 &&
                                      memcmp(given, own, family == AF_INET ? 4 : 16) == 0);
        if (family == AF_INET6)
            return false;
    }
}

/* A name that an attacker's page resolves to this machine comes with that name as the host. */
static bool check_host(const struct httpd_request *r, const char *host, struct httpd_problem *p)
{
    char name[256];
    if (r->listener->local)
        return true;
    if (!host || !host_name(host, name, sizeof name)) {
        httpd_problem_set(p, 400, "a Host is needed");
        return false;
    }
    if (strcasecmp(name, "localhost") == 0 || host_is_literal(r->listener, name))
        return true;
    for (char **at = r->h->hosts; *at; at++)
        if (strcasecmp(*at, name) == 0)
            return true;
    httpd_problem_set(p, 421, "this is not host %s: name it in [http] hosts if it is", name);
    return false;
}

static bool check_site(const struct headers *h, struct httpd_problem *p)
{
    const char *site = h->values[FETCH_SITE], *origin = h->values[ORIGIN];
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0) {
        httpd_problem_set(p, 403, "requests from pages of other sites are refused");
        return false;
    }
    if (!origin)
        return true;
    const char *at = strncmp(origin, "http://", 7) == 0    ? origin + 7
                     : strncmp(origin, "https://", 8) == 0 ? origin + 8
                                                           : NULL;
    if (at && h->values[HOST] && strcasecmp(at, h->values[HOST]) == 0)
        return true;
    httpd_problem_set(p, 403, "requests from pages of other sites are refused");
    return false;
}

/* ---- who sends it */

bool httpd_same_secret(const char *given, const char *secret)
{
    const size_t given_len = strlen(given), len = strlen(secret);
    volatile unsigned char differs = given_len != len;
    for (size_t i = 0; i < given_len; i++)
        differs |= (unsigned char)(given[i] ^ secret[i < len ? i : 0]);
    return !differs;
}

static bool check_token(const struct httpd_request *r, const char *given, struct httpd_problem *p)
{
    const char *token = r->h->token;
    if (!token || r->listener->local || (r->route && r->route->flags & ROUTE_PUBLIC))
        return true;
    if (given && strncasecmp(given, "Bearer ", 7) == 0 && httpd_same_secret(given + 7, token))
        return true;
    httpd_problem_set(p, 401,
                      given ? "the token is wrong"
                            : "a token is needed: Authorization: "
                              "Bearer TOKEN");
    p->header = "WWW-Authenticate";
    buf_text(&p->value, "Bearer");
    return false;
}

/* ---- what it is about */

static enum httpd_content content_of(const char *type)
{
    const size_t len = type ? strcspn(type, "; \t") : 0;
    if (len == strlen(HTTPD_JSON) && strncasecmp(type, HTTPD_JSON, len) == 0)
        return CONTENT_JSON;
    if (len == strlen(HTTPD_NDJSON) && strncasecmp(type, HTTPD_NDJSON, len) == 0)
        return CONTENT_NDJSON;
    return CONTENT_NONE;
}

static bool check_body(struct httpd_request *r, const char *type, int64_t length,
                       struct httpd_problem *p)
{
    const unsigned flags = r->route->flags;
    if (length > (int64_t)r->h->max_body) {
        httpd_problem_set(p, 413, "the body has %lld bytes, the limit is %zu ([http] max_body)",
                          (long long)length, r->h->max_body);
        return false;
    }
    if (length == 0) {
        if (flags & ROUTE_BODY && !(flags & ROUTE_BODY_OPTIONAL))
            httpd_problem_set(p, 400, "a body is needed");
        return !httpd_problem_any(p);
    }
    r->content = content_of(type);
    if (!(flags & ROUTE_BODY))
        httpd_problem_set(p, 400, "%s takes no body", r->route->path);
    else if (r->content == CONTENT_NONE ||
             (r->content == CONTENT_NDJSON && !(flags & ROUTE_NDJSON)))
        httpd_problem_set(p, 415, "the body is to be " HTTPD_JSON "%s, and Content-Type to say so",
                          flags & ROUTE_NDJSON ? " or " HTTPD_NDJSON : "");
    return !httpd_problem_any(p);
}

static bool check_key(struct httpd_request *r, const char *key, struct httpd_problem *p)
{
    if (!key || !(r->route->flags & ROUTE_NDJSON))
        return true;
    const size_t len = strlen(key);
    if (len == 0 || len > KEY_MAX)
        httpd_problem_add(p, PART_HEADER, "Idempotency-Key", "has 1 to %d characters", KEY_MAX);
    for (size_t i = 0; i < len && !httpd_problem_any(p); i++)
        if ((unsigned char)key[i] < ' ' || (unsigned char)key[i] >= 0x7f)
            httpd_problem_add(p, PART_HEADER, "Idempotency-Key", "has only visible ASCII");
    r->key = mem_text(key);
    return !httpd_problem_any(p);
}

static bool check_service(struct httpd_request *r, struct httpd_problem *p)
{
    const bool changes = r->route->flags & ROUTE_CHANGES;
    if (atomic_load(&r->h->stopping) || (changes && atomic_load(&r->h->draining)))
        httpd_problem_of(p, NEAP_ECLOSED, "neap is stopping");
    return !httpd_problem_any(p);
}

static bool check_form(struct httpd_request *r, const char *method, const char *version,
                       struct headers *h, int64_t *length, struct httpd_problem *p)
{
    r->close = true; /* until its framing is known to be sound */
    if (!read_headers(r, method, version, h, p) || !check_framing(h, length, p) ||
        !httpd_uri_check(r->uri, p))
        return false;
    r->close = *length > 0; /* a body that is not read ends the connection */
    if (r->conn->over) {
        httpd_problem_set(p, 503, "too many connections");
        p->retry_after_s = 1;
        r->close = true;
    }
    return !httpd_problem_any(p);
}

bool httpd_guard(struct httpd_request *r, const char *method, const char *version,
                 struct httpd_problem *p)
{
    struct headers h;
    int64_t length;
    if (!check_form(r, method, version, &h, &length, p) || !check_host(r, h.values[HOST], p) ||
        !check_site(&h, p))
        return false;
    const bool found = httpd_routes_find(r, method);
    if (!check_token(r, h.values[AUTHORIZATION], p))
        return false;
    if (!found) {
        httpd_routes_missing(r, method, p);
        return false;
    }
    if (!check_service(r, p) || !check_body(r, h.values[TYPE], length, p) ||
        !check_key(r, h.values[KEY], p) || !httpd_routes_values(r, p))
        return false;
    r->minimal = h.values[PREFER] && strcasecmp(h.values[PREFER], "return=minimal") == 0;
    r->close = false;
    return true;
}
