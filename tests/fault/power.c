/* Power lost at any operation of the store's files (tests/support/vfs.h). A process submits jobs
 * and notes, in memory that outlives it, which were acknowledged and which it was told have ended;
 * the tasks note in a file when they start and end. What opens the surviving files then must know
 * all of the first, run none of the second again, and end what is left. NEAP_POINTS: at how many.
 */
#include "vfs.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "executor.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POINTS 8 /* each takes seconds */
#else
#define POINTS 40
#endif
#define JOBS 12000 /* of one point, at most */
#define LIMIT_S 120

struct told { /* to who submits, in memory shared with the process that loses power */
    uint64_t id, after;
    bool deliver; /* forgotten once it has ended */
    bool dies;    /* and on_dead runs */
};

static struct record {
    atomic_uint n_acked, n_ended;
    struct told acked[JOBS];
    uint64_t ended[JOBS];
    char wrong[400]; /* what a child process has to say */
} * record;

static struct executor x;
static uint64_t seed;
static bool prunes; /* few of what has ended are kept */

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* A child process has found something, or cannot go on. */
static void wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(record->wrong, sizeof record->wrong, format, args);
    va_end(args);
    _exit(1);
}

static void write_world(void)
{
    static const int windows[] = {10000, 100, 8}; /* with the first all is in memory */
    char text[2000];
    snprintf(text, sizeof text,
             "[store]\nurl = sqlite:%s/neap.db\nwindow = %d\nkeep_completed = %s\n"
             "[pool default]\nworkers = 2\nslots = 32\n"
             "[task *]\nretry.max = 3\nretry.base = 1ms\n",
             x.dir, windows[next_random() % 3], prunes ? "1h, 20" : "none");
    executor_write(&x, "neap.ini", text);
    snprintf(text, sizeof text,
             "return function(...)\n"
             "  local f = assert(io.open('%s/said', 'a'))\n"
             "  f:write(table.concat({...}, ' ') .. '\\n')\n"
             "  f:close()\n"
             "end\n",
             x.dir);
    executor_write(&x, "plugins/p/lib/say.lua", text);
    executor_write(&x, "plugins/p/work.lua",
                   "local neap, say = require 'neap', require 'say'\n"
                   "return { run = function(args, ctx)\n"
                   "  say('start', ctx.id)\n"
                   "  if args.dies or args.fails and ctx.attempt == 1 then error('no') end\n"
                   "  if args.child then say('child', ctx.id, ctx:submit('p.child').id) end\n"
                   "  if args.nap then neap.sleep(args.nap) end\n"
                   "  say('end', ctx.id)\n"
                   "  return args.pad\n"
                   "end, on_dead = function(_, ctx) say('last', ctx.id) end }\n");
    executor_write(&x, "plugins/p/child.lua",
                   "local say = require 'say'\n"
                   "return function(_, ctx) say('end', ctx.id) end\n");
}

static void open_executor(void)
{
    static char ini[128];
    struct neap_error err = {0};
    snprintf(ini, sizeof ini, "%s/neap.ini", x.dir);
    const struct neap_options options = {.size = sizeof options, .config_file = ini};
    if (neap_open(&x.n, &options, &err) || neap_start(x.n, &err))
        wrong("does not open: %s", err.message);
}

/* The process that loses power. */

static void note_end(uint64_t id)
{
    const unsigned n = atomic_fetch_add(&record->n_ended, 1);
    if (n < JOBS)
        record->ended[n] = id;
}

static void *receive(void *unused)
{
    struct neap_outcome outcome;
    (void)unused;
    while (neap_next(x.n, &outcome, -1) == NEAP_OK) {
        if (outcome.state != NEAP_CANCELLED)
            note_end(outcome.id);
        neap_outcome_free(&outcome);
    }
    return NULL;
}

static void acknowledged(struct told told)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    const unsigned at = atomic_load(&record->n_acked);
    if (at < JOBS) {
        record->acked[at] = told;
        atomic_store(&record->n_acked, at + 1);
    }
    pthread_mutex_unlock(&lock);
}

