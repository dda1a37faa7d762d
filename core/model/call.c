#include "model/call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"

struct outcome *outcome_new(struct pool_cache *cache, struct job *job, int kind)
{
    uint8_t block;
    struct outcome *outcome = pool_take(cache, sizeof *outcome, &block);
    memset(outcome, 0, sizeof *outcome);
    outcome->message.kind = ENGINE_OUTCOME;
    outcome->block = block;
    outcome->job = job;
    outcome->token = job->token;
    outcome->kind = kind;
    list_init(&outcome->children);
    return outcome;
}

void outcome_free(struct pool_cache *cache, struct outcome *outcome)
{
    assert(list_empty(&outcome->children));
    free(outcome->result);
    free(outcome->error);
    free(outcome->log);
    pool_give(cache, outcome, outcome->block);
}
