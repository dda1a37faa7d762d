/* Submitting what comes line by line on standard input. */
#include "faces/client_submit.h"

#include "base/mem.h"
#include "faces/cli_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 65536
#define BATCH_BYTES ((size_t)1 << 20) /* of one request; the daemon takes 8 MiB */
#define LINE_BYTES ((size_t)4 << 20)

struct bulk { /* main thread */
    struct command *c;
    const char *task; /* NULL: lines are whole requests */
    const struct buf *members;
    struct buf input; /* bytes of lines not taken yet */
    struct buf body;  /* the next request */
    uint64_t *lines;  /* the number of the line that each of its lines came from */
    size_t n_lines;
    uint64_t line; /* read so far */
    int worst;
};

static void note(struct bulk *b, int status)
{
    if (status)
        b->worst = status;
}

static void put_request(struct bulk *b, const char *line, size_t len)
{
    if (!b->task) {
        buf_put(&b->body, line, len);
    } else {
        buf_text(&b->body, "{\"task\":");
        value_json_text(&b->body, b->task, strlen(b->task));
        buf_text(&b->body, ",\"args\":");
        buf_put(&b->body, line, len);
        buf_put(&b->body, b->members->data, b->members->len);
        buf_byte(&b->body, '}');
    }
    buf_byte(&b->body, '\n');
    b->lines = mem_grow(b->lines, b->n_lines + 1, sizeof *b->lines);
    b->lines[b->n_lines++] = b->line;
}

/* Arguments are checked here: they must not be able to end the object that they stand in. */
static void take_line(struct bulk *b, const char *line, size_t len)
{
    struct buf value = {0};
    struct neap_error err = {0};
    b->line++;
    if (strspn(line, " \t\r") >= len)
        return;
    if (b->task && !value_put_json(&value, line, len, &err))
        note(b, cli_fail(CLI_DATA, b->c->name, "line %llu: %s", (unsigned long long)b->line,
                         err.message));
    else
        put_request(b, line, len);
    buf_close(&value);
}

static int problem_status(const json_t *problem)
{
    const int64_t http = json_whole(problem, "status");
    if (http == 503 || http == 507 || http == 429 || http == 409)
        return CLI_REFUSED;
    return http == 404 ? CLI_NOINPUT : http >= 500 ? CLI_INTERNAL : CLI_DATA;
}

static void take_answer(struct bulk *b, uint64_t line, struct json_text text)
{
    struct buf *out = output_buf(&b->c->output);
    json_t *answer = json_read(text);
    const json_t *problem = json_object_get(answer, "error");
    const char *detail = json_word(problem, "detail"), *id = json_word(answer, "id");
    if (b->c->format == FORMAT_JSON || b->c->format == FORMAT_JSONL)
        json_put_line(out, text);
    else if (!problem)
        buf_format(out, "%s\n", id ? id : "-");
    if (problem && b->c->format != FORMAT_JSON && b->c->format != FORMAT_JSONL)
        cli_fail(0, b->c->name, "line %llu: %s", (unsigned long long)line,
                 detail ? detail : "refused");
    if (problem)
        note(b, problem_status(problem));
    else if (!id)
        note(b, cli_fail(CLI_REFUSED, b->c->name, "line %llu: dropped: the queue is full",
                         (unsigned long long)line));
    json_decref(answer);
}

static int take_answers(struct bulk *b, const struct buf *body)
{
    size_t at = 0, count = 0;
    while (at < body->len && count < b->n_lines) {
        const char *start = body->data + at, *end = memchr(start, '\n', body->len - at);
        const size_t len = end ? (size_t)(end - start) : body->len - at;
        if (len)
            take_answer(b, b->lines[count++], (struct json_text){start, len});
        at += len + 1;
    }
    if (count < b->n_lines)
        return cli_fail(CLI_UNREACHED, b->c->name,
                        "no answer for line %llu and what follows: it may be submitted or not",
                        (unsigned long long)b->lines[count]);
    return command_flush(b->c);
}

static int send_batch(struct bulk *b)
{
    struct buf answers = {0};
    if (!b->n_lines)
        return CLI_OK;
    const struct client_request request = {
        .method = "POST",
        .path = "/jobs",
        .body = b->body.data,
        .body_len = b->body.len,
        .type = "application/x-ndjson",
        .patient = true,
    };
    int status = client_ask(b->c->client, &request, &answers);
    if (status == CLI_OK)
        status = take_answers(b, &answers);
    buf_close(&answers);
    b->body.len = b->n_lines = 0;
    return status;
}

/* The whole lines of what was read, at the end also the last one without a newline. */
static int take_lines(struct bulk *b, bool end)
{
    size_t at = 0;
    int status = CLI_OK;
    while (status == CLI_OK && at < b->input.len) {
        const char *start = b->input.data + at, *stop = memchr(start, '\n', b->input.len - at);
        const size_t len = stop ? (size_t)(stop - start) : b->input.len - at;
        if (!stop && !end)
            break;
        take_line(b, start, len);
        at += len + (stop != NULL);
        if (b->body.len >= BATCH_BYTES)
            status = send_batch(b);
    }
    if (at)
        memmove(b->input.data, b->input.data + at, b->input.len - at);
    b->input.len -= at;
    return status ? status : send_batch(b);
}

int submit_lines(struct command *c, const char *task, const struct buf *members)
{
    struct bulk b = {.c = c, .task = task, .members = members};
    int status = CLI_OK;
    ssize_t n = 1;
    while (status == CLI_OK && n > 0) {
        buf_reserve(&b.input, READ_BYTES + 1);
        do
            n = read(STDIN_FILENO, b.input.data + b.input.len, READ_BYTES);
        while (n < 0 && errno == EINTR);
        if (n < 0) {
            status = cli_fail(CLI_DATA, c->name, "standard input: %s", strerror(errno));
            break;
        }
        b.input.len += (size_t)n;
        b.input.data[b.input.len] = 0; /* room was made for it; not counted */
        status = take_lines(&b, n == 0);
        if (status == CLI_OK && b.input.len > LINE_BYTES)
            status = cli_fail(CLI_DATA, c->name, "line %llu: over %zu MiB",
                              (unsigned long long)b.line + 1, LINE_BYTES >> 20);
    }
    buf_close(&b.input);
    buf_close(&b.body);
    free(b.lines);
    return status ? status : b.worst;
}
