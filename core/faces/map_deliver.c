/* Outcomes become output, errors, lines of the job log, counts. */
#include "faces/map_state.h"

#include "faces/cli_report.h"
#include "faces/cli_value.h"

#include <stdlib.h>
#include <string.h>

#define FLUSH_BYTES (64 * 1024)

static void put_tagged(struct buf *out, const struct map_hand *hand, const struct buf *result)
{
    const char *at = result->data, *end = at + result->len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline ? newline + 1 : end;
        value_shown(out, hand->arg, hand->arg_len, 0);
        buf_byte(out, '\t');
        buf_put(out, at, (size_t)(next - at));
        at = next;
    }
}

static void put_result(struct map *m, const struct map_hand *hand, const struct neap_outcome *o)
{
    struct buf result = {0};
    if (!m->tag) {
        value_result(&m->text, o->result, o->result_len);
        return;
    }
    value_result(&result, o->result, o->result_len);
    put_tagged(&m->text, hand, &result);
    buf_close(&result);
}

static void render(struct map *m, const struct map_hand *hand, const struct neap_outcome *o)
{
    const struct report_input input = {hand->seq, hand->arg, hand->arg_len, m->json};
    struct buf failure = {0};
    m->text.len = 0;
    if (m->rows) {
        report_row(&m->text, &input, o);
    } else if (o->state == NEAP_COMPLETED) {
        put_result(m, hand, o);
    } else {
        report_failure(&failure, &input, o);
        cli_log_write(&m->session.log, &failure);
        buf_close(&failure);
    }
}

static void render_log(struct map *m, const struct map_hand *hand, const struct neap_outcome *o,
                       enum map_end how)
{
    const struct joblog_entry entry = {
        .seq = hand->seq,
        .task = m->session.task,
        .arg = hand->arg,
        .arg_len = hand->arg_len,
        .output_len = m->text.len,
        .outcome = o,
    };
    m->line.len = 0;
    if (m->log.fd >= 0 && how != END_REFUSED)
        joblog_put_line(&m->line, &entry);
}

static void count(struct map_counts *c, const struct neap_outcome *o, enum map_end how)
{
    if (how == END_BAD)
        c->bad++;
    else if (how == END_REFUSED)
        c->refused++;
    else if (o->state == NEAP_COMPLETED)
        c->completed++;
    else if (o->state == NEAP_CANCELLED)
        c->cancelled++;
    else
        c->failed++;
}

void map_end(struct map *m, struct map_hand *hand, const struct neap_outcome *outcome,
             enum map_end how)
{
    struct buf *out = output_buf(&m->output);
    count(&m->counts, outcome, how);
    render(m, hand, outcome);
    render_log(m, hand, outcome, how);
    progress_note(&m->progress, outcome->run_ms, hand->arg, hand->arg_len);
    if (m->ordered) {
        map_order_put(&m->order, hand->place, &m->text, &m->line);
        while (map_order_take(&m->order, out, &m->log.pending))
            ;
    } else {
        buf_put(out, m->text.data, m->text.len);
        buf_put(&m->log.pending, m->line.data, m->line.len);
    }
    map_hand_free(m, hand);
    if (halt_reached(&m->halt, &m->counts))
        m->halted = true;
    if (out->len > FLUSH_BYTES)
        map_flush(m);
}

/* What a drain or a halt stopped may come back as cancelled: it was not run, so that a resumed run
 * takes it up. */
static bool was_stopped(const struct map *m, const struct neap_outcome *o)
{
    return o->state == NEAP_CANCELLED && stopper_begun(&m->stopper);
}

bool map_take(struct map *m)
{
    struct neap_outcome outcome;
    bool any = false;
    while (m->output.error == 0 && neap_next(m->session.n, &outcome, 0) == NEAP_OK) {
        if (!was_stopped(m, &outcome))
            map_end(m, &m->hands[outcome.tag], &outcome, END_JOB);
        neap_outcome_free(&outcome);
        any = true;
    }
    return any;
}

bool map_flush(struct map *m)
{
    if (!output_flush(&m->output)) {
        m->log.pending.len = 0; /* results that nobody saw are not done */
        return false;
    }
    joblog_flush(&m->log);
    return true;
}

void map_flush_rest(struct map *m)
{
    while (map_order_take_rest(&m->order, output_buf(&m->output), &m->log.pending))
        ;
    map_flush(m);
}
