#include "runtime/tried.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

bool tried_keep(tried_slot *slot, struct vm *vm, struct plugin *plugin, int table_ref)
{
    struct tried *none = NULL;
    if (vm->bound || table_ref == LUA_NOREF)
        return false;
    struct tried *tried = mem_zero(1, sizeof *tried);
    vm_move(&tried->vm, vm);
    tried->plugin = plugin_ref(plugin);
    tried->table_ref = table_ref;
    if (!atomic_compare_exchange_strong(slot, &none, tried))
        tried_free(tried);
    return true;
}

static bool is_current(const struct plugin *plugin, const struct catalogue *catalogue)
{
    for (size_t i = 0; i < catalogue->n_plugins; i++)
        if (catalogue->plugins[i] == plugin)
            return true;
    return false;
}

struct tried *tried_take(tried_slot *slot, const struct catalogue *catalogue, bool strict,
                         const struct preload *preloads)
{
    struct tried *tried = slot ? atomic_exchange(slot, NULL) : NULL;
    if (!tried || (tried->vm.strict == strict && tried->vm.preloads == preloads &&
                   is_current(tried->plugin, catalogue)))
        return tried;
    tried_free(tried);
    return NULL;
}

void tried_free(struct tried *tried)
{
    if (!tried)
        return;
    vm_close(&tried->vm);
    plugin_unref(tried->plugin);
    free(tried);
}
