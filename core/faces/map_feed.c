/* Inputs become jobs, as many at once as are wanted in hand. */
#include "faces/map_state.h"

#include "base/mem.h"
#include "faces/cli.h"
#include "faces/cli_value.h"

#include <stdlib.h>
#include <string.h>

#define TURN 256                                  /* inputs before outcomes get a look in */
#define HAND_MAX_BYTES ((size_t)64 * 1024 * 1024) /* of inputs in hand */

int map_plan_field(struct map *m)
{
    struct buf text = {0};
    int status = CLI_OK;
    m->field = cli_value(m->args, "as");
    m->convert = m->field && !m->json;
    m->schema = schema_new(m->session.schema);
    if (m->field && m->schema && !schema_has(m->schema, m->field, &text)) {
        status = cli_fail(CLI_USAGE, "map", "--as %s: %s", m->field, buf_string(&text));
    } else if (!m->field && !m->json && m->schema && !schema_single(m->schema)) {
        m->field = schema_required(m->schema, &text);
        if (!m->field)
            status =
                cli_fail(CLI_USAGE, "map",
                         "%s needs %s: name the argument that an input fills with --as, or give "
                         "JSON with --jsonl",
                         m->session.task, text.len ? buf_string(&text) : "no argument");
    }
    buf_close(&text);
    return status;
}

static void grow_hands(struct map *m)
{
    size_t cap = m->cap_hands ? m->cap_hands * 2 : 16;
    if (cap > (size_t)m->jobs + 1)
        cap = (size_t)m->jobs + 1; /* one more for what waits for room */
    m->hands = mem_grow(m->hands, cap, sizeof *m->hands);
    m->unused = mem_grow(m->unused, cap, sizeof *m->unused);
    for (size_t i = cap; i-- > m->cap_hands;) {
        m->hands[i] = (struct map_hand){0};
        m->unused[m->n_unused++] = i;
    }
    m->cap_hands = cap;
}

struct map_hand *map_hand_take(struct map *m, const char *arg, size_t len)
{
    if (m->n_unused == 0)
        grow_hands(m);
    struct map_hand *hand = &m->hands[m->unused[--m->n_unused]];
    hand->seq = m->counts.inputs;
    hand->arg = mem_copy(arg, len);
    hand->arg_len = len;
    m->hand_bytes += len;
    m->in_hand++;
    return hand;
}

void map_hand_free(struct map *m, struct map_hand *hand)
{
    m->hand_bytes -= hand->arg_len;
    m->in_hand--;
    free(hand->arg);
    *hand = (struct map_hand){0};
    m->unused[m->n_unused++] = (size_t)(hand - m->hands);
}

static void end_early(struct map *m, struct map_hand *hand, enum map_end how, const char *message)
{
    struct neap_outcome outcome = {
        .state = how == END_BAD ? NEAP_DEAD : NEAP_CANCELLED,
        .task = m->session.task,
        .code = how == END_BAD ? "args" : "full",
        .message = message,
    };
    hand->place = m->places++;
    map_end(m, hand, &outcome, how);
}

/* The job's arguments into m->value. False with what is wrong. */
static bool make_value(struct map *m, const struct map_hand *hand, struct buf *why)
{
    struct neap_error err = {0};
    m->value.len = 0;
    if (m->field) {
        value_put_map(&m->value, 1);
        value_put_text(&m->value, m->field, strlen(m->field));
    }
    if (m->convert)
        return schema_convert(m->schema, m->field, hand->arg, hand->arg_len, &m->value, why);
    if (!m->json) {
        value_put_text(&m->value, hand->arg, hand->arg_len);
        return true;
    }
    if (value_put_json(&m->value, hand->arg, hand->arg_len, &err))
        return true;
    buf_text(why, err.message);
    return false;
}

static int submit(struct map *m, const struct map_hand *hand, uint64_t *id, struct neap_error *err)
{
    const struct neap_retry retry = {(int)m->retries, -1, -1, -1, -1};
    const struct neap_request request = {
        .task = m->session.task,
        .args = m->value.data,
        .args_len = m->value.len,
        .retry = m->retries >= 0 ? &retry : NULL,
        .timeout_ms = m->timeout_ms,
        .tag = (uint64_t)(hand - m->hands),
        .flags = NEAP_DELIVER | NEAP_NOWAIT | NEAP_MSGPACK,
    };
    return neap_submit(m->session.n, &request, id, err);
}

/* m->value is the hand's. */
static enum map_want start(struct map *m, struct map_hand *hand)
{
    struct neap_error err = {0};
    uint64_t id = 0;
    const int rc = submit(m, hand, &id, &err);
    m->waiting = NULL;
    if (rc == NEAP_OK && id) {
        hand->place = m->places++;
    } else if (rc == NEAP_OK || rc == NEAP_EFULL) {
        end_early(m, hand, END_REFUSED, rc ? err.message : "dropped: the queue is full");
    } else if (rc == NEAP_EINVAL) {
        end_early(m, hand, END_BAD, err.message);
    } else if (rc == NEAP_EAGAIN) {
        m->waiting = hand;
        return WANT_ROOM;
    } else {
        m->status = cli_fail(cli_status_of(rc), "map", "%s: %s", m->session.task, err.message);
        map_hand_free(m, hand);
        m->counts.not_run++;
        return WANT_NONE;
    }
    return WANT_TURN;
}

static enum map_want take_item(struct map *m, const char *text, size_t len)
{
    struct buf why = {0};
    enum map_want want = WANT_TURN;
    m->counts.inputs++;
    if (joblog_done(&m->log, m->session.task, text, len)) {
        m->counts.skipped++;
        return want;
    }
    struct map_hand *hand = map_hand_take(m, text, len);
    if (make_value(m, hand, &why))
        want = start(m, hand);
    else
        end_early(m, hand, END_BAD, buf_string(&why));
    buf_close(&why);
    return want;
}

static enum map_want take_long(struct map *m, const char *text, size_t len)
{
    m->counts.inputs++;
    end_early(m, map_hand_take(m, text, len < 64 ? len : 64), END_BAD, "an input over 1 MiB");
    return WANT_TURN;
}

static enum map_want feed_one(struct map *m)
{
    const char *text;
    size_t len;
    if (m->waiting)
        return start(m, m->waiting);
    if (m->in_hand >= (size_t)m->jobs || m->hand_bytes > HAND_MAX_BYTES ||
        (m->ordered && map_order_full(&m->order)))
        return WANT_ENDS;
    switch (map_input_next(&m->input, &text, &len)) {
    case INPUT_ITEM:
        return take_item(m, text, len);
    case INPUT_LONG:
        return take_long(m, text, len);
    case INPUT_WAIT:
        return WANT_INPUT;
    case INPUT_ERROR:
        m->status = cli_fail(CLI_DATA, "map", "standard input: %s", strerror(m->input.error));
        return WANT_NONE;
    case INPUT_END:
        m->counts.total = (int64_t)m->counts.inputs;
        return WANT_NONE;
    }
    return WANT_NONE;
}

void map_feed(struct map *m)
{
    if (m->want == WANT_NONE)
        return;
    m->want = WANT_TURN;
    for (int i = 0; i < TURN && m->want == WANT_TURN && !m->halted; i++)
        m->want = feed_one(m);
}
