#include "engine/engine_events.h"

#include "engine/engine_doc.h"
#include "engine/engine_info.h"
#include "engine/engine_state.h"
#include "model/doc.h"

#include <stdlib.h>
#include <string.h>

/* In `noted`: this, then so many bytes of JSON and a NUL. */
struct record {
    uint64_t job;
    size_t len; /* 0: withdrawn */
    size_t size;
};

static void put_event(const struct engine *e, const struct job *job, int state, struct buf *out)
{
    doc_open(out, NULL);
    doc_text(out, "event", "job");
    doc_id(out, "id", job->id);
    doc_text(out, "task", job->task->text);
    doc_text(out, "queue", job->gate->name);
    doc_text(out, "state", neap_state_name(state));
    doc_integer(out, "attempt", job->attempt);
    doc_time(out, "at", e->now_ms);
    doc_id(out, "parent", job->parent);
    if (state == NEAP_RETRYABLE || state == NEAP_SCHEDULED)
        doc_time(out, "due_at", job->due.key);
    if (job_left(job)->error && state != NEAP_COMPLETED && state != NEAP_RUNNING) {
        doc_open(out, "error");
        doc_text(out, "code", job_left(job)->error->code);
        doc_text(out, "message", job_left(job)->error->message);
        doc_close(out);
    }
    doc_close(out);
}

static void note(struct neap_events *events, const struct job *job, const struct buf *json)
{
    struct record record = {.job = job->id, .len = json->len, .size = json->len + 1};
    buf_put(&events->noted, &record, sizeof record);
    buf_put(&events->noted, json->data, json->len);
    buf_byte(&events->noted, 0);
}

void events_note(struct engine *e, const struct job *job, int state)
{
    struct filter_job seen = doc_filter_job(job);
    struct buf json = {0};
    seen.state = state;
    for (struct list *at = e->listeners.next; at != &e->listeners; at = at->next) {
        struct neap_events *events = LIST_ENTRY(at, struct neap_events, link);
        if (!filter_matches(&events->filter, &seen))
            continue;
        if (!json.len)
            put_event(e, job, state, &json);
        note(events, job, &json);
    }
    buf_close(&json);
}

/* The record at `at`, which need not be aligned. */
static struct record record_at(const struct buf *noted, size_t at)
{
    struct record record;
    memcpy(&record, noted->data + at, sizeof record);
    return record;
}

void events_withdraw(struct engine *e, uint64_t id)
{
    for (struct list *it = e->listeners.next; it != &e->listeners; it = it->next) {
        struct buf *noted = &LIST_ENTRY(it, struct neap_events, link)->noted;
        for (size_t at = 0; at < noted->len;) {
            struct record record = record_at(noted, at);
            if (record.job == id) {
                record.len = 0;
                memcpy(noted->data + at, &record, sizeof record);
            }
            at += sizeof record + record.size;
        }
    }
}

/* Workers do not tell that a job has started, so who listens hears of it within a turn. */
void events_look(struct engine *e)
{
    if (list_empty(&e->listeners))
        return;
    for (struct member *m = NULL; (m = member_next(e, m));) {
        for (struct list *at = m->claims.next; at != &m->claims; at = at->next) {
            struct claim *claim = LIST_ENTRY(at, struct claim, link);
            if (!claim->told && info_state(claim->job) == NEAP_RUNNING)
                event_started(e, claim);
        }
    }
}

void events_tell(struct engine *e)
{
    for (struct list *it = e->listeners.next; it != &e->listeners; it = it->next) {
        struct neap_events *events = LIST_ENTRY(it, struct neap_events, link);
        for (size_t at = 0; at < events->noted.len;) {
            const struct record record = record_at(&events->noted, at);
            at += sizeof record;
            if (record.len)
                events->on_event(events->user, events->noted.data + at, record.len);
            at += record.size;
        }
        events->noted.len = 0;
    }
}

void events_drop(struct engine *e)
{
    for (struct list *it = e->listeners.next; it != &e->listeners; it = it->next)
        LIST_ENTRY(it, struct neap_events, link)->noted.len = 0;
}

void listener_free(struct neap_events *events)
{
    if (!events)
        return;
    filter_close(&events->filter);
    buf_close(&events->noted);
    free(events);
}

void listeners_close(struct engine *e)
{
    for (struct list *at; (at = list_shift(&e->listeners));)
        listener_free(LIST_ENTRY(at, struct neap_events, link));
}
