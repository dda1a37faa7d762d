/* rows FILE JOBS drop|keep: the limit of the sqlite store. Its own file and statements, in
 * transactions of 1,000 jobs: one puts them, the next drops them again or moves them to those that
 * have ended. Prints the seconds. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "parts/sqlite_file.h"

#define BATCH 1000

static const char body[64] = "as long as a small job's";

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void step(sqlite3_stmt *s)
{
    const int rc = sqlite3_step(s);
    assert(rc == SQLITE_DONE);
    sqlite3_reset(s);
}

static void put(struct sqlite_file *f, uint64_t id)
{
    sqlite3_stmt *s = sqlite_file_sql(f, SQL_PUT_JOB);
    sqlite3_bind_int64(s, 1, row_of_id(id));
    sqlite3_bind_int(s, 2, 1); /* queue */
    sqlite3_bind_int(s, 3, 1); /* task */
    sqlite3_bind_int(s, 4, NEAP_AVAILABLE);
    sqlite3_bind_int64(s, 5, INT64_C(128) << 48 | (int64_t)id); /* sort */
    for (int i = 6; i <= 9; i++)
        sqlite3_bind_null(s, i);
    sqlite3_bind_blob(s, 10, body, sizeof body, SQLITE_STATIC);
    step(s);
}

static void drop(struct sqlite_file *f, uint64_t id)
{
    sqlite3_stmt *s = sqlite_file_sql(f, SQL_DROP_JOBS);
    sqlite3_bind_int64(s, 1, row_of_id(id));
    sqlite3_bind_int64(s, 2, row_of_id(id));
    step(s);
}

static void keep(struct sqlite_file *f, uint64_t id)
{
    sqlite3_stmt *s = sqlite_file_sql(f, SQL_PUT_ENDED);
    sqlite3_bind_int64(s, 1, row_of_id(id));
    sqlite3_bind_int(s, 2, 1);
    sqlite3_bind_int(s, 3, 1);
    sqlite3_bind_int(s, 4, NEAP_COMPLETED);
    sqlite3_bind_int64(s, 5, (int64_t)id); /* finished */
    for (int i = 6; i <= 8; i++)
        sqlite3_bind_null(s, i);
    sqlite3_bind_blob(s, 9, body, sizeof body, SQLITE_STATIC);
    step(s);
}

static void commit(struct sqlite_file *f)
{
    step(sqlite_file_sql(f, SQL_COMMIT));
    const int rc = sqlite_file_checkpoint(f, false);
    assert(rc == SQLITE_OK);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: rows FILE JOBS drop|keep\n");
        return 64;
    }
    const int keeping = strcmp(argv[3], "keep") == 0;
    const uint64_t jobs = strtoull(argv[2], NULL, 10);
    struct sqlite_file f = {0};
    struct neap_error err;
    if (sqlite_file_open(&f, argv[1], &err) != NEAP_OK) {
        fprintf(stderr, "rows: %s\n", err.message);
        return 1;
    }
    const double began = now_s();
    for (uint64_t first = 1; first <= jobs; first += BATCH) {
        step(sqlite_file_sql(&f, SQL_BEGIN));
        for (uint64_t i = 0; i < BATCH; i++)
            put(&f, first + i);
        commit(&f);
        step(sqlite_file_sql(&f, SQL_BEGIN));
        for (uint64_t i = 0; i < BATCH; i++) {
            drop(&f, first + i);
            if (keeping)
                keep(&f, first + i);
        }
        commit(&f);
    }
    printf("%.6f\n", now_s() - began);
    sqlite_file_close(&f);
    return 0;
}
