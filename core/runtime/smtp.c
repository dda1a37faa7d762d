#include "runtime/smtp.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ANSWER_MAX 65536 /* bytes of one answer */

/*      login by libcurl ─► MAIL ─► RCPT, one by one ─► DATA ─► the message ─► taken        */
enum { STAGE_CONNECT, STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_MESSAGE, STAGE_OVER };

static const struct curl *curl_of(const struct smtp *s)
{
    return transfers_curl(s->transfer.owner);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

/* libcurl closes the socket in transfer_close, and says no QUIT on a connection that it only made.
 */
static void stop_polling(struct smtp *s)
{
    if (!s->poll)
        return;
    uv_poll_stop(s->poll);
    uv_close((uv_handle_t *)s->poll, on_poll_closed);
    s->poll = NULL;
}

static void finish(struct smtp *s)
{
    if (s->done)
        return;
    s->done = true;
    s->stage = STAGE_OVER;
    stop_polling(s);
    op_done(&s->op);
}

__attribute__((format(printf, 3, 4))) static void fail(struct smtp *s, const char *word,
                                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->error, sizeof s->error, format, args);
    va_end(args);
    s->failed = word;
    finish(s);
}

/* --- the conversation ------------------------------------------------------------------------- */

static const struct buf *to_send(const struct smtp *s)
{
    return s->stage == STAGE_MESSAGE ? &s->message : &s->out;
}

static void say(struct smtp *s, int stage, const char *verb, const char *address, const char *end)
{
    s->stage = stage;
    s->out.len = s->sent = 0;
    buf_text(&s->out, verb);
    if (address)
        buf_text(&s->out, address);
    buf_text(&s->out, end);
}

static void say_goodbye(struct smtp *s) /* and do not wait for the answer */
{
    size_t sent;
    curl_of(s)->easy_send(s->transfer.easy, "QUIT\r\n", 6, &sent);
}

static void refused(struct smtp *s, int code, const char *what, const char *whom)
{
    say_goodbye(s);
    fail(s, code >= 500 ? "refused" : "busy", "the server refuses %s%s%s: %s", what,
         *whom ? " " : "", whom, s->answer);
}

static void send_message(struct smtp *s)
{
    s->stage = STAGE_MESSAGE;
    s->out.len = s->sent = 0;
}

static void next_recipient(struct smtp *s)
{
    if (s->at < s->recipients.len)
        say(s, STAGE_RCPT, "RCPT TO:<", s->recipients.data + s->at, ">\r\n");
    else
        say(s, STAGE_DATA, "DATA", NULL, "\r\n");
}

static void taken(struct smtp *s)
{
    say_goodbye(s);
    finish(s);
}

static void answered(struct smtp *s, int code)
{
    const char *whom = s->at < s->recipients.len ? s->recipients.data + s->at : "";
    switch (s->stage) {
    case STAGE_MAIL:
        if (code != 250)
            refused(s, code, "the sender", buf_string(&s->from));
        else
            next_recipient(s);
        break;
    case STAGE_RCPT:
        if (code != 250 && code != 251) {
            refused(s, code, "the recipient", whom);
            break;
        }
        s->at += strlen(whom) + 1;
        next_recipient(s);
        break;
    case STAGE_DATA:
        if (code != 354)
            refused(s, code, "the mail", "");
        else
            send_message(s);
        break;
    case STAGE_MESSAGE:
        if (code != 250)
            refused(s, code, "the mail", "");
        else
            taken(s);
        break;
    default:
        break;
    }
}

/* A line of an answer: "250-more follows" or "250 the last". */
static void take_line(struct smtp *s, const char *line, size_t len)
{
    while (len && isspace((unsigned char)line[len - 1]))
        len--;
    int code = 0;
    for (size_t i = 0; i < 3; i++)
        code = i < len && isdigit((unsigned char)line[i]) && code >= 0 ? code * 10 + line[i] - '0'
                                                                       : -1;
    if (code < 200 || code > 599) {
        fail(s, "protocol", "the server answers with no reply code");
        return;
    }
    if (len > 3 && line[3] == '-')
        return;
    s->answer_bytes = 0;
    if (code < 400 && s->sent < to_send(s)->len) {
        fail(s, "protocol", "the server answers before it is asked");
        return;
    }
    snprintf(s->answer, sizeof s->answer, "%.*s", (int)(len < 250 ? len : 250), line);
    answered(s, code);
}

