#include "runtime/http.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#define FIELDS_MAX 1000              /* of a response's head */
#define HEAD_MAX ((size_t)256 << 10) /* and its bytes */

__attribute__((format(printf, 3, 4))) static bool fail(struct http *h, const char *word,
                                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!h->failed)
        vsnprintf(h->message, sizeof h->message, format, args);
    va_end(args);
    if (!h->failed)
        h->failed = word;
    return false;
}

/* --- the head --------------------------------------------------------------------------------- */

static void forget_head(struct http *h)
{
    for (size_t i = 0; i < h->n_fields; i++) {
        free(h->fields[i].name);
        buf_close(&h->fields[i].value);
    }
    h->n_fields = h->head_bytes = 0;
    h->head_done = false;
}

/* "HTTP/1.1 200 OK": each response on the way has one. After a 303 the request is a GET, whatever
 * it was; libcurl would keep a method that it does not know. */
static void status_line(struct http *h, const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    forget_head(h);
    h->status = space && len - (size_t)(space - line) > 3 ? strtol(space + 1, NULL, 10) : 0;
    if (h->status == 303 && h->custom)
        transfers_curl(h->transfer.owner)
            ->easy_setopt(h->transfer.easy, CURLOPT_CUSTOMREQUEST, NULL);
}

static struct http_field *field_of(struct http *h, const char *name, size_t len)
{
    for (size_t i = 0; i < h->n_fields; i++)
        if (strlen(h->fields[i].name) == len && strncasecmp(h->fields[i].name, name, len) == 0)
            return &h->fields[i];
    if (h->n_fields % 16 == 0)
        h->fields = mem_grow(h->fields, h->n_fields + 16, sizeof *h->fields);
    struct http_field *field = &h->fields[h->n_fields++];
    *field = (struct http_field){.name = mem_alloc(len + 1)};
    for (size_t i = 0; i < len; i++)
        field->name[i] = (char)tolower((unsigned char)name[i]);
    field->name[len] = 0;
    return field;
}

static void add_field(struct http *h, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line)
        return;
    const char *value = colon + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && isspace((unsigned char)end[-1]))
        end--;
    const size_t before = h->n_fields;
    struct http_field *field = field_of(h, line, (size_t)(colon - line));
    if (h->n_fields == before)
        buf_text(&field->value, ", ");
    buf_put(&field->value, value, (size_t)(end - value));
}

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
    struct http *h = user;
    const size_t len = size * count;
    h->head_bytes += len;
    if (len > 5 && strncasecmp(line, "HTTP/", 5) == 0)
        status_line(h, line, len);
    else if (h->head_done)
        ; /* a trailer */
    else if (len <= 2)
        h->head_done = h->status >= 200;
    else
        add_field(h, line, len);
    if (h->n_fields <= FIELDS_MAX && h->head_bytes <= HEAD_MAX)
        return len;
    fail(h, "too_large", "the head of the response is too large");
    return 0;
}

/* --- the body --------------------------------------------------------------------------------- */