static const char *one_in(uint64_t random, unsigned n)
{
    return random % n ? "false" : "true";
}

/* Now and then the same key twice, or after the last one; the id. */
static uint64_t submit(uint64_t random, bool deliver, uint64_t last)
{
    char args[4300], pad[4001], key[30];
    struct told told = {.deliver = deliver, .dies = (random >> 36) % 16 == 0};
    struct neap_error err;
    const unsigned len = random % 8 ? random % 300 : random % 4000;
    memset(pad, 'x', len);
    pad[len] = 0;
    snprintf(args, sizeof args, "{\"fails\":%s,\"dies\":%s,\"child\":%s,\"nap\":%s,\"pad\":\"%s\"}",
             one_in(random >> 20, 8), told.dies ? "true" : "false", one_in(random >> 24, 8),
             (random >> 28) % 4 ? "false" : "0.01", pad);
    struct neap_request request = {.task = "p.work",
                                   .args = args,
                                   .delay_ms = (random >> 32) % 8 ? 0 : 5,
                                   .flags = deliver ? NEAP_DELIVER : 0};
    snprintf(key, sizeof key, "%" PRIu64, (random >> 48) % 64);
    const struct neap_unique unique = {.key = key};
    if ((random >> 40) % 8 == 0 && !deliver && !told.dies)
        request.unique = &unique;
    if ((random >> 44) % 8 == 0 && last && !prunes && !request.unique) {
        told.after = last;
        request.after = &told.after;
        request.n_after = 1;
        request.after_failed = NEAP_AFTER_RUN;
    }
    const int rc = neap_submit(x.n, &request, &told.id, &err);
    if (rc == NEAP_EIO || rc == NEAP_ECLOSED)
        pthread_exit(NULL);
    if (rc)
        wrong("submit: %s", err.message);
    acknowledged(told);
    return told.id;
}

struct submitter {
    uint64_t random;
    bool deliver;
};

static void *submit_many(void *arg)
{
    const struct submitter *own = arg;
    uint64_t random = own->random, last = 0;
    while (atomic_load(&record->n_acked) < JOBS) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        last = submit(random ^ random >> 32, own->deliver, last);
        while (atomic_load(&record->n_acked) > atomic_load(&record->n_ended) + 200)
            usleep(500);
    }
    return NULL;
}

/* Asks about the jobs that no outcome comes for. */
static void *ask(void *unused)
{
    (void)unused;
    for (unsigned at = 0; at < JOBS; at++) {
        while (at >= atomic_load(&record->n_acked))
            usleep(500);
        const struct told told = record->acked[at];
        for (bool ended = told.deliver; !ended; usleep(ended ? 0 : 300)) {
            struct neap_job job;
            struct neap_error err;
            const int rc = neap_get(x.n, told.id, &job, &err);
            if (rc == NEAP_EIO || rc == NEAP_ECLOSED)
                return NULL;
            if (rc == NEAP_ENOENT && prunes)
                break;
            if (rc)
                wrong("job %" PRIu64 ": %s", told.id, err.message);
            ended = job.state == NEAP_COMPLETED || job.state == NEAP_DEAD;
            neap_job_free(&job);
        }
        if (!told.deliver)
            note_end(told.id);
    }
    return NULL;
}

/* The table of the jobs that run is not synced: after a loss it may be gone, or sectors of it never
 * written. */
static void spoil_running(void)
{
    static const char nothing[512];
    char path[128];
    snprintf(path, sizeof path, "%s/neap.db-running", x.dir);
    FILE *f = next_random() % 4 ? fopen(path, "r+") : NULL;
    if (!f) {
        unlink(path);
        return;
    }
    fseek(f, 0, SEEK_END);
    const uint64_t sectors = (uint64_t)ftell(f) / sizeof nothing;
    for (int n = (int)(next_random() % 3) * 20; n > 0 && sectors; n--) {
        fseek(f, (long)(next_random() % sectors * sizeof nothing), SEEK_SET);
        fwrite(nothing, sizeof nothing, 1, f);
    }
    fclose(f);
}

