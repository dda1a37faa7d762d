/* Listening to changes of jobs' states. */
#include "neap_ask.h"

#include "base/error.h"
#include "base/mem.h"
#include "engine/engine_events.h"
#include "neap_private.h"

#include <stdlib.h>

static int tell_engine(neap *n, struct neap_events *events, bool listens)
{
    struct host_call host = {.call = {.deadline_ms = INT64_MAX, .user = events, .state = listens}};
    return host_ask(n, &host, ENGINE_CALL_EVENTS);
}

int neap_events_open(neap *n, const struct neap_param *params, size_t n_params, void *user,
                     void (*on_event)(void *user, const char *json, size_t len), neap_events **out,
                     struct neap_error *err)
{
    struct neap_events *events = mem_zero(1, sizeof *events);
    int rc = filter_read(&events->filter, params, n_params, err);
    if (rc == NEAP_OK)
        rc = host_enter(n, err);
    if (rc) {
        listener_free(events);
        return rc;
    }
    events->user = user;
    events->on_event = on_event;
    rc = tell_engine(n, events, true);
    host_leave(n);
    if (rc) {
        listener_free(events);
        return error_set(err, rc, "the executor is closing");
    }
    *out = events;
    return NEAP_OK;
}

void neap_events_close(neap *n, neap_events *events)
{
    if (!events || host_enter(n, NULL)) /* what neap_close finds open it frees */
        return;
    const int rc = tell_engine(n, events, false);
    host_leave(n);
    if (rc == NEAP_OK)
        listener_free(events);
}