static bool write_all(struct http *h, const char *data, size_t len)
{
    while (len) {
        const ssize_t n = write(h->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(h, "io", "%s: %s", h->temp, strerror(errno));
        data += n;
        len -= (size_t)n;
        h->file_bytes += n;
    }
    return true;
}

bool http_to_file(const struct http *h)
{
    return h->to && h->status / 100 == 2;
}

/* Room for a body of that size: for all that is announced at once, or many that begin together
 * would all find too little in the middle. */
static bool hold(struct http *h, size_t bytes)
{
    if (bytes <= h->held_bytes)
        return true;
    if (!transfers_hold(h->transfer.owner, bytes - h->held_bytes))
        return false;
    h->held_bytes = bytes;
    return true;
}

static bool take_body(struct http *h, const char *data, size_t len)
{
    const bool file = http_to_file(h);
    const int64_t limit = file ? h->max_file : (int64_t)h->max_body;
    const int64_t have = file ? h->file_bytes : (int64_t)h->body.len;
    curl_off_t announced = -1;
    if (have == 0) /* what will not fit is not waited for */
        transfers_curl(h->transfer.owner)
            ->easy_getinfo(h->transfer.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if ((int64_t)len > limit - have || announced > limit)
        return fail(h, "too_large", "the body is larger than %lld bytes", (long long)limit);
    if (file)
        return write_all(h, data, len);
    if (!hold(h, announced > (int64_t)len ? (size_t)announced : h->body.len + len))
        return fail(h, "too_large", "this worker's responses are larger than its memory may be");
    buf_put(&h->body, data, len);
    return true;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    return take_body(user, data, size * count) ? size * count : 0;
}

/* --- the file --------------------------------------------------------------------------------- */

/* Beside the file, so that it can be renamed onto it. */
static bool open_temp(struct http *h)
{
    for (int tries = 0; tries < 100; tries++) {
        uint32_t number = 0;
        if (getrandom(&number, sizeof number, 0) != sizeof number)
            number = (uint32_t)tries;
        free(h->temp);
        h->temp = mem_format("%s.%08x.part", h->to, number);
        h->fd = open(h->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (h->fd >= 0)
            return true;
        if (errno != EEXIST)
            break;
    }
    fail(h, "io", "%s: %s", h->temp, strerror(errno));
    free(h->temp);
    h->temp = NULL;
    return false;
}

static void drop_temp(struct http *h)
{
    if (h->fd >= 0)
        close(h->fd);
    if (h->temp)
        unlink(h->temp);
    free(h->temp);
    h->temp = NULL;
    h->fd = -1;
}

static void keep_file(struct http *h)
{
    const int rc = close(h->fd);
    h->fd = -1;
    if (rc || rename(h->temp, h->to)) {
        fail(h, "io", "%s: %s", h->to, strerror(errno));
        return;
    }
    free(h->temp);
    h->temp = NULL;
}

/* --- the request ------------------------------------------------------------------------------ */

static void on_done(struct transfer *t)
{
    struct http *h = t->user;
    if (t->code == CURLE_OK && !h->failed && http_to_file(h))
        keep_file(h);
    drop_temp(h);
    op_done(&h->op);
}

struct http *http_new(struct transfers *transfers)
{
    struct http *h = mem_zero(1, sizeof *h);
    transfer_init(&h->transfer, transfers, on_done);
    h->transfer.user = h;
    h->fd = -1;
    return h;
}

static void add_header(struct http *h, const char *line)
{
    h->headers = transfers_curl(h->transfer.owner)->slist_append(h->headers, line);
    assert(h->headers);
}

void http_header(struct http *h, const char *name, const char *value)
{
    /* "Name;" is how libcurl is told of a header without a value */
    char *line = *value ? mem_format("%s: %s", name, value) : mem_format("%s;", name);
    add_header(h, line);
    free(line);
}

static void set_method(struct http *h, const struct http_options *o)
{
    const struct curl *curl = transfers_curl(h->transfer.owner);
    CURL *easy = h->transfer.easy;
    const bool post = strcmp(o->method, "POST") == 0;
    if (o->body || post) {
        h->sent = mem_copy(o->body ? o->body : "", o->body_len + !o->body);
        curl->easy_setopt(easy, CURLOPT_POST, 1L);
        curl->easy_setopt(easy, CURLOPT_POSTFIELDS, h->sent);
        curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_len);
    } else if (strcmp(o->method, "HEAD") == 0) {
        curl->easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    h->custom = !post && (o->body || strcmp(o->method, "GET") != 0);
    if (!h->custom)
        return;
    curl->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, o->method);
    curl->easy_setopt(easy, CURLOPT_POSTREDIR, (long)(CURL_REDIR_POST_301 | CURL_REDIR_POST_302));
}

static void set_limits(struct http *h, const struct http_options *o)
{
    const struct curl *curl = transfers_curl(h->transfer.owner);
    CURL *easy = h->transfer.easy;
    h->max_body = o->max_body;
    h->max_file = o->max_file;
    curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, o->redirects ? 1L : 0L);
    curl->easy_setopt(easy, CURLOPT_MAXREDIRS, o->redirects);
    curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                      o->connect_timeout_ms ? (long)o->connect_timeout_ms : (long)INT32_MAX);
}

