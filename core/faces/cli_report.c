#include "faces/cli_report.h"

#include "faces/cli_value.h"

#include <string.h>

#define SHOWN_MAX 120 /* bytes of an input in a message */

static void put_arg(struct buf *out, const struct report_input *input)
{
    struct buf value = {0};
    if (input->json && value_put_json(&value, input->arg, input->arg_len, NULL))
        value_json(out, value.data, value.len);
    else
        value_json_text(out, input->arg, input->arg_len);
    buf_close(&value);
}

static void put_member(struct buf *out, const char *name, const char *text)
{
    buf_format(out, "\"%s\":", name);
    value_json_text(out, text, text ? strlen(text) : 0);
}

static void put_error(struct buf *out, const struct neap_outcome *o)
{
    if (o->state == NEAP_COMPLETED) {
        buf_text(out, "null");
        return;
    }
    buf_byte(out, '{');
    put_member(out, "code", o->code);
    buf_byte(out, ',');
    put_member(out, "message", o->message);
    buf_byte(out, ',');
    put_member(out, "traceback", o->traceback);
    buf_format(out, ",\"attempt\":%u}", o->attempt);
}

void report_row(struct buf *out, const struct report_input *input, const struct neap_outcome *o)
{
    char id[NEAP_ID_CHARS + 1];
    buf_format(out, "{\"seq\":%llu,\"arg\":", (unsigned long long)input->seq);
    put_arg(out, input);
    neap_id_text(o->id, id);
    buf_format(out, o->id ? ",\"id\":\"%s\"" : ",\"id\":null", id);
    buf_format(out, ",\"state\":\"%s\",\"result\":", neap_state_name(o->state));
    value_json(out, o->result, o->result_len);
    buf_text(out, ",\"error\":");
    put_error(out, o);
    buf_format(out, ",\"cpu_ms\":%.3f,\"bytes\":%llu}\n", o->cpu_ms, (unsigned long long)o->bytes);
}

static void put_line(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '\t')
            buf_text(out, "    ");
        else if (c < 0x20 || c == 0x7f)
            buf_format(out, "\\x%02x", c);
        else
            buf_byte(out, c);
    }
    buf_byte(out, '\n');
}

/* Each line of `text` with an indent, the first one without where it continues a line. */
static void put_lines(struct buf *out, const char *text, bool continues)
{
    do {
        const size_t len = strcspn(text, "\n");
        buf_text(out, continues ? "" : "    ");
        put_line(out, text, len);
        text += len + (text[len] == '\n');
        continues = false;
    } while (*text);
}

void report_failure(struct buf *out, const struct report_input *input, const struct neap_outcome *o)
{
    const char *message = o->message && *o->message ? o->message : "failed";
    buf_format(out, "neap: %s: %s", o->task ? o->task : "?",
               o->state == NEAP_CANCELLED ? "cancelled: " : "");
    put_lines(out, o->state == NEAP_CANCELLED && !o->message ? "it does not say why" : message,
              true);
    if (input) {
        buf_format(out, "    input %llu: ", (unsigned long long)input->seq);
        value_shown(out, input->arg, input->arg_len, SHOWN_MAX);
        buf_byte(out, '\n');
    }
    if (o->attempt > 1)
        buf_format(out, "    attempt %u\n", o->attempt);
    if (o->traceback)
        put_lines(out, o->traceback, false);
}
