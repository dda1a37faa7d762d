#include "parts/index_pool.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct index_group {
    uint64_t mask;
    size_t users; /* queues; without any the group takes the next new mask */
    struct levels levels;
    struct list ready[LEVELS];
};

static struct index_turn *turn_of(struct list *node)
{
    return LIST_ENTRY(node, struct index_turn, place);
}

void index_pools_close(struct index_pools *pools)
{
    for (size_t i = 0; i < pools->n_groups; i++)
        free(pools->groups[i]);
    free(pools->groups);
    *pools = (struct index_pools){0};
}

void index_turn_init(struct index_turn *turn)
{
    *turn = (struct index_turn){.level = LEVEL_NONE};
}

static struct index_group *group_new(struct index_pools *pools)
{
    struct index_group *group = mem_zero(1, sizeof *group);
    for (unsigned i = 0; i < LEVELS; i++)
        list_init(&group->ready[i]);
    pools->groups = mem_grow(pools->groups, pools->n_groups + 1, sizeof(struct index_group *));
    return pools->groups[pools->n_groups++] = group;
}

static struct index_group *group_for(struct index_pools *pools, uint64_t mask)
{
    struct index_group *unused = NULL;
    for (size_t i = 0; i < pools->n_groups; i++) {
        struct index_group *group = pools->groups[i];
        if (group->users && group->mask == mask)
            return group;
        if (!group->users)
            unused = group;
    }
    if (!unused)
        unused = group_new(pools);
    unused->mask = mask;
    return unused;
}

static void leave(struct index_turn *turn)
{
    if (!turn->group || turn->level == LEVEL_NONE)
        return;
    list_remove(&turn->place);
    if (list_empty(&turn->group->ready[turn->level]))
        levels_drop(&turn->group->levels, turn->level);
}

static void join(struct index_pools *pools, struct index_turn *turn)
{
    if (!turn->group || turn->level == LEVEL_NONE)
        return;
    turn->stamp = ++pools->stamp;
    list_push(&turn->group->ready[turn->level], &turn->place);
    levels_add(&turn->group->levels, turn->level);
}

void index_turn_serve(struct index_pools *pools, struct index_turn *turn, uint64_t mask)
{
    if (turn->group ? turn->group->mask == mask : !mask)
        return;
    leave(turn);
    if (turn->group)
        turn->group->users--;
    turn->group = mask ? group_for(pools, mask) : NULL;
    if (turn->group)
        turn->group->users++;
    join(pools, turn);
}

static bool is_only(const struct list *node) /* in its list */
{
    return node->prev == node->next;
}

void index_turn_set(struct index_pools *pools, struct index_turn *turn, unsigned level, bool served)
{
    if (turn->level == level && !served)
        return;
    if (turn->level == level && is_only(&turn->place)) { /* it has no other */
        turn->stamp = ++pools->stamp;
        return;
    }
    leave(turn);
    turn->level = level;
    join(pools, turn);
}

struct index_turn *index_pools_next(const struct index_pools *pools, unsigned pool, bool *alone)
{
    assert(pool < INDEX_POOLS);
    struct index_turn *best = NULL;
    *alone = true;
    for (size_t i = 0; i < pools->n_groups; i++) {
        const struct index_group *group = pools->groups[i];
        const unsigned level = levels_first(&group->levels);
        if (level == LEVEL_NONE || !(group->mask >> pool & 1) || (best && level > best->level))
            continue;
        struct index_turn *turn = turn_of(group->ready[level].next);
        *alone = is_only(&turn->place) && (!best || level < best->level);
        if (!best || level < best->level || turn->stamp < best->stamp)
            best = turn;
    }
    return best;
}