static void set_security(struct http *h, const struct http_options *o)
{
    const struct curl *curl = transfers_curl(h->transfer.owner);
    CURL *easy = h->transfer.easy;
    curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, o->verify ? 1L : 0L);
    curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, o->verify ? 2L : 0L);
    if (o->ca)
        curl->easy_setopt(easy, CURLOPT_CAINFO, o->ca);
    if (o->user || o->password) {
        curl->easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl->easy_setopt(easy, CURLOPT_USERNAME, o->user ? o->user : "");
        curl->easy_setopt(easy, CURLOPT_PASSWORD, o->password ? o->password : "");
    }
}

static void set_headers(struct http *h, const struct http_options *o)
{
    const struct curl *curl = transfers_curl(h->transfer.owner);
    CURL *easy = h->transfer.easy;
    if (!o->own_agent)
        curl->easy_setopt(easy, CURLOPT_USERAGENT, "neap/" NEAP_VERSION);
    if (!o->own_encoding && !o->to)
        curl->easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    if (!o->own_type)
        add_header(h, "Content-Type:"); /* none, instead of libcurl's for forms */
    if (!o->own_expect)
        add_header(h, "Expect:"); /* nor a second's wait for servers that know no 100 */
    curl->easy_setopt(easy, CURLOPT_HTTPHEADER, h->headers);
}

/* The host part of "scheme://user@host:port/path". */
static const char *host_of(const char *url, size_t *len)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    const char *end = host + strcspn(host, "/?#");
    for (const char *at = host; at < end; at++)
        if (*at == '@')
            host = at + 1;
    const size_t name = strcspn(host, ":/?#");
    *len = name < (size_t)(end - host) ? name : (size_t)(end - host);
    return host;
}

bool http_start(struct http *h, const struct http_options *o)
{
    size_t host_len;
    const struct curl *curl = transfers_curl(h->transfer.owner);
    CURL *easy = h->transfer.easy;
    h->to = mem_text(o->to);
    if (h->to && !open_temp(h))
        return false;
    curl->easy_setopt(easy, CURLOPT_URL, o->url);
    curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, h);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, h);
    set_method(h, o);
    set_limits(h, o);
    set_security(h, o);
    set_headers(h, o);
    const char *host = host_of(o->url, &host_len);
    transfer_start(&h->transfer, host, host_len, o->timeout_ms);
    return true;
}

void http_close(struct http *h)
{
    struct transfers *transfers = h->transfer.owner;
    char *url = NULL;
    if (!transfers)
        return;
    const struct curl *curl = transfers_curl(transfers);
    curl->easy_getinfo(h->transfer.easy, CURLINFO_EFFECTIVE_URL, &url);
    h->url = mem_text(url);
    transfer_close(&h->transfer);
    transfers_release(transfers, h->held_bytes);
    curl->slist_free_all(h->headers);
    drop_temp(h);
}

void http_free(struct http *h)
{
    if (!h)
        return;
    http_close(h);
    forget_head(h);
    free(h->fields);
    buf_close(&h->body);
    free(h->url);
    free(h->sent);
    free(h->to);
    free(h);
}

const char *http_failure(const struct http *h, const char **message)
{
    *message = h->failed ? h->message : transfer_text(&h->transfer);
    if (h->failed)
        return h->failed;
    return h->transfer.code ? curl_word(h->transfer.code) : NULL;
}