static void take_lines(struct smtp *s)
{
    size_t at = 0;
    for (char *end; !s->done && (end = memchr(s->in.data + at, '\n', s->in.len - at));) {
        const size_t len = (size_t)(end - (s->in.data + at)) + 1;
        take_line(s, s->in.data + at, len);
        at += len;
    }
    s->in.len -= at;
    memmove(s->in.data, s->in.data + at, s->in.len);
}

/* --- the socket ------------------------------------------------------------------------------- */

static void broken(struct smtp *s, CURLcode code)
{
    fail(s, "io", "the connection to the server broke: %s", curl_of(s)->easy_strerror(code));
}

static void receive(struct smtp *s)
{
    char data[4096];
    while (!s->done) {
        size_t n = 0;
        const CURLcode code = curl_of(s)->easy_recv(s->transfer.easy, data, sizeof data, &n);
        if (code == CURLE_AGAIN)
            return;
        if (code || n == 0) {
            broken(s, code ? code : CURLE_GOT_NOTHING);
            return;
        }
        buf_put(&s->in, data, n);
        s->answer_bytes += n;
        if (s->answer_bytes > ANSWER_MAX) /* or it never ended */
            fail(s, "protocol", "the server's answer is too long");
        else
            take_lines(s);
    }
}

static void transmit(struct smtp *s)
{
    while (!s->done) {
        const struct buf *out = to_send(s);
        size_t n = 0;
        if (s->sent >= out->len)
            return;
        const CURLcode code =
            curl_of(s)->easy_send(s->transfer.easy, out->data + s->sent, out->len - s->sent, &n);
        if (code == CURLE_AGAIN)
            return;
        if (code) {
            broken(s, code);
            return;
        }
        s->sent += n;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void go_on(struct smtp *s)
{
    transmit(s);
    receive(s);
    transmit(s); /* what the answer led to */
    if (s->done)
        return;
    const bool more = s->sent < to_send(s)->len;
    uv_poll_start(s->poll, UV_READABLE | (more ? UV_WRITABLE : 0), on_poll);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events; /* an error shows at the next send or receive */
    go_on(poll->data);
}

static void on_done(struct transfer *t)
{
    struct smtp *s = t->user;
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (t->expired) {
        finish(s);
        return;
    }
    if (t->code) {
        const bool said = *s->answer == '4' || *s->answer == '5'; /* the server says why */
        fail(s, curl_word(t->code), "%s%s%s", transfer_text(t), said ? ": " : "",
             said ? s->answer : "");
        return;
    }
    if (s->login && !s->login_offered) {
        fail(s, "login", "the server offers no login here");
        return;
    }
    curl_of(s)->easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd);
    s->poll = mem_alloc(sizeof *s->poll);
    if (fd == CURL_SOCKET_BAD || uv_poll_init_socket(transfers_loop(t->owner), s->poll, fd)) {
        free(s->poll);
        s->poll = NULL;
        fail(s, "io", "the connection to the server is lost");
        return;
    }
    s->poll->data = s;
    say(s, STAGE_MAIL, "MAIL FROM:<", buf_string(&s->from), ">\r\n");
    go_on(s);
}

/* --- login, by libcurl ------------------------------------------------------------------------ */

static size_t on_answer(char *line, size_t size, size_t count, void *user)
{
    struct smtp *s = user;
    size_t len = size * count;
    while (len && isspace((unsigned char)line[len - 1]))
        len--;
    snprintf(s->answer, sizeof s->answer, "%.*s", (int)(len < 250 ? len : 250), line);
    s->login_offered |= strlen(s->answer) > 8 && strncasecmp(s->answer + 4, "AUTH", 4) == 0;
    return size * count;
}

static bool is_local(const char *host, size_t len)
{
    char text[32] = "";
    struct in_addr address;
    if (len >= sizeof text)
        return false;
    memcpy(text, host, len);
    return strcasecmp(text, "localhost") == 0 || strcmp(text, "[::1]") == 0 ||
           (inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static const char *host_of(const char *url, size_t *len)
{
    const char *host = strstr(url, "://") + 3;
    *len = *host == '[' ? strcspn(host, "]/") + 1 : strcspn(host, ":/");
    return host;
}

static long tls_level(const struct smtp_options *o, const char *host, size_t len)
{
    if (o->tls == SMTP_TLS_NONE)
        return CURLUSESSL_NONE;
    /* a password goes in clear over the network only where that is asked for */
    if (o->tls == SMTP_TLS_NEEDED || (o->password && !is_local(host, len)))
        return CURLUSESSL_ALL;
    return CURLUSESSL_TRY;
}

static void log_in(struct smtp *s, const struct smtp_options *o)
{
    const struct curl *curl = curl_of(s);
    CURL *easy = s->transfer.easy;
    if (!o->user)
        return;
    s->login = true;
    curl->easy_setopt(easy, CURLOPT_USERNAME, o->user);
    curl->easy_setopt(easy, CURLOPT_PASSWORD, o->password ? o->password : "");
    /* not Kerberos and the like, which ask servers of their own and wait for them */
    curl->easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, "AUTH=CRAM-MD5;AUTH=PLAIN;AUTH=LOGIN");
}

void smtp_start(struct smtp *s, const struct smtp_options *o)
{
    size_t host_len;
    const struct curl *curl = curl_of(s);
    CURL *easy = s->transfer.easy;
    const char *host = host_of(o->url, &host_len);
    curl->easy_setopt(easy, CURLOPT_URL, o->url);
    curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl->easy_setopt(easy, CURLOPT_PROXY, "");
    curl->easy_setopt(easy, CURLOPT_USE_SSL, tls_level(o, host, host_len));
    curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, o->verify ? 1L : 0L);
    curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, o->verify ? 2L : 0L);
    if (o->ca)
        curl->easy_setopt(easy, CURLOPT_CAINFO, o->ca);
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_answer);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, s);
    log_in(s, o);
    s->transfer.stays = true;
    transfer_start(&s->transfer, host, host_len, o->timeout_ms);
}

