#include "faces/client.h"

#include "base/curl.h"
#include "base/mem.h"
#include "faces/cli.h"
#include "faces/client_where.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_MS 10000
#define LONG_TURN_MS 60000
#define ANSWER_MS 120000 /* of a daemon that hangs; no question to it takes so long */

struct client {
    const char *command;
    struct signals *signals;
    struct where where;
    struct curl curl;
    CURLM *multi;
    int reader_fd; /* -1: none */
    bool quiet;    /* says nothing where the daemon does not answer */
};

struct client_call {
    struct client *client;
    struct client_request request;
    CURL *easy;
    struct curl_slist *headers;
    struct client_reply reply;
    bool ended;
    CURLcode code;
};

int client_open(struct client **out, const struct cli_args *args, struct signals *signals)
{
    struct neap_error err;
    struct client *c = mem_zero(1, sizeof *c);
    *out = NULL;
    *c = (struct client){.command = args->command->name, .signals = signals, .reader_fd = -1};
    int status = where_find(&c->where, args);
    if (status == CLI_OK && curl_open(&c->curl, &err))
        status = cli_fail(CLI_INTERNAL, c->command, "%s", err.message);
    if (status == CLI_OK) {
        c->multi = c->curl.multi_init();
        *out = c;
        return CLI_OK;
    }
    where_close(&c->where);
    free(c);
    return status;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    c->curl.multi_cleanup(c->multi);
    curl_close(&c->curl);
    where_close(&c->where);
    free(c);
}

const char *client_command(const struct client *c)
{
    return c->command;
}

void client_watch_reader(struct client *c, int fd)
{
    c->reader_fd = fd;
}

void client_try_again(struct client *c)
{
    c->quiet = true;
}

int client_unreached(const struct client *c, const char *text)
{
    return c->quiet ? CLI_UNREACHED : cli_fail(CLI_UNREACHED, c->command, "%s", text);
}

static int say_unreached(const struct client *c, const struct client_call *call)
{
    long number = 0;
    if (c->quiet)
        return CLI_UNREACHED;
    c->curl.easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &number);
    return where_fail(&c->where, c->command, call->code == CURLE_COULDNT_CONNECT, (int)number,
                      c->curl.easy_strerror(call->code));
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct client_call *call = user;
    const size_t len = size * count;
    if (call->reply.status == 0)
        call->client->curl.easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &call->reply.status);
    if (call->request.on_data && call->reply.status / 100 == 2)
        call->request.on_data(call->request.user, data, len);
    else
        buf_put(&call->reply.body, data, len);
    return len;
}

static void add_header(struct client_call *call, const char *text)
{
    if (text)
        call->headers = call->client->curl.slist_append(call->headers, text);
}

static void set_headers(struct client_call *call)
{
    const struct client_request *r = &call->request;
    char *type = mem_format("Content-Type: %s", r->type ? r->type : "application/json");
    add_header(call, r->body ? type : NULL);
    add_header(call, r->header);
    add_header(call, call->client->where.authorization);
    add_header(call, "Expect:"); /* a round trip for nothing */
    free(type);
    call->client->curl.easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static void set_up(struct client_call *call)
{
    const struct client *c = call->client;
    const struct client_request *r = &call->request;
    char *url = mem_format("%s/api/v1%s", c->where.base, r->path);
    CURLcode (*set)(CURL *, CURLoption, ...) = c->curl.easy_setopt;
    set(call->easy, CURLOPT_URL, url);
    set(call->easy, CURLOPT_PRIVATE, call);
    set(call->easy, CURLOPT_NOSIGNAL, 1L);
    set(call->easy, CURLOPT_PROXY, "");
    set(call->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(call->easy, CURLOPT_USERAGENT, "neap/" NEAP_VERSION);
    set(call->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    if (c->where.path)
        set(call->easy, CURLOPT_UNIX_SOCKET_PATH, c->where.path);
    if (!r->patient)
        set(call->easy, CURLOPT_TIMEOUT_MS, (long)ANSWER_MS);
    if (r->body) {
        set(call->easy, CURLOPT_POSTFIELDS, r->body);
        set(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
    }
    if (r->method)
        set(call->easy, CURLOPT_CUSTOMREQUEST, r->method);
    set(call->easy, CURLOPT_WRITEFUNCTION, on_body);
    set(call->easy, CURLOPT_WRITEDATA, call);
    set_headers(call);
    free(url);
}

struct client_call *client_begin(struct client *c, const struct client_request *request)
{
    struct client_call *call = mem_zero(1, sizeof *call);
    call->client = c;
    call->request = *request;
    call->easy = c->curl.easy_init();
    set_up(call);
    c->curl.multi_add_handle(c->multi, call->easy);
    return call;
}

bool client_ended(const struct client_call *call)
{
    return call->ended;
}

void client_abort(struct client_call *call)
{
    if (!call)
        return;
    const struct client *c = call->client;
    c->curl.multi_remove_handle(c->multi, call->easy);
    c->curl.easy_cleanup(call->easy);
    c->curl.slist_free_all(call->headers);
    buf_close(&call->reply.body);
    free(call);
}

int client_finish(struct client_call *call, struct client_reply *reply)
{
    const struct client *c = call->client;
    int status = CLI_OK;
    *reply = (struct client_reply){0};
    if (call->code == CURLE_OK) {
        c->curl.easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &call->reply.status);
        *reply = call->reply;
        call->reply.body = (struct buf){0};
    } else {
        status = say_unreached(c, call);
    }
    client_abort(call);
    return status;
}

static void note_ended(struct client *c)
{
    int left;
    for (CURLMsg *m; (m = c->curl.multi_info_read(c->multi, &left));) {
        struct client_call *call = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        c->curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        call->code = m->data.result;
        call->ended = true;
    }
}

int client_turn(struct client *c, int timeout_ms)
{
    int running, ready;
    struct curl_waitfd fds[2] = {{.fd = c->reader_fd}};
    unsigned count = c->reader_fd >= 0;
    if (c->signals && c->signals->fd >= 0)
        fds[count++] = (struct curl_waitfd){.fd = c->signals->fd, .events = CURL_WAIT_POLLIN};
    c->curl.multi_poll(c->multi, fds, count, timeout_ms < 0 ? LONG_TURN_MS : timeout_ms, &ready);
    const bool reader_left = c->reader_fd >= 0 && fds[0].revents;
    c->curl.multi_perform(c->multi, &running);
    note_ended(c);
    if (c->signals)
        signals_poll(c->signals);
    if (c->signals && c->signals->count)
        return CLI_SIGNAL + c->signals->first;
    return reader_left ? CLI_SIGNAL + SIGPIPE : CLI_OK;
}

int client_send(struct client *c, const struct client_request *request, struct client_reply *reply)
{
    struct client_call *call = client_begin(c, request);
    int status = CLI_OK;
    *reply = (struct client_reply){0};
    while (status == CLI_OK && !call->ended)
        status = client_turn(c, -1);
    if (call->ended) /* an answer that came with a signal counts */
        return client_finish(call, reply);
    client_abort(call);
    return status;
}

int client_ask(struct client *c, const struct client_request *request, struct buf *body)
{
    struct client_reply reply;
    int status = client_send(c, request, &reply);
    if (status == CLI_OK && reply.status / 100 != 2)
        status = client_problem(c, &reply, NULL);
    buf_close(body);
    if (status == CLI_OK)
        *body = reply.body;
    else
        buf_close(&reply.body);
    return status;
}

int client_get(struct client *c, const char *path, struct buf *body)
{
    return client_ask(c, &(struct client_request){.path = path}, body);
}
