#include "model/call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"

_Static_assert(sizeof(struct outcome) <= 8 * POOL_STEP, "an outcome is small");

struct outcome *outcome_new(struct pool_cache *cache, struct job *job, int kind)
{
    uint8_t block;
    struct outcome *outcome = pool_take(cache, sizeof *outcome, &block);
    *outcome = (struct outcome){
        .message = {.kind = ENGINE_OUTCOME},
        .job = job,
        .token = job->token,
        .kind = (uint8_t)kind,
        .block = block,
    };
    return outcome;
}

struct outcome_more *outcome_more(struct outcome *outcome)
{
    if (!outcome->more) {
        outcome->more = mem_zero(1, sizeof *outcome->more);
        list_init(&outcome->more->children);
    }
    return outcome->more;
}

void outcome_free(struct pool_cache *cache, struct outcome *outcome)
{
    if (outcome->more) {
        assert(list_empty(&outcome->more->children));
        free(outcome->more->log);
        free(outcome->more);
    }
    if (outcome->result || outcome->error) { /* few have either */
        free(outcome->result);
        free(outcome->error);
    }
    pool_give(cache, outcome, outcome->block);
}
