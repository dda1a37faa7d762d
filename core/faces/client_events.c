#include "faces/client_events.h"

#include "base/mem.h"
#include "faces/cli.h"

#include <stdlib.h>
#include <string.h>

static void end_event(struct events *e)
{
    if (e->data.len) {
        e->data.len--; /* the newline behind its last line */
        e->on_event(e->user, buf_string(&e->data), e->data.len);
    }
    e->data.len = 0;
}

static void take_line(struct events *e)
{
    size_t len = e->line.len;
    const char *line = e->line.data;
    if (len && line[len - 1] == '\r')
        len--;
    if (len == 0) {
        end_event(e);
    } else if (len >= 5 && memcmp(line, "data:", 5) == 0) {
        const size_t skip = len > 5 && line[5] == ' ' ? 6 : 5;
        buf_put(&e->data, line + skip, len - skip);
        buf_byte(&e->data, '\n');
    } /* else a comment, to keep the line alive, or a field that we have no use for */
    e->line.len = 0;
}

static void on_data(void *user, const char *data, size_t len)
{
    struct events *e = user;
    e->begun = true;
    while (len) {
        const char *end = memchr(data, '\n', len);
        const size_t part = end ? (size_t)(end - data) : len;
        buf_put(&e->line, data, part);
        if (!end)
            return;
        take_line(e);
        data += part + 1;
        len -= part + 1;
    }
}

void events_open(struct events *e, struct client *c, const char *query, void *user,
                 void (*on_event)(void *user, const char *json, size_t len))
{
    char *path = mem_format("/events%s", query);
    *e = (struct events){.client = c, .user = user, .on_event = on_event};
    const struct client_request request = {
        .path = path,
        .header = "Accept: text/event-stream",
        .patient = true,
        .on_data = on_data,
        .user = e,
    };
    e->call = client_begin(c, &request);
    free(path);
}

void events_close(struct events *e)
{
    client_abort(e->call);
    e->call = NULL;
    buf_close(&e->line);
    buf_close(&e->data);
}

int events_wait(struct events *e)
{
    int status = CLI_OK;
    while (status == CLI_OK && !e->begun) {
        status = client_turn(e->client, -1);
        status = status ? status : events_status(e);
    }
    return status;
}

int events_status(struct events *e)
{
    struct client_reply reply;
    if (e->call && !client_ended(e->call))
        return CLI_OK;
    if (!e->call)
        return CLI_UNREACHED;
    int status = client_finish(e->call, &reply);
    e->call = NULL;
    if (status == CLI_OK)
        status = reply.status / 100 == 2 ? client_unreached(e->client, "the daemon has ended")
                                         : client_problem(e->client, &reply, NULL);
    buf_close(&reply.body);
    return status;
}
