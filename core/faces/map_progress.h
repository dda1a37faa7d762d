/* How far `map` has come: the bar on a terminal, a plain line now and then elsewhere, the summary.
 */
#ifndef FACES_MAP_PROGRESS_H
#define FACES_MAP_PROGRESS_H

#include "base/buf.h"
#include "faces/cli_log.h"

#include <stdbool.h>
#include <stdint.h>

struct map_counts {
    int64_t total;   /* inputs there will be; -1: not known (yet) */
    uint64_t inputs; /* taken so far */
    uint64_t completed, failed, cancelled;
    uint64_t bad;     /* inputs that are not fit to make a job; not among the failed */
    uint64_t refused; /* by a full queue */
    uint64_t skipped; /* done according to the job log */
    uint64_t not_run;
};

uint64_t map_counts_ended(const struct map_counts *c);
uint64_t map_counts_failed(const struct map_counts *c); /* the bad ones, too */

enum progress_style { PROGRESS_NONE, PROGRESS_BAR, PROGRESS_LINES };

struct progress { /* main thread */
    enum progress_style style;
    int64_t started_ms, drawn_ms; /* monotonic */
    double slowest_ms;
    struct buf slowest; /* its input, shortened */
};

void progress_init(struct progress *p, enum progress_style style, int64_t now_ms);
void progress_close(struct progress *p);
/* A job took so long. */
void progress_note(struct progress *p, double run_ms, const char *arg, size_t arg_len);

int progress_wait_ms(const struct progress *p, int64_t now_ms); /* -1: nothing will be drawn */
/* Draws if it is time to. */
void progress_draw(struct progress *p, const struct map_counts *c, const struct cli_log *log,
                   int64_t now_ms);
void progress_erase(const struct progress *p, struct cli_log *log); /* ends the bar */

/* "100 jobs, 67 completed, 33 failed, in 1.2s" */
void progress_summary(const struct progress *p, const struct map_counts *c, int64_t now_ms,
                      struct buf *out);

#endif
