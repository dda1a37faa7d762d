/* Routes that are one question to neap. */
#include "faces/httpd_asks.h"

#include "faces/httpd_body.h"
#include "faces/httpd_routes.h"
#include "faces/httpd_uri.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"

#include <jansson.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MAX_MS (10 * 60 * 1000)
#define HEALTH_MS 1000

static void on_reply(void *user, const struct neap_reply *reply)
{
    httpd_replied(user, reply, 0, false);
}

enum MHD_Result httpd_ask(struct httpd_request *r, const struct neap_ask *ask, httpd_step *then,
                          int64_t limit_ms)
{
    struct neap_error err = {0};
    httpd_ask_begin(r);
    const int rc = neap_ask(r->h->n, ask, r, on_reply, &err);
    if (rc)
        httpd_replied(r, &(struct neap_reply){.code = rc, .message = err.message}, 0, false);
    return httpd_await(r, then, limit_ms);
}

bool httpd_wait_param(const struct httpd_request *r, int64_t *ms, struct httpd_problem *p)
{
    const char *text = httpd_param(r, "wait");
    *ms = 0;
    if (text && (!text_duration(text, ms) || *ms > WAIT_MAX_MS)) {
        httpd_problem_add(p, PART_QUERY, "wait", "is a duration of at most 10m: 10s, 250ms");
        return false;
    }
    return true;
}

/* ---- bodies that become parameters */

/* The value of a member as the text that neap reads; to free(). NULL: it cannot be one. */
static char *param_text(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return strlen(json_string_value(value)) == json_string_length(value)
                   ? mem_text(json_string_value(value))
                   : NULL;
    case JSON_INTEGER:
        return mem_format("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_REAL:
        return json_dumps(value, JSON_ENCODE_ANY);
    case JSON_NULL:
        return mem_text("default");
    default:
        return NULL;
    }
}

static bool take_body(struct httpd_request *r, const json_t *body, struct httpd_problem *p)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        char *pointer = mem_format("/%s", name), *text = param_text(value);
        if (!text)
            httpd_problem_add(p, PART_BODY, pointer, "is a string or a number");
        else if (r->n_params == HTTPD_PARAMS)
            httpd_problem_add(p, PART_BODY, pointer, "is one too many");
        free(pointer);
        if (httpd_problem_any(p)) {
            free(text);
            return false;
        }
        r->params[r->n_params++] = (struct neap_param){.name = mem_text(name), .value = text};
    }
    return true;
}

/* {"path":...} is the name that a backup goes by. */
static bool take_path(struct httpd_request *r, const json_t *body, struct httpd_problem *p)
{
    const json_t *path = json_object_get(body, "path");
    if (json_object_size(body) != 1 || !json_is_string(path) ||
        strlen(json_string_value(path)) != json_string_length(path) || !json_string_length(path)) {
        httpd_problem_add(p, PART_BODY, "/path", "is needed, alone: the file to write");
        return false;
    }
    r->name = mem_text(json_string_value(path));
    return true;
}

static bool read_body(struct httpd_request *r, struct httpd_problem *p)
{
    if (r->body.len == 0)
        return true;
    json_t *body = httpd_body_json(r->body.data, r->body.len, p);
    if (!body)
        return false;
    bool ok = json_is_object(body);
    if (!ok)
        httpd_problem_add(p, PART_BODY, "", "the body is to be an object");
    else
        ok = r->route->what == NEAP_ASK_BACKUP ? take_path(r, body, p) : take_body(r, body, p);
    json_decref(body);
    return ok;
}

/* ---- questions */

/* What is wrong with a parameter is told of where it came from: the query, or the body. */
static enum MHD_Result answer_ask(struct httpd_request *r)
{
    struct httpd_problem p = {0};
    struct httpd_reply *reply = &r->reply;
    if (reply->code == NEAP_OK || (reply->code == NEAP_ETIME && reply->text.len)) {
        if (r->route->what != NEAP_ASK_METRICS)
            buf_byte(&reply->text, '\n');
        return httpd_answer(r, 200, r->route->what == NEAP_ASK_METRICS ? HTTPD_METRICS : HTTPD_JSON,
                            reply->text.data, reply->text.len);
    }
    if (reply->code == NEAP_EINVAL && reply->param) {
        const size_t len = strlen(reply->param);
        const char *why = reply->message ? reply->message : "is wrong";
        if (strncmp(why, reply->param, len) == 0 && strncmp(why + len, ": ", 2) == 0)
            why += len + 2;
        char *pointer = mem_format("/%s", reply->param);
        const bool query = httpd_query_has(r->uri, reply->param);
        httpd_problem_add(&p, query ? PART_QUERY : PART_BODY, query ? reply->param : pointer, "%s",
                          why);
        free(pointer);
    } else {
        httpd_problem_of(&p, reply->code, reply->message);
    }
    return httpd_refuse(r, &p);
}

