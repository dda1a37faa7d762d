#include "model/job_past.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "model/msgpack.h"

static void put_text(struct buf *out, const char *key, const char *text, size_t len)
{
    msgpack_text(out, key, strlen(key));
    msgpack_text(out, text, len);
}

static void put_integer(struct buf *out, const char *key, int64_t value)
{
    msgpack_text(out, key, strlen(key));
    msgpack_integer(out, value);
}

/* So many bytes of the text that no character of it is cut. */
static size_t cut(const char *text)
{
    size_t len = strnlen(text, JOB_PAST_TEXT + 1);
    if (len <= JOB_PAST_TEXT)
        return len;
    for (len = JOB_PAST_TEXT; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80; len--)
        ;
    return len;
}

static size_t count(const struct job *job, size_t *second)
{
    struct job_attempt attempt;
    size_t n = 0, where = 0;
    *second = job_left(job)->past_len;
    for (; job_past_next(job, &where, &attempt); n++)
        if (n == 0)
            *second = where;
    return n;
}

void job_past_add(struct job *job, const struct job_error *error, int64_t at_ms, int64_t run_ms)
{
    struct buf out = {0};
    size_t second;
    const size_t from = count(job, &second) >= JOB_PAST_MAX ? second : 0;
    if (job_left(job)->past_len > from)
        buf_put(&out, (const char *)job_left(job)->past + from, job_left(job)->past_len - from);
    msgpack_map(&out, 5);
    put_integer(&out, "attempt", error->attempt);
    put_integer(&out, "at", at_ms);
    put_integer(&out, "run_ms", run_ms);
    put_text(&out, "code", error->code, strlen(error->code));
    put_text(&out, "message", error->message, cut(error->message));
    free(job_left(job)->past);
    job_left_own(job)->past_len = (uint32_t)out.len;
    job_left_own(job)->past = buf_take(&out);
}

static bool take(const struct msgpack_item *key, const struct msgpack_item *value,
                 struct job_attempt *out)
{
    const struct {
        const char *name;
        int64_t *integer;
        const char **text;
        size_t *len;
    } fields[] = {
        {"attempt", &out->attempt, NULL, NULL},
        {"at", &out->at_ms, NULL, NULL},
        {"run_ms", &out->run_ms, NULL, NULL},
        {"code", NULL, &out->code, &out->code_len},
        {"message", NULL, &out->message, &out->message_len},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strlen(fields[i].name) != key->len || memcmp(fields[i].name, key->text, key->len) != 0)
            continue;
        if (fields[i].integer && value->type == MSGPACK_INTEGER) {
            *fields[i].integer = value->integer;
            return true;
        }
        if (fields[i].text && value->type == MSGPACK_TEXT) {
            *fields[i].text = value->text;
            *fields[i].len = value->len;
            return true;
        }
    }
    return false;
}

bool job_past_next(const struct job *job, size_t *where, struct job_attempt *out)
{
    struct msgpack_item map, key, value;
    if (*where >= job_left(job)->past_len)
        return false;
    struct msgpack_reader r = msgpack_reader((const char *)job_left(job)->past + *where,
                                             job_left(job)->past_len - *where);
    *out = (struct job_attempt){.code = "", .message = ""};
    if (msgpack_read(&r, &map) || map.type != MSGPACK_MAP)
        return false;
    for (size_t i = 0; i < map.len; i++)
        if (msgpack_read(&r, &key) || key.type != MSGPACK_TEXT || msgpack_read(&r, &value) ||
            !take(&key, &value, out))
            return false;
    *where = (size_t)(r.at - (const uint8_t *)job_left(job)->past);
    return true;
}
