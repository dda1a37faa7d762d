/* Schedules as documents; run now, pause, resume. */
#include "engine/engine_ask.h"

#include "base/text.h"
#include "engine/engine_schedules.h"
#include "model/doc.h"

static void put_every(int64_t every_ms, struct buf *out)
{
    struct buf text = {0};
    if (!every_ms)
        return;
    text_put_duration(&text, every_ms);
    doc_text(out, "every", buf_string(&text));
    doc_float(out, "every_seconds", (double)every_ms / 1000);
    buf_close(&text);
}

static void put_row(const struct schedule_row *row, struct buf *out)
{
    doc_open(out, NULL);
    doc_text(out, "name", row->name);
    doc_text(out, "task", row->task);
    doc_text(out, "cron", row->cron);
    put_every(row->every_ms, out);
    doc_text(out, "tz", row->zone);
    doc_text(out, "catchup", row->catchup);
    doc_bool(out, "overlap", row->overlap);
    doc_bool(out, "paused", row->paused);
    if (row->no_task)
        doc_text(out, "held", "no such task");
    doc_time(out, "next_at", row->n_next ? row->next_ms[0] : 0);
    doc_array(out, "next");
    for (size_t i = 0; i < row->n_next; i++)
        doc_time(out, NULL, row->next_ms[i]);
    doc_array_close(out);
    doc_time(out, "last_at", row->last_ms);
    doc_id(out, "last_job", row->last_job);
    doc_integer(out, "skipped", (int64_t)row->skipped);
    doc_close(out);
}

static void answer_all(struct engine *e, struct ask *ask)
{
    struct buf *out = &ask->call.reply;
    doc_open(out, NULL);
    doc_array(out, "schedules");
    for (size_t i = 0; i < schedules_count(e); i++) {
        struct schedule_row row;
        schedules_row(e, i, &row);
        put_row(&row, out);
    }
    doc_array_close(out);
    doc_close(out);
    ask_answer(e, ask, NEAP_OK);
}

static int run_now(struct engine *e, struct ask *ask, struct neap_error *err)
{
    struct buf *out = &ask->call.reply;
    uint64_t id = 0;
    const int rc = schedule_run_now(e, ask->name, &id, err);
    if (rc)
        return rc;
    doc_open(out, NULL);
    doc_text(out, "name", ask->name);
    doc_id(out, "id", id);
    doc_close(out);
    return NEAP_OK;
}

static int show(struct engine *e, struct ask *ask, struct neap_error *err)
{
    struct schedule_row row;
    const int rc = schedule_find_row(e, ask->name, &row, err);
    if (rc == NEAP_OK)
        put_row(&row, &ask->call.reply);
    return rc;
}

void ask_schedule(struct engine *e, struct ask *ask)
{
    struct neap_error err = {0};
    int rc = NEAP_OK;
    if (ask->what == NEAP_ASK_SCHEDULES) {
        answer_all(e, ask);
        return;
    }
    if (ask->what == NEAP_ASK_SCHEDULE_RUN) {
        rc = run_now(e, ask, &err);
    } else {
        if (ask->what != NEAP_ASK_SCHEDULE)
            rc = schedule_pause(e, ask->name, ask->what == NEAP_ASK_SCHEDULE_PAUSE, &err);
        if (rc == NEAP_OK)
            rc = show(e, ask, &err);
    }
    if (rc)
        ask_refuse(e, ask, rc, "%.500s", err.message);
    else
        ask_answer(e, ask, NEAP_OK);
}
