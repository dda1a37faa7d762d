/* The OpenAPI 3.1 page, from the tables of routes, parameters and schemas. */
#include "faces/httpd.h"

#include "faces/httpd_routes.h"
#include "faces/httpd_schemas.h"

#include <jansson.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Steals `value`; a table that is wrong is a bug. */
static void put(json_t *object, const char *name, json_t *value)
{
    const int rc = json_object_set_new(object, name, value);
    assert(rc == 0);
    (void)rc;
}

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert(value);
    return value;
}

static json_t *schema_of(const char *name)
{
    json_t *schema = json_object();
    if (strcmp(name, "object") == 0 || strchr(name, '/'))
        put(schema, "type", json_string(strchr(name, '/') ? "string" : name));
    else
        put(schema, "$ref", json_sprintf("#/components/schemas/%s", name));
    return schema;
}

static void put_content(json_t *content, const char *type, const char *schema)
{
    json_t *media = json_object();
    put(media, "schema", schema_of(schema));
    put(content, type, media);
}

static json_t *content_of(const char *type, const char *schema)
{
    json_t *content = json_object();
    put_content(content, type, schema);
    return content;
}

static json_t *answer_of(const char *description, const char *type, const char *schema)
{
    json_t *answer = json_object();
    put(answer, "description", json_string(description));
    put(answer, "content", content_of(type, schema));
    return answer;
}

static json_t *problem(const char *description)
{
    return answer_of(description, HTTPD_PROBLEM_TYPE, "Problem");
}

/* ---- parameters */

static void put_parameter(json_t *list, const char *name, const char *in, bool required,
                          json_t *schema, const char *help)
{
    json_t *parameter = json_object();
    put(parameter, "name", json_string(name));
    put(parameter, "in", json_string(in));
    if (required)
        put(parameter, "required", json_true());
    if (help)
        put(parameter, "description", json_string(help));
    put(parameter, "schema", schema);
    json_array_append_new(list, parameter);
}

static json_t *parameters_of(const struct httpd_route *route)
{
    json_t *list = json_array();
    if (strstr(route->path, "{id}"))
        put_parameter(list, "id", "path", true, schema_of("Id"), NULL);
    if (strstr(route->path, "{name}"))
        put_parameter(list, "name", "path", true, parse("{\"type\":\"string\"}"), NULL);
    for (const struct httpd_param_doc *doc = httpd_param_docs; doc->name; doc++)
        if (httpd_routes_takes(route, doc->name))
            put_parameter(list, doc->name, "query", false, parse(doc->schema), doc->help);
    if (route->flags & ROUTE_NDJSON) {
        put_parameter(list, "Idempotency-Key", "header", false, parse("{\"type\":\"string\"}"),
                      "The same request with the same key within 24 h makes no second job");
        put_parameter(list, "Prefer", "header", false, parse("{\"const\":\"return=minimal\"}"),
                      "Answer without the job's document");
    }
    return list;
}

/* ---- answers */

static void put_success(json_t *answers, const struct httpd_route *route)
{
    const char *type = strchr(route->answer, '/') ? route->answer : HTTPD_JSON;
    json_t *answer = answer_of(route->summary, type, route->answer);
    if (route->flags & ROUTE_NDJSON) {
        put(answers, "201", answer_of("A job was made", HTTPD_JSON, route->answer));
        json_t *content = json_object_get(answer, "content");
        put_content(content, HTTPD_NDJSON, "SubmittedLine");
        put(answer, "description",
            json_string("It was there already, or was dropped; to NDJSON: one line for each line"));
    }
    put(answers, "200", answer);
}

static json_t *answers_of(const struct httpd_route *route)
{
    json_t *answers = json_object();
    put_success(answers, route);
    put(answers, "400", problem("The request is malformed, or a parameter is wrong"));
    if (!(route->flags & ROUTE_PUBLIC))
        put(answers, "401", problem("Over TCP: no token, or a wrong one"));
    put(answers, "403", problem("It comes from a page of another site"));
    if (strchr(route->path, '{') || route->flags & ROUTE_NDJSON)
        put(answers, "404", problem("There is no such thing"));
    if (route->flags & ROUTE_CHANGES)
        put(answers, "409",
            problem("Its state does not allow it, or the key is another request's"));
    if (route->flags & ROUTE_BODY) {
        put(answers, "413", problem("The body is larger than [http] max_body"));
        put(answers, "415", problem("The body is not said to be JSON"));
        put(answers, "422", problem("Something in the body is wrong"));
    }
    put(answers, "421", problem("The Host is not this one's"));
    put(answers, "503", problem("Not now: the queue is full, neap stops, too many connections"));
    if (route->flags & ROUTE_NDJSON)
        put(answers, "507", problem("The disk is full"));
    return answers;
}

/* ---- the page */

static json_t *body_of(const struct httpd_route *route)
{
    json_t *body = json_object();
    json_t *content = content_of(HTTPD_JSON, route->request);
    if (route->flags & ROUTE_NDJSON)
        put_content(content, HTTPD_NDJSON, route->request);
    put(body, "required", json_boolean(!(route->flags & ROUTE_BODY_OPTIONAL)));
    put(body, "content", content);
    return body;
}

static json_t *operation_of(const struct httpd_route *route)
{
    json_t *operation = json_object();
    put(operation, "operationId", json_string(route->operation));
    put(operation, "summary", json_string(route->summary));
    json_t *parameters = parameters_of(route);
    if (json_array_size(parameters))
        put(operation, "parameters", parameters);
    else
        json_decref(parameters);
    if (route->request)
        put(operation, "requestBody", body_of(route));
    put(operation, "responses", answers_of(route));
    if (route->flags & ROUTE_PUBLIC)
        put(operation, "security", json_array());
    return operation;
}

static json_t *paths(void)
{
    json_t *all = json_object();
    for (const struct httpd_route *at = httpd_routes; at->method; at++) {
        char method[8] = "";
        for (size_t i = 0; i < sizeof method - 1 && at->method[i]; i++)
            method[i] = (char)(at->method[i] | 32);
        if (!json_object_get(all, at->path))
            put(all, at->path, json_object());
        put(json_object_get(all, at->path), method, operation_of(at));
    }
    return all;
}

static json_t *components(void)
{
    json_t *all = json_object(), *schemas = json_object();
    for (const struct httpd_schema *at = httpd_schemas; at->name; at++)
        put(schemas, at->name, parse(at->json));
    put(all, "schemas", schemas);
    put(all, "securitySchemes", parse("{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}}"));
    return all;
}

void httpd_openapi(struct buf *out)
{
    json_t *page = json_object();
    put(page, "openapi", json_string("3.1.0"));
    put(page, "info",
        parse("{\"title\":\"neap\",\"version\":\"" NEAP_VERSION "\",\"description\":\"The API of "
              "neap serve. Over its unix socket no token is needed; see docs/api.md.\"}"));
    put(page, "security", parse("[{\"token\":[]}]"));
    put(page, "paths", paths());
    put(page, "components", components());
    char *text = json_dumps(page, JSON_INDENT(1));
    buf_text(out, text);
    buf_byte(out, '\n');
    free(text);
    json_decref(page);
}
