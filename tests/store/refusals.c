/* Files that the sqlite store must refuse, and leave as they are; damage; copies. */
#include "parts/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stores.h"

static struct backend db;
#define OPS (&store_sqlite)

static int try_open(struct store **s, struct neap_error *err)
{
    const struct store_env env = {
        .path = db.path, .window = 4, .names = db.names, .gates = db.gates, .now_ms = T0};
    const int rc = OPS->open(s, &env, err);
    for (unsigned q = 0; !rc && q < QUEUES; q++)
        index_serve(OPS->index(*s), q, 1);
    return rc;
}

static int commit(struct store *s)
{
    struct neap_error err = {0};
    return OPS->commit(s, &err);
}

/* A file with jobs in every place. */
static void make_file(void)
{
    struct store *s = backend_open(&db, NULL);
    for (uint64_t id = 1; id <= 60; id++) {
        OPS->put(s, backend_job(&db, id, (unsigned)id % QUEUES, (int)id % 3, id % 4 ? 0 : T0 + 50),
                 T0);
        if (id % 5 == 0)
            OPS->end(s, OPS->get(s, id), NEAP_CANCELLED, true, T0);
    }
    OPS->set_note(s, "a", "b", 1);
    assert_int_equal(commit(s), NEAP_OK);
    OPS->close(s);
}

static size_t read_file(const char *path, unsigned char **out)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    *out = malloc(1 << 22);
    const size_t len = fread(*out, 1, 1 << 22, f);
    fclose(f);
    return len;
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
}

static void remove_all(void)
{
    static const char *const beside[] = {"", "-wal", "-ballast", "-journal"};
    for (size_t i = 0; i < 4; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s%s", db.path, beside[i]);
        unlink(path);
    }
}

static void refused_unchanged(const char *word)
{
    unsigned char *before, *after;
    const size_t len = read_file(db.path, &before);
    struct neap_error err = {0};
    struct store *s = NULL;
    assert_int_equal(try_open(&s, &err), NEAP_EIO);
    assert_null(s);
    if (!strstr(err.message, word) || !strstr(err.message, db.path))
        fail_msg("no '%s' in: %s", word, err.message);
    assert_int_equal(read_file(db.path, &after), len);
    assert_memory_equal(before, after, len);
    free(before);
    free(after);
}

static void other_files(void **state)
{
    (void)state;
    remove_all();
    write_file(db.path, "dear diary,\n", 12);
    refused_unchanged("not a store");
    char junk[8192];
    memset(junk, 'x', sizeof junk);
    write_file(db.path, junk, sizeof junk);
    refused_unchanged("not a store");
}

