/* neap.http: requests that wait on the worker's loop (http.c does them). */
#include "runtime/lua_core.h"

#include "base/mem.h"
#include "runtime/http.h"
#include "runtime/lua_options.h"
#include "runtime/vm.h"
#include "runtime/worker_run.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <lauxlib.h>

#define BOX "neap.http"
#define RESPONSE "neap.response"
#define BODY_STANDARD (16 << 20)
#define BODY_MAX ((int64_t)1 << 30) /* of one in memory */
#define METHOD_MAX 32
#define NUMBER_CHARS 32

/* --- what is asked ---------------------------------------------------------------------------- */

struct request {
    const char *who;
    int options, headers; /* their places on the stack; 0: none */
    struct http_options o;
    char method[METHOD_MAX];
};

static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i]))
            return false;
    return len > 0 && strlen(text) == len;
}

static void check_method(lua_State *L, struct request *r)
{
    size_t len = 0;
    const char *method = lua_option_text(L, r->options, r->who, "method", &len);
    if (!method)
        return;
    if (!is_token(method, len) || len >= sizeof r->method)
        luaL_error(L, "%s: method is a word such as GET", r->who);
    for (size_t i = 0; i <= len; i++)
        r->method[i] = (char)toupper((unsigned char)method[i]);
}

/* The value of a header as text: of a number, in `number`. NULL: neither text nor integer. */
static const char *header_value(lua_State *L, int index, char number[NUMBER_CHARS])
{
    if (lua_type(L, index) == LUA_TSTRING)
        return lua_tostring(L, index);
    if (!lua_isinteger(L, index))
        return NULL;
    snprintf(number, NUMBER_CHARS, "%lld", (long long)lua_tointeger(L, index));
    return number;
}

static void check_header(lua_State *L, struct request *r) /* on top: value, below: name */
{
    char number[NUMBER_CHARS];
    size_t len;
    if (lua_type(L, -2) != LUA_TSTRING)
        luaL_error(L, "%s: headers is a table of values by name", r->who);
    const char *name = lua_tolstring(L, -2, &len);
    if (!is_token(name, len))
        luaL_error(L, "%s: '%s' cannot be the name of a header", r->who, name);
    if (strcasecmp(name, "content-length") == 0 || strcasecmp(name, "transfer-encoding") == 0)
        luaL_error(L, "%s: neap sets the header %s itself", r->who, name);
    const char *value = header_value(L, -1, number);
    if (!value) {
        luaL_error(L, "%s: the header %s is a string or an integer, got %s", r->who, name,
                   luaL_typename(L, -1));
        return;
    }
    if (value != number && (strlen(value) != lua_rawlen(L, -1) || strpbrk(value, "\r\n")))
        luaL_error(L, "%s: the header %s has a line break or NUL in it", r->who, name);
    r->o.own_agent |= strcasecmp(name, "user-agent") == 0;
    r->o.own_encoding |= strcasecmp(name, "accept-encoding") == 0;
    r->o.own_type |= strcasecmp(name, "content-type") == 0;
    r->o.own_expect |= strcasecmp(name, "expect") == 0;
}

static void check_headers(lua_State *L, struct request *r) /* leaves the table on the stack */
{
    const int type = lua_option(L, r->options, "headers");
    if (type == LUA_TNIL)
        return;
    if (type != LUA_TTABLE)
        luaL_error(L, "%s: headers is a table of values by name, got %s", r->who,
                   luaL_typename(L, -1));
    r->headers = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, r->headers); lua_pop(L, 1))
        check_header(L, r);
}

/* Leaves the text of `json` on the stack. */
static void check_body(lua_State *L, struct request *r, bool *json)
{
    r->o.body = lua_option_text(L, r->options, r->who, "body", &r->o.body_len);
    *json = lua_option(L, r->options, "json") != LUA_TNIL;
    if (!*json)
        return;
    if (r->o.body)
        luaL_error(L, "%s: either body or json", r->who);
    lua_push_json(L, lua_gettop(L), "json");
    r->o.body = lua_tolstring(L, -1, &r->o.body_len);
}

static void check_options(lua_State *L, struct request *r, bool *json)
{
    const int at = r->options;
    const char *who = r->who;
    struct http_options *o = &r->o;
    o->timeout_ms = lua_option_timeout(L, at, who, "timeout", 30000);
    o->connect_timeout_ms = lua_option_timeout(L, at, who, "connect_timeout", 10000);
    o->redirects = (long)lua_option_integer(L, at, who, "redirects", 0, 100, 10);
    o->max_body = (size_t)lua_option_size(L, at, who, "max_body", BODY_MAX, BODY_STANDARD);
    o->max_file = INT64_MAX;
    if (lua_option(L, at, "max_body") != LUA_TNIL)
        o->max_file = (int64_t)o->max_body;
    o->to = lua_option_string(L, at, who, "to");
    o->ca = lua_option_string(L, at, who, "ca");
    o->verify = lua_option_flag(L, at, who, "verify", true);
    o->user = lua_option_string(L, at, who, "user");
    o->password = lua_option_string(L, at, who, "password");
    check_method(L, r);
    check_headers(L, r);
    check_body(L, r, json);
    o->method = r->method;
}

/* --- the answer ------------------------------------------------------------------------------- */

