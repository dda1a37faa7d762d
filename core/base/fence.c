#include "base/fence.h"

#include <assert.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static long call(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

bool fence_known(void)
{
    const long commands = call(MEMBARRIER_CMD_QUERY);
    return commands > 0 && commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED &&
           commands & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
}

/* Registered here and not at the start: with several threads that takes the kernel a while, and
 * most processes never get here. */
void fence_all(void)
{
    const long failed =
        call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) || call(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    assert(!failed);
}