static void run_sql(const char *sql)
{
    sqlite3 *handle;
    assert_int_equal(sqlite3_open(db.path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
}

static void databases_of_others(void **state)
{
    (void)state;
    remove_all();
    run_sql("CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    refused_unchanged("not a store");
    remove_all();
    run_sql("PRAGMA journal_mode = WAL; CREATE TABLE t(x)");
    refused_unchanged("not a store");
}

static void newer_ones(void **state)
{
    (void)state;
    make_file();
    run_sql("PRAGMA user_version = 999");
    refused_unchanged("newer");
}

static void a_missing_table(void **state)
{
    (void)state;
    make_file();
    run_sql("DROP TABLE notes");
    refused_unchanged("damaged");
}

static void open_twice(void **state)
{
    (void)state;
    struct neap_error err = {0};
    struct store *s = backend_open(&db, NULL), *other = NULL;
    OPS->put(s, backend_job(&db, 1, 0, 0, 0), T0);
    assert_int_equal(commit(s), NEAP_OK);
    assert_int_equal(try_open(&other, &err), NEAP_EIO); /* in this process */
    assert_non_null(strstr(err.message, "another process"));
    for (int i = 0; i < 2; i++) { /* the lock has outlived that */
        const pid_t pid = fork();
        if (!pid)
            _exit(try_open(&other, &err) == NEAP_EIO && strstr(err.message, "another process") ? 7
                                                                                               : 1);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    }
    OPS->put(s, backend_job(&db, 2, 0, 0, 0), T0);
    assert_int_equal(commit(s), NEAP_OK);
    OPS->close(s);
    assert_int_equal(try_open(&s, &err), NEAP_OK);
    assert_non_null(OPS->get(s, 2));
    OPS->close(s);
}

static void nobody_else_reads_it(void **state)
{
    (void)state;
    struct stat st;
    char path[600];
    const mode_t old = umask(0);
    struct store *s = backend_open(&db, NULL);
    OPS->put(s, backend_job(&db, 1, 0, 0, 0), T0);
    assert_int_equal(commit(s), NEAP_OK);
    umask(old);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", db.path, (const char *[]){"", "-wal", "-ballast"}[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    OPS->close(s);
}

/* Whatever is in it: opened and used, or refused. */
static void use(void)
{
    struct neap_error err = {0};
    struct store *s = NULL;
    if (try_open(&s, &err)) {
        assert_non_null(strstr(err.message, db.path));
        return;
    }
    struct job *out[64];
    struct store_query query = {0};
    OPS->scan(s, &query, out, 64);
    for (int i = 0; i < 20; i++) {
        struct job *job = store_claim(OPS, s, 0, T0 + 100);
        if (job)
            OPS->finish(s, job, job->token, NEAP_COMPLETED, i % 2, T0 + 100);
        OPS->put(s, backend_job(&db, 1000 + (uint64_t)i, 0, 0, 0), T0 + 100);
    }
    if (commit(s) == NEAP_OK)
        OPS->prune(s, T0 + 1000);
    OPS->close(s);
}

static void flipped_bytes(void **state)
{
    (void)state;
    unsigned char *data;
    make_file();
    const size_t len = read_file(db.path, &data);
    srand(7);
    for (int i = 0; i < 200; i++) {
        const size_t at = i < 100 ? (size_t)i : (size_t)rand() % len;
        const unsigned char was = data[at];
        data[at] ^= (unsigned char)(1 << rand() % 8);
        remove_all();
        write_file(db.path, data, len);
        use();
        data[at] = was;
        assert_int_equal(access(db.path, F_OK), 0);
    }
    free(data);
}

static void truncated_logs(void **state)
{
    (void)state;
    char wal[600];
    unsigned char *file, *log;
    struct store *s = backend_open(&db, NULL);
    snprintf(wal, sizeof wal, "%s-wal", db.path);
    for (uint64_t id = 1; id <= 60; id++) {
        OPS->put(s, backend_job(&db, id, 0, 0, 0), T0);
        if (id % 6 == 0)
            assert_int_equal(commit(s), NEAP_OK);
    }
    const size_t file_len = read_file(db.path, &file), log_len = read_file(wal, &log);
    OPS->close(s);
    srand(8);
    for (int i = 0; i < 100; i++) {
        struct neap_error err = {0};
        struct store_counts counts;
        remove_all();
        write_file(db.path, file, file_len);
        write_file(wal, log, i ? (size_t)rand() % log_len : log_len);
        assert_int_equal(try_open(&s, &err), NEAP_OK);
        OPS->counts(s, &counts);
        assert_int_equal(counts.states[NEAP_AVAILABLE] % 6, 0); /* whole commits only */
        assert_true(i || counts.states[NEAP_AVAILABLE] == 60);
        OPS->close(s);
    }
    free(file);
    free(log);
}

/* A damaged row is found where it is read, and is the end of the process. */
static void a_damaged_row(void **state)
{
    (void)state;
    struct neap_error err = {0};
    struct store *s = NULL;
    make_file();
    run_sql("UPDATE jobs SET body = x'0102' WHERE rowid = (SELECT max(rowid) FROM jobs)");
    if (try_open(&s, &err)) { /* it was within the window */
        assert_non_null(strstr(err.message, "damaged"));
        return;
    }
    assert_null(OPS->get(s, 59));
    assert_int_equal(OPS->commit(s, &err), NEAP_EIO);
    assert_non_null(strstr(err.message, db.path));
    OPS->close(s);
}

static void a_copy_while_jobs_come(void **state)
{
    (void)state;
    struct neap_error err = {0};
    char copy[600];
    struct store *s = backend_open(&db, NULL);
    snprintf(copy, sizeof copy, "%s.copy", db.path);
    unlink(copy);
    uint64_t id = 0;
    for (int i = 0; i < 80000; i++)
        OPS->put(s, backend_job(&db, ++id, 0, 0, 0), T0);
    assert_int_equal(commit(s), NEAP_OK);
    assert_int_equal(OPS->backup_begin(s, copy, &err), NEAP_OK);
    assert_int_equal(OPS->backup_begin(s, copy, &err), NEAP_EIO); /* one at a time */
    int rc, steps = 0;
    while ((rc = OPS->backup_step(s, &err)) == NEAP_EAGAIN) {
        assert_int_equal(access(copy, F_OK), -1);
        OPS->put(s, backend_job(&db, ++id, 0, 0, 0), T0);
        assert_int_equal(commit(s), NEAP_OK);
        steps++;
    }
    assert_int_equal(rc, NEAP_OK);
    assert_true(steps > 1);
    assert_int_equal(OPS->backup_begin(s, copy, &err), NEAP_EIO); /* it is there already */
    OPS->close(s);
    struct stat st;
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    remove_all();
    assert_int_equal(rename(copy, db.path), 0);
    assert_int_equal(try_open(&s, &err), NEAP_OK);
    struct store_counts counts;
    OPS->counts(s, &counts);
    assert_true(counts.states[NEAP_AVAILABLE] >= 80000);
    OPS->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_files),   cmocka_unit_test(databases_of_others),
        cmocka_unit_test(newer_ones),    cmocka_unit_test(a_missing_table),
        cmocka_unit_test(open_twice),    cmocka_unit_test(nobody_else_reads_it),
        cmocka_unit_test(flipped_bytes), cmocka_unit_test(truncated_logs),
        cmocka_unit_test(a_damaged_row), cmocka_unit_test(a_copy_while_jobs_come),
    };
    backend_init(&db, "sqlite", &store_sqlite, 4);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    backend_close(&db);
    return failed;
}
