#include "faces/map_progress.h"

#include "faces/cli_value.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_EVERY_MS 100
#define LINE_EVERY_MS 10000
#define BAR_CELLS 20
#define SLOWEST_BYTES 30

uint64_t map_counts_failed(const struct map_counts *c)
{
    return c->failed + c->bad;
}

uint64_t map_counts_ended(const struct map_counts *c)
{
    return c->completed + c->failed + c->cancelled + c->bad + c->refused;
}

void progress_init(struct progress *p, enum progress_style style, int64_t now_ms)
{
    *p = (struct progress){.style = style, .started_ms = now_ms, .drawn_ms = now_ms};
}

void progress_close(struct progress *p)
{
    buf_close(&p->slowest);
}

void progress_note(struct progress *p, double run_ms, const char *arg, size_t arg_len)
{
    if (p->style == PROGRESS_NONE || run_ms <= p->slowest_ms)
        return;
    p->slowest_ms = run_ms;
    p->slowest.len = 0;
    value_shown(&p->slowest, arg, arg_len, SLOWEST_BYTES);
}

int progress_wait_ms(const struct progress *p, int64_t now_ms)
{
    if (p->style == PROGRESS_NONE)
        return -1;
    const int64_t due_ms = p->drawn_ms + (p->style == PROGRESS_BAR ? BAR_EVERY_MS : LINE_EVERY_MS);
    return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}

static void put_elapsed(struct buf *out, double seconds)
{
    const long long whole = (long long)seconds;
    if (seconds < 1)
        buf_format(out, "%.0fms", seconds * 1000);
    else if (seconds < 60)
        buf_format(out, "%.1fs", seconds);
    else if (whole < 3600)
        buf_format(out, "%lldm%02llds", whole / 60, whole % 60);
    else
        buf_format(out, "%lldh%02lldm", whole / 3600, whole / 60 % 60);
}

static void put_count(struct buf *out, uint64_t count, const char *what)
{
    if (count)
        buf_format(out, ", %llu %s", (unsigned long long)count, what);
}

/* "45/100, 45%, 12.3/s, ETA 4.5s, 3 failed" */
static void put_figures(struct buf *out, const struct progress *p, const struct map_counts *c,
                        int64_t now_ms)
{
    const uint64_t done = map_counts_ended(c) + c->skipped;
    const double elapsed = (double)(now_ms - p->started_ms) / 1000;
    const double rate = elapsed > 0 ? (double)map_counts_ended(c) / elapsed : 0;
    buf_format(out, "%llu", (unsigned long long)done);
    if (c->total > 0 && done <= (uint64_t)c->total)
        buf_format(out, "/%lld, %llu%%", (long long)c->total,
                   (unsigned long long)(done * 100 / (uint64_t)c->total));
    else
        buf_text(out, " done");
    buf_format(out, ", %.1f/s", rate);
    if (c->total > 0 && rate > 0 && done <= (uint64_t)c->total) {
        buf_text(out, ", ETA ");
        put_elapsed(out, (double)((uint64_t)c->total - done) / rate);
    }
    put_count(out, map_counts_failed(c), "failed");
}

static void put_bar(struct buf *out, const struct map_counts *c)
{
    const uint64_t done = map_counts_ended(c) + c->skipped;
    if (c->total <= 0 || done > (uint64_t)c->total)
        return;
    const uint64_t cells = done * BAR_CELLS / (uint64_t)c->total;
    buf_byte(out, '[');
    for (uint64_t i = 0; i < BAR_CELLS; i++)
        buf_byte(out, i < cells ? '#' : '.');
    buf_text(out, "] ");
}

static size_t terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static void draw_bar(const struct progress *p, const struct map_counts *c,
                     const struct cli_log *log, int64_t now_ms)
{
    struct buf line = {0};
    put_bar(&line, c);
    put_figures(&line, p, c, now_ms);
    if (p->slowest.len) {
        buf_text(&line, ", slowest ");
        put_elapsed(&line, p->slowest_ms / 1000);
        buf_text(&line, " (");
        buf_put(&line, p->slowest.data, p->slowest.len);
        buf_byte(&line, ')');
    }
    if (line.len >= terminal_columns())
        line.len = terminal_columns() - 1; /* a wrapped line could not be erased */
    cli_log_write(log, &line);
    buf_close(&line);
}

static void draw_line(const struct progress *p, const struct map_counts *c,
                      const struct cli_log *log, int64_t now_ms)
{
    struct buf line = {0};
    buf_text(&line, "neap map: ");
    put_figures(&line, p, c, now_ms);
    buf_byte(&line, '\n');
    cli_log_write(log, &line);
    buf_close(&line);
}

void progress_draw(struct progress *p, const struct map_counts *c, const struct cli_log *log,
                   int64_t now_ms)
{
    if (progress_wait_ms(p, now_ms) != 0)
        return;
    p->drawn_ms = now_ms;
    if (p->style == PROGRESS_BAR)
        draw_bar(p, c, log, now_ms);
    else
        draw_line(p, c, log, now_ms);
}

void progress_erase(const struct progress *p, struct cli_log *log)
{
    if (p->style != PROGRESS_BAR)
        return;
    cli_log_write(log, &(struct buf){0});
}

void progress_summary(const struct progress *p, const struct map_counts *c, int64_t now_ms,
                      struct buf *out)
{
    const uint64_t jobs = c->completed + c->failed + c->cancelled;
    buf_format(out, "%llu %s, %llu completed", (unsigned long long)jobs, jobs == 1 ? "job" : "jobs",
               (unsigned long long)c->completed);
    put_count(out, c->failed, "failed");
    put_count(out, c->cancelled, "cancelled");
    put_count(out, c->bad, c->bad == 1 ? "bad input" : "bad inputs");
    put_count(out, c->refused, "refused by a full queue");
    put_count(out, c->skipped, "done before");
    put_count(out, c->not_run, "not run");
    buf_text(out, ", in ");
    put_elapsed(out, (double)(now_ms - p->started_ms) / 1000);
}
