/* For LD_PRELOAD: a disk whose syncs fail with EIO for as long as the file $NEAP_FAIL_SYNC exists.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static int sync_with(long call, int fd)
{
    const char *path = getenv("NEAP_FAIL_SYNC");
    if (path && access(path, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, fd);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
EXPORT int fsync(int fd)
{
    return sync_with(SYS_fsync, fd);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
EXPORT int fdatasync(int fd)
{
    return sync_with(SYS_fdatasync, fd);
}