static void lose(long power_at)
{
    struct submitter submitters[6]; /* each its thread's */
    pthread_t thread;
    alarm(LIMIT_S);
    for (int i = 0; i < 6; i++) /* now: the disk takes numbers, too */
        submitters[i] = (struct submitter){next_random(), i % 2 != 0};
    vfs_install(
        &(struct vfs_plan){.power_at = power_at, .seed = next_random(), .on_power = spoil_running});
    open_executor();
    pthread_create(&thread, NULL, receive, NULL);
    pthread_create(&thread, NULL, ask, NULL);
    for (int i = 0; i < 6; i++)
        pthread_create(&thread, NULL, submit_many, &submitters[i]);
    for (;;)
        pause(); /* the power goes, or the alarm */
}

/* The process that comes after it. */

static int number(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt = NULL;
    int value = -1;
    if (sqlite3_open(path, &db) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static void must_be_sound(const char *path, const char *when)
{
    if (number(path, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") != 1)
        wrong("integrity check of the file %s", when);
}

/* In a copy: recovery is the store's. */
static void check_surviving(void)
{
    char command[300], path[128];
    snprintf(command, sizeof command,
             "cd %s && rm -rf copy && mkdir copy && { [ ! -e neap.db ] || cp neap.db* copy; }",
             x.dir);
    if (system(command))
        wrong("no copy");
    snprintf(path, sizeof path, "%s/copy/neap.db", x.dir);
    must_be_sound(path, "that survived");
}

static void say(const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/said", x.dir);
    FILE *f = fopen(path, "a");
    fprintf(f, "%s\n", text);
    fclose(f);
}

struct seen { /* of one job; open addressing by id */
    uint64_t id;
    uint64_t parent;
    unsigned started_at, ended_at; /* lines: of the first start and end; 0: never */
    bool ended, known_ended, again;
};
#define SEEN (JOBS * 8)

static struct seen *seen_of(struct seen *all, uint64_t id)
{
    size_t at = (id * 11400714819323198485u) >> 32;
    for (;; at++) {
        struct seen *s = &all[at % SEEN];
        if (!s->id)
            s->id = id;
        if (s->id == id)
            return s;
    }
}

static void read_said(struct seen *all)
{
    char path[128], line[100];
    bool after = false;
    unsigned number = 1;
    snprintf(path, sizeof path, "%s/said", x.dir);
    FILE *f = fopen(path, "r");
    for (; f && fgets(line, sizeof line, f); number++) {
        char word[20], first[20], second[20];
        uint64_t id, child;
        const int n = sscanf(line, "%19s %19s %19s", word, first, second);
        after = after || strcmp(word, "after") == 0;
        if (n < 2 || neap_id_parse(first, &id))
            continue;
        struct seen *s = seen_of(all, id);
        const bool ends = strcmp(word, "end") == 0 || strcmp(word, "last") == 0;
        if (strcmp(word, "end") == 0 && !s->ended_at)
            s->ended_at = number;
        if (strcmp(word, "start") == 0 && !s->started_at)
            s->started_at = number;
        s->ended = s->ended || ends;
        s->again = s->again || (after && strcmp(word, "start") == 0);
        if (n == 3 && neap_id_parse(second, &child) == NEAP_OK)
            seen_of(all, child)->parent = id;
    }
    if (f)
        fclose(f);
}

static void check_known(const struct told *told, struct seen *all)
{
    struct neap_job job;
    struct neap_error err;
    char text[NEAP_ID_CHARS + 1];
    neap_id_text(told->id, text);
    const struct seen *s = seen_of(all, told->id);
    const int rc = neap_get(x.n, told->id, &job, &err);
    if (rc == NEAP_OK) {
        if (job.state != (told->dies ? NEAP_DEAD : NEAP_COMPLETED))
            wrong("job %s is %s", text, neap_state_name(job.state));
        neap_job_free(&job);
    } else if (rc != NEAP_ENOENT || !(told->deliver || prunes) || !s->ended) {
        wrong("job %s was acknowledged: %s", text, err.message);
    }
    if (!s->ended)
        wrong("job %s never ran to its end%s", text, told->dies ? " (on_dead)" : "");
    if (told->after && s->started_at < seen_of(all, told->after)->ended_at)
        wrong("job %s ran before the one it waited for", text);
}

static void check_all(void)
{
    struct seen *all = calloc(SEEN, sizeof *all);
    read_said(all);
    const unsigned ended = atomic_load(&record->n_ended), acked = atomic_load(&record->n_acked);
    for (unsigned i = 0; i < ended && i < JOBS; i++)
        if (record->ended[i])
            seen_of(all, record->ended[i])->known_ended = true;
    for (unsigned i = 0; i < acked; i++)
        check_known(&record->acked[i], all);
    for (size_t i = 0; i < SEEN; i++) {
        char text[NEAP_ID_CHARS + 1];
        neap_id_text(all[i].id, text);
        if (all[i].known_ended && all[i].again)
            wrong("job %s was told to have ended, and ran again", text);
        if (all[i].parent && !all[i].ended && seen_of(all, all[i].parent)->known_ended)
            wrong("job %s was submitted by one that has ended, and is lost", text);
    }
    free(all);
}

static void come_back(void)
{
    char path[128];
    alarm(LIMIT_S);
    check_surviving();
    say("after");
    open_executor();
    const int rc = neap_wait_idle(x.n, 60000);
    if (rc)
        wrong("jobs that do not end: %d", rc);
    check_all();
    neap_close(x.n);
    snprintf(path, sizeof path, "%s/neap.db", x.dir);
    must_be_sound(path, "after the recovery");
    _exit(0);
}

/* A process that comes back, and loses power again in the middle of that. */
static void come_back_and_lose(void)
{
    alarm(LIMIT_S);
    vfs_install(&(struct vfs_plan){.power_at = 1 + (long)(next_random() % 40),
                                   .seed = next_random(),
                                   .on_power = spoil_running});
    open_executor();
    neap_wait_idle(x.n, 60000);
    neap_close(x.n);
    _exit(VFS_POWER);
}

static void expect_exit(pid_t pid, int want, uint64_t point_seed)
{
    int status = 0;
    assert_true(pid > 0);
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != want)
        fail_msg("seed %" PRIu64 ", status %x: %s (files in %s)", point_seed, (unsigned)status,
                 record->wrong, x.dir);
}

static void one_point(long power_at, uint64_t point_seed)
{
    memset(record, 0, sizeof *record);
    seed = point_seed;
    prunes = next_random() % 4 == 0;
    executor_init(&x);
    write_world();
    pid_t pid = fork();
    if (pid == 0)
        lose(power_at);
    expect_exit(pid, VFS_POWER, point_seed);
    seed += 1;
    if (next_random() % 4 == 0) {
        say("after");
        if ((pid = fork()) == 0)
            come_back_and_lose();
        expect_exit(pid, VFS_POWER, point_seed);
    }
    if ((pid = fork()) == 0)
        come_back();
    expect_exit(pid, 0, point_seed);
    executor_close(&x);
}

static void power_lost(void **state)
{
    (void)state;
    const char *wanted = getenv("NEAP_POINTS"), *first = getenv("NEAP_SEED");
    const int points = wanted ? atoi(wanted) : POINTS;
    uint64_t acked = 0, ended = 0;
    for (int i = 0; i < points; i++) {
        const uint64_t point_seed =
            (first ? strtoull(first, NULL, 10) : 1) + (uint64_t)i * 2654435761;
        seed = point_seed;
        next_random();
        const uint64_t spread = next_random() % 8 < 2 ? 60 : next_random() % 8 < 4 ? 600 : 6000;
        one_point(1 + (long)(next_random() % spread), point_seed);
        acked += atomic_load(&record->n_acked);
        ended += atomic_load(&record->n_ended);
    }
    printf("# %d points: %" PRIu64 " jobs acknowledged, %" PRIu64 " of them told to have ended\n",
           points, acked, ended);
    assert_true(acked > (uint64_t)points * 20 && ended > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(power_lost)};
    record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return record == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
