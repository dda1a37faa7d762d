/* Any bytes, with the sum that they need, as the body of a job's row: refused, or a job that is
 * written and read again as the same bytes. With another sum they are always refused. */
#include <assert.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/name.h"
#include "parts/gate.h"
#include "parts/store_sqlite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SUM_BYTES 4
#define SESSION 7

static struct store *lend_store(void)
{
    static struct store s;
    static const struct task_name task = {0, "a"};
    static struct gate gate;
    if (!s.file.session) {
        s.file.session = SESSION;
        sqlite_names_number(&s.queues, 0, &gate, "default");
        sqlite_names_number(&s.tasks, 0, &task, task.text);
    }
    return &s;
}

static sqlite3_stmt *row_of(const void *body, size_t len, int state)
{
    static sqlite3_stmt *row; /* kept: opening takes longer than a run */
    if (!row) {
        sqlite3 *db;
        int rc = sqlite3_open(":memory:", &db);
        rc = rc ? rc : sqlite3_prepare_v2(db, "SELECT 5, 1, 1, ?2, 0, ?3, ?1", -1, &row, NULL);
        assert(rc == SQLITE_OK);
    }
    sqlite3_reset(row);
    sqlite3_bind_blob(row, 1, body, (int)len, SQLITE_STATIC);
    sqlite3_bind_int(row, 2, state);
    const int rc = sqlite3_step(row);
    assert(rc == SQLITE_ROW);
    return row;
}

static void put_sum(uint8_t *body, size_t len)
{
    const uint64_t hash = hash_bytes(HASH_START, body, len);
    const uint32_t sum = (uint32_t)(hash ^ hash >> 32);
    memcpy(body + len, &sum, SUM_BYTES);
}

static void check_same(const struct job *job, int state)
{
    struct buf first = {0}, second = {0};
    struct job *again;
    row_encode(&first, job, SESSION);
    again = row_decode(lend_store(), row_of(first.data, first.len, state), true);
    assert(again);
    row_encode(&second, again, SESSION);
    assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    assert(again->id == job->id && again->priority == job->priority && again->state == job->state);
    assert(again->args_len == job->args_len && again->token == job->token);
    assert(!memcmp(again->args, job->args, job->args_len));
    job_free(NULL, again);
    buf_close(&first);
    buf_close(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *body = mem_alloc(size + SUM_BYTES);
    const int state = size ? data[size - 1] % NEAP_STATES : 0;
    memcpy(body, data, size);
    put_sum(body, size);
    struct job *job = row_decode(lend_store(), row_of(body, size + SUM_BYTES, state), true);
    if (job)
        check_same(job, state);
    job_free(NULL, job);
    body[size] ^= 1;
    assert(!row_decode(lend_store(), row_of(body, size + SUM_BYTES, state), true));
    free(body);
    return 0;
}
