/* The daemon's server-sent events, one after the other. */
#ifndef FACES_CLIENT_EVENTS_H
#define FACES_CLIENT_EVENTS_H

#include "base/buf.h"
#include "faces/client.h"

struct events { /* main thread; must not move while open */
    struct client *client;
    struct client_call *call;
    struct buf line, data;
    bool begun; /* something came: from here on no change is missed */
    /* One event: the JSON text of its data. Called inside client_turn. */
    void (*on_event)(void *user, const char *json, size_t len);
    void *user;
};

/* Subscribes to what the query (from '?', or "") means. */
void events_open(struct events *e, struct client *c, const char *query, void *user,
                 void (*on_event)(void *user, const char *json, size_t len));
void events_close(struct events *e);

/* Waits until the subscription stands. CLI_OK, or as events_status. */
int events_wait(struct events *e);
/* CLI_OK while they come; else why no more will, having said so. To be called after client_turn. */
int events_status(struct events *e);

#endif
