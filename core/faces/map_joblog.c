#include "faces/map_joblog.h"

#include "base/mem.h"
#include "faces/cli.h"
#include "faces/cli_value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER                                                                                     \
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\tCputime\tBytes\n"
#define COMMAND_COLUMN 8
#define EXITVAL_COLUMN 6
#define USED_UP UINT64_MAX /* a count down to nothing: 0 would break the chains of the table */

/* FNV-1a of 128 bits. */
static void hash_command(uint64_t hash[2], const char *text, size_t len)
{
    const unsigned __int128 prime = ((unsigned __int128)1 << 88) + 0x13b;
    unsigned __int128 h =
        ((unsigned __int128)UINT64_C(0x6c62272e07bb0142) << 64) | UINT64_C(0x62b821756295c58d);
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * prime;
    hash[0] = (uint64_t)h;
    hash[1] = (uint64_t)(h >> 64);
}

static struct joblog_seen *find(struct joblog *log, const uint64_t hash[2])
{
    size_t at = hash[0] & (log->cap_seen - 1);
    while (log->seen[at].count && memcmp(log->seen[at].hash, hash, sizeof log->seen[at].hash) != 0)
        at = (at + 1) & (log->cap_seen - 1);
    return &log->seen[at];
}

static void grow(struct joblog *log)
{
    struct joblog_seen *old = log->seen;
    const size_t old_cap = log->cap_seen;
    log->cap_seen = old_cap ? old_cap * 2 : 1024;
    log->seen = mem_zero(log->cap_seen, sizeof *log->seen);
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].count)
            *find(log, old[i].hash) = old[i];
    free(old);
}

static void remember(struct joblog *log, const char *command, size_t len)
{
    uint64_t hash[2];
    if (log->n_seen >= log->cap_seen / 2)
        grow(log);
    hash_command(hash, command, len);
    struct joblog_seen *seen = find(log, hash);
    if (seen->count++ == 0) {
        memcpy(seen->hash, hash, sizeof seen->hash);
        log->n_seen++;
    }
}

static void put_command(struct buf *out, const char *task, const char *arg, size_t len)
{
    buf_text(out, task);
    buf_byte(out, ' ');
    value_shown(out, arg, len, 0);
}

bool joblog_done(struct joblog *log, const char *task, const char *arg, size_t arg_len)
{
    struct buf command = {0};
    uint64_t hash[2];
    if (!log->n_seen)
        return false;
    put_command(&command, task, arg, arg_len);
    hash_command(hash, command.data, command.len);
    buf_close(&command);
    struct joblog_seen *seen = find(log, hash);
    if (!seen->count || seen->count == USED_UP)
        return false;
    seen->count = seen->count == 1 ? USED_UP : seen->count - 1;
    return true;
}

static void read_line(struct joblog *log, const char *line, size_t len, enum joblog_mode mode)
{
    const char *at = line, *end = line + len, *exitval = NULL;
    for (int column = 0; column < COMMAND_COLUMN; column++) {
        if (column == EXITVAL_COLUMN)
            exitval = at;
        at = memchr(at, '\t', (size_t)(end - at));
        if (!at++)
            return;
    }
    const char *tab = memchr(at, '\t', (size_t)(end - at));
    if (tab && (mode == JOBLOG_RESUME || strncmp(exitval, "0\t", 2) == 0))
        remember(log, at, (size_t)(tab - at));
}

/* Reads the lines; `*good` becomes the length up to and with the last whole one, as the last write
 * may have been cut short. */
static bool read_lines(struct joblog *log, FILE *file, enum joblog_mode mode, off_t *good)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    bool ok = true;
    *good = 0;
    while (ok && (n = getline(&line, &cap, file)) > 0 && line[n - 1] == '\n') {
        if (*good == 0)
            ok = strcmp(line, HEADER) == 0;
        else
            read_line(log, line, (size_t)n - 1, mode);
        *good += n;
    }
    if (*good == 0 && n > 0) /* not even a whole header */
        ok = (size_t)n < strlen(HEADER) && memcmp(line, HEADER, (size_t)n) == 0;
    ok = ok && !ferror(file);
    free(line);
    return ok;
}

static int resume(struct joblog *log, enum joblog_mode mode)
{
    off_t good;
    FILE *file = fopen(log->path, "re");
    if (!file && errno == ENOENT)
        return CLI_OK;
    if (!file)
        return cli_fail(CLI_NOINPUT, "map", "%s: %s", log->path, strerror(errno));
    const bool ok = read_lines(log, file, mode, &good);
    fclose(file);
    if (!ok)
        return cli_fail(CLI_DATA, "map", "%s is not a job log", log->path);
    if (truncate(log->path, good) != 0)
        return cli_fail(CLI_OUTPUT, "map", "%s: %s", log->path, strerror(errno));
    return CLI_OK;
}

int joblog_open(struct joblog *log, const char *path, enum joblog_mode mode)
{
    struct stat st;
    *log = (struct joblog){.fd = -1, .path = path};
    if (!path)
        return CLI_OK;
    const int status = mode == JOBLOG_NEW ? CLI_OK : resume(log, mode);
    if (status)
        return status;
    const int how = mode == JOBLOG_NEW ? O_TRUNC : O_APPEND;
    log->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0666);
    if (log->fd < 0)
        return cli_fail(CLI_OUTPUT, "map", "%s: %s", path, strerror(errno));
    if (fstat(log->fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        buf_text(&log->pending, HEADER);
    joblog_flush(log);
    return CLI_OK;
}

void joblog_flush(struct joblog *log)
{
    size_t at = 0;
    while (log->fd >= 0 && !log->error && at < log->pending.len) {
        const ssize_t n = write(log->fd, log->pending.data + at, log->pending.len - at);
        if (n >= 0)
            at += (size_t)n;
        else if (errno != EINTR)
            log->error = errno;
    }
    log->pending.len = 0;
}

int joblog_close(struct joblog *log)
{
    joblog_flush(log);
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
    buf_close(&log->pending);
    free(log->seen);
    log->seen = NULL;
    if (log->error)
        return cli_fail(CLI_OUTPUT, "map", "%s: %s", log->path, strerror(log->error));
    return CLI_OK;
}

void joblog_put_line(struct buf *out, const struct joblog_entry *entry)
{
    const struct neap_outcome *o = entry->outcome;
    const int64_t started_ms = o->started_ms ? o->started_ms : o->finished_ms;
    buf_format(out, "%llu\t:\t%lld.%03d\t%10.3f\t%zu\t%zu\t%d\t0\t", (unsigned long long)entry->seq,
               (long long)(started_ms / 1000), (int)(started_ms % 1000), o->run_ms / 1000.0,
               entry->arg_len, entry->output_len, o->state != NEAP_COMPLETED);
    put_command(out, entry->task, entry->arg, entry->arg_len);
    buf_format(out, "\t%.6f\t%llu\n", o->cpu_ms / 1000.0, (unsigned long long)o->bytes);
}