/* response:json() -> value | nil, message */
static int response_json(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (lua_option(L, 1, "body") != LUA_TSTRING) {
        lua_pushnil(L);
        lua_pushliteral(L, "the response has no body here");
        return 2;
    }
    lua_replace(L, 1);
    return lua_json_decode(L);
}

static int free_box(lua_State *L)
{
    struct http **box = luaL_testudata(L, 1, BOX);
    if (box) {
        http_free(*box);
        *box = NULL;
    }
    return 0;
}

static void push_fields(lua_State *L, const struct http *h)
{
    lua_createtable(L, 0, (int)h->n_fields);
    for (size_t i = 0; i < h->n_fields; i++) {
        lua_pushstring(L, h->fields[i].name);
        lua_pushlstring(L, h->fields[i].value.data, h->fields[i].value.len);
        lua_rawset(L, -3);
    }
}

static void push_response(lua_State *L, const struct http *h)
{
    lua_createtable(L, 0, 4);
    luaL_setmetatable(L, RESPONSE); /* json() is there, so that the rest can cross as it is */
    lua_pushinteger(L, h->status);
    lua_setfield(L, -2, "status");
    push_fields(L, h);
    lua_setfield(L, -2, "headers");
    lua_pushstring(L, h->url);
    lua_setfield(L, -2, "url");
    if (http_to_file(h))
        return;
    lua_pushlstring(L, h->body.data, h->body.len);
    lua_setfield(L, -2, "body");
}

static int answered(lua_State *L)
{
    struct http **box =
        lua_newuserdatauv(L, sizeof *box, 0); /* from here it frees whatever raises */
    *box = NULL;
    luaL_setmetatable(L, BOX);
    struct http *h = *box = (struct http *)op_current(L);
    op_close(&h->op);
    http_close(h); /* the box may outlive the worker's transfers */
    const char *message, *word = http_failure(h, &message);
    int count = 1;
    if (word)
        count = lua_failed(L, message, word);
    else
        push_response(L, h);
    http_free(h);
    *box = NULL;
    return count;
}

/* --- the calls -------------------------------------------------------------------------------- */

static void stop(struct op *op)
{
    http_free((struct http *)op);
}

static void add_headers(lua_State *L, const struct request *r, struct http *h, bool json)
{
    char number[NUMBER_CHARS];
    if (json && !r->o.own_type)
        http_header(h, "Content-Type", "application/json");
    if (!r->headers)
        return;
    for (lua_pushnil(L); lua_next(L, r->headers); lua_pop(L, 1))
        http_header(h, lua_tostring(L, -2), header_value(L, -1, number));
}

static bool good_url(const char *url, size_t len)
{
    return strlen(url) == len &&
           (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0);
}

static int perform(lua_State *L, struct request *r, const char *url, size_t url_len)
{
    struct neap_error err;
    bool json = false;
    check_options(L, r, &json);
    luaL_checkstack(L, 8, NULL);
    if (!op_may_wait(L, r->who))
        return 2;
    if (!good_url(url, url_len))
        return lua_failed(L, "the URL does not begin with http:// or https://", "url");
    struct transfers *transfers = transfers_of(vm_of(L)->worker, &err);
    if (!transfers)
        return lua_failed(L, err.message, "unavailable");
    struct http *h = http_new(transfers);
    add_headers(L, r, h, json);
    r->o.own_type |= json;
    r->o.url = url;
    op_open(L, &h->op, stop);
    if (!http_start(h, &r->o))
        op_done(&h->op);
    return op_wait(L, &h->op, answered);
}

/* neap.http.request{url=, method=, ...} */
static int http_request(lua_State *L)
{
    static const char *const known[] = {
        "url",       "method",   "headers", "body", "json",   "timeout", "connect_timeout",
        "redirects", "max_body", "to",      "ca",   "verify", "user",    "password",
    };
    struct request r = {.who = "neap.http.request", .options = 1, .method = "GET"};
    size_t len = 0;
    lua_settop(L, 1);
    lua_options_check(L, 1, r.who, known, sizeof known / sizeof *known);
    const char *url = lua_option_text(L, 1, r.who, "url", &len);
    if (!url)
        return luaL_error(L, "%s: url is missing", r.who);
    return perform(L, &r, url, len);
}

static int short_request(lua_State *L, const char *who, const char *method)
{
    static const char *const known[] = {
        "headers", "body", "json",   "timeout", "connect_timeout", "redirects", "max_body",
        "to",      "ca",   "verify", "user",    "password",
    };
    struct request r = {.who = who, .options = 2};
    strcpy(r.method, method);
    lua_settop(L, 2);
    if (lua_type(L, 1) != LUA_TSTRING)
        return luaL_error(L, "%s: the URL is a string, got %s", who, luaL_typename(L, 1));
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    lua_options_check(L, 2, who, known, sizeof known / sizeof *known);
    size_t len;
    const char *url = lua_tolstring(L, 1, &len);
    return perform(L, &r, url, len);
}

static int http_get(lua_State *L)
{
    return short_request(L, "neap.http.get", "GET");
}

static int http_post(lua_State *L)
{
    return short_request(L, "neap.http.post", "POST");
}

void lua_http_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"request", http_request}, {"get", http_get}, {"post", http_post}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"json", response_json}, {NULL, NULL}};
    luaL_newmetatable(L, BOX);
    lua_pushcfunction(L, free_box);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newmetatable(L, RESPONSE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    lua_getfield(L, -1, "neap");
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "http");
    lua_pop(L, 1);
}