enum MHD_Result httpd_run_ask(struct httpd_request *r)
{
    struct httpd_problem p = {0};
    struct neap_ask ask = {.size = sizeof ask, .what = r->route->what, .id = r->id};
    struct neap_param params[HTTPD_PARAMS];
    if (!read_body(r, &p) || !httpd_wait_param(r, &ask.timeout_ms, &p))
        return httpd_refuse(r, &p);
    for (size_t i = 0; i < r->n_params; i++)
        if (strcmp(r->params[i].name, "wait") != 0)
            params[ask.n_params++] = r->params[i];
    ask.params = params;
    ask.name = r->route->fixed ? r->route->fixed : r->id ? NULL : r->name;
    if (ask.what == NEAP_ASK_JOB && httpd_param(r, "wait"))
        ask.what = NEAP_ASK_WAIT;
    return httpd_ask(r, &ask, answer_ask, 0);
}

/* ---- health */

static enum MHD_Result say_status(struct httpd_request *r, bool well)
{
    static const char good[] = "{\"status\":\"ok\"}\n", bad[] = "{\"status\":\"unavailable\"}\n";
    return httpd_answer(r, well ? 200 : 503, HTTPD_JSON, well ? good : bad,
                        strlen(well ? good : bad));
}

static enum MHD_Result answer_health(struct httpd_request *r)
{
    return say_status(r, r->reply.code == NEAP_ENOENT || r->reply.code == NEAP_OK);
}

static enum MHD_Result answer_ready(struct httpd_request *r)
{
    bool ready = false;
    json_t *stats =
        r->reply.code ? NULL : json_loadb(r->reply.text.data, r->reply.text.len, 0, NULL);
    if (stats)
        ready = !json_is_true(json_object_get(stats, "draining")) &&
                !json_is_true(json_object_get(json_object_get(stats, "store"), "full"));
    json_decref(stats);
    return say_status(r, ready && !atomic_load(&r->h->draining));
}

enum MHD_Result httpd_run_health(struct httpd_request *r)
{
    /* No job has this id; that the engine says so is what is wanted. */
    const struct neap_ask ask = {.size = sizeof ask, .what = NEAP_ASK_JOB, .id = 1};
    return httpd_ask(r, &ask, answer_health, HEALTH_MS);
}

enum MHD_Result httpd_run_ready(struct httpd_request *r)
{
    const struct neap_ask ask = {.size = sizeof ask, .what = NEAP_ASK_STATS};
    return httpd_ask(r, &ask, answer_ready, HEALTH_MS);
}

/* ---- what is not asked of the engine */

static enum MHD_Result answer_reload(struct httpd_request *r)
{
    static const char done[] = "{\"reloaded\":true}\n";
    struct httpd_problem p = {0};
    if (r->reply.code == NEAP_OK)
        return httpd_answer(r, 200, HTTPD_JSON, done, sizeof done - 1);
    httpd_problem_of(&p, r->reply.code, r->reply.message);
    return httpd_refuse(r, &p);
}

/* Loading takes as long as the plugins' files take. */
static void *reload_thread(void *arg)
{
    struct httpd_request *r = arg;
    struct httpd *h = r->h;
    struct neap_error err = {0};
    const int rc = h->reload(h->user, &err);
    atomic_store(&h->reloading, false);
    httpd_replied(r, &(struct neap_reply){.code = rc, .message = rc ? err.message : NULL}, 0,
                  false);
    return NULL;
}

enum MHD_Result httpd_run_reload(struct httpd_request *r)
{
    struct httpd *h = r->h;
    struct httpd_problem p = {0};
    if (atomic_exchange(&h->reloading, true)) {
        httpd_problem_set(&p, 409, "it is being reloaded already");
        return httpd_refuse(r, &p);
    }
    httpd_ask_begin(r);
    pthread_mutex_lock(&h->lock);
    if (h->has_reloader)
        pthread_join(h->reloader, NULL); /* it has said that it ends */
    const int failed = thread_start(&h->reloader, 0, reload_thread, r);
    h->has_reloader = !failed;
    pthread_mutex_unlock(&h->lock);
    if (failed) {
        atomic_store(&h->reloading, false);
        httpd_replied(r, &(struct neap_reply){.code = NEAP_EIO, .message = strerror(failed)}, 0,
                      false);
    }
    return httpd_await(r, answer_reload, 0);
}

enum MHD_Result httpd_run_openapi(struct httpd_request *r)
{
    struct httpd *h = r->h;
    pthread_mutex_lock(&h->lock);
    if (!h->openapi.len)
        httpd_openapi(&h->openapi);
    pthread_mutex_unlock(&h->lock); /* it does not change any more */
    return httpd_answer(r, 200, HTTPD_JSON, h->openapi.data, h->openapi.len);
}