/* --- the mail --------------------------------------------------------------------------------- */

struct smtp *smtp_new(struct transfers *transfers)
{
    struct smtp *s = mem_zero(1, sizeof *s);
    transfer_init(&s->transfer, transfers, on_done);
    s->transfer.user = s;
    return s;
}

void smtp_sender(struct smtp *s, const char *address, size_t len)
{
    buf_put(&s->from, address, len);
}

void smtp_recipient(struct smtp *s, const char *address, size_t len)
{
    buf_put(&s->recipients, address, len);
    buf_byte(&s->recipients, 0);
}

/* A line that begins with a dot gets another; one dot alone is the end. */
bool smtp_message(struct smtp *s, const char *text, size_t len)
{
    if (!transfers_hold(s->transfer.owner, len))
        return false;
    s->held_bytes = len;
    buf_reserve(&s->message, len + len / 64 + 16);
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        const size_t n = end ? (size_t)(end - (text + at)) + 1 : len - at;
        if (text[at] == '.')
            buf_byte(&s->message, '.');
        buf_put(&s->message, text + at, n);
        at += n;
    }
    buf_text(&s->message, ".\r\n");
    return true;
}

void smtp_close(struct smtp *s)
{
    struct transfers *transfers = s->transfer.owner;
    if (!transfers)
        return;
    stop_polling(s);
    transfer_close(&s->transfer);
    transfers_release(transfers, s->held_bytes);
}

void smtp_free(struct smtp *s)
{
    if (!s)
        return;
    smtp_close(s);
    free(s->id);
    buf_close(&s->from);
    buf_close(&s->recipients);
    buf_close(&s->message);
    buf_close(&s->out);
    buf_close(&s->in);
    free(s);
}

const char *smtp_failure(const struct smtp *s, const char **message)
{
    *message = s->error;
    if (s->failed)
        return s->failed;
    *message = transfer_text(&s->transfer);
    return s->transfer.code ? curl_word(s->transfer.code) : NULL;
}
