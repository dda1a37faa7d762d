/* The disk of these tests itself (tests/support/vfs.h): what SQLite has synced survives it, and
 * what it has not may be lost, or it would prove nothing of the store. */
#include "vfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#define POINTS 60
#define ROWS 2000

static char dir[] = "/tmp/neap-disk-XXXXXX";
static char path[64];
static int *committed; /* rows, told by the process that dies to the one that looks */

static void must(sqlite3 *db, int rc)
{
    if (rc != SQLITE_OK) {
        fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
        _exit(1);
    }
}

static void write_rows(const char *synchronous, long power_at, uint64_t seed)
{
    char sql[400];
    sqlite3 *db;
    vfs_install(&(struct vfs_plan){.power_at = power_at, .seed = seed});
    must(NULL, sqlite3_open(path, &db));
    snprintf(sql, sizeof sql,
             "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=%s;"
             "PRAGMA wal_autocheckpoint=20; CREATE TABLE IF NOT EXISTS t(id INTEGER, data BLOB);",
             synchronous);
    must(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
    for (int i = 1; i <= ROWS; i++) {
        snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, zeroblob(%d))", i, i * 37 % 3000);
        must(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
        *committed = i;
    }
    _exit(0);
}

static int number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

/* Whether all is there that was committed, in a file without damage. */
static bool whole(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    const bool sound = number(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1;
    const int rows = number(db, "SELECT count(*) FROM t");
    sqlite3_close(db);
    return sound && (rows >= *committed || (rows < 0 && *committed == 0));
}

/* At how many of the points something is lost. */
static int losses(const char *synchronous)
{
    int lost = 0;
    for (int point = 1; point <= POINTS; point++) {
        char command[100];
        int status;
        snprintf(command, sizeof command, "rm -f %s*", path);
        assert_int_equal(system(command), 0);
        *committed = 0;
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            write_rows(synchronous, point < 20 ? point : point * 17, (uint64_t)point * 7919);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == VFS_POWER);
        lost += !whole();
    }
    printf("# synchronous=%s: lost something at %d of %d points\n", synchronous, lost, POINTS);
    return lost;
}

static void full_loses_nothing(void **state)
{
    (void)state;
    assert_int_equal(losses("FULL"), 0);
}

static void less_loses_something(void **state)
{
    (void)state;
    assert_true(losses("NORMAL") > POINTS / 4);
    assert_true(losses("OFF") > POINTS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_loses_nothing),
        cmocka_unit_test(less_loses_something),
    };
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/t.db", dir);
    committed =
        mmap(NULL, sizeof *committed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const int rc = committed == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) ? 1 : rc;
}
