#include "runtime/process.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* --- arguments and environment ---------------------------------------------------------------- */

static char **list_of(const char *texts, size_t len)
{
    size_t count = 0;
    for (const char *at = texts; at < texts + len; at += strlen(at) + 1)
        count++;
    char **list = mem_zero(count + 1, sizeof *list);
    count = 0;
    for (const char *at = texts; at < texts + len; at += strlen(at) + 1)
        list[count++] = (char *)at;
    return list;
}

static bool same_name(const char *a, const char *b)
{
    const size_t len = strcspn(a, "=");
    return len == strcspn(b, "=") && memcmp(a, b, len) == 0;
}

static bool is_set(char **vars, const char *name)
{
    for (; *vars; vars++)
        if (same_name(*vars, name))
            return true;
    return false;
}

/* The process's own variables but those that `spec` names, then those it gives. */
static char **environment_of(const struct process_spec *spec)
{
    char **own = list_of(spec->vars, spec->vars_len);
    size_t count = 0;
    for (char **at = own; *at; at++)
        count++;
    for (char **at = environ; at && *at; at++)
        count++;
    char **list = mem_zero(count + 1, sizeof *list);
    count = 0;
    for (char **at = spec->clear_vars ? NULL : environ; at && *at; at++)
        if (!is_set(own, *at))
            list[count++] = *at;
    for (char **at = own; *at; at++)
        if (strchr(*at, '='))
            list[count++] = *at;
    free(own);
    return list;
}

static const char *path_of(char **vars)
{
    for (; *vars; vars++)
        if (strncmp(*vars, "PATH=", 5) == 0)
            return *vars + 5;
    return DEFAULT_PATH;
}

/* Where the program is: with the PATH that it will see. To free(); NULL with errno: nowhere. */
static char *find_program(const char *name, char **vars)
{
    int why = ENOENT;
    if (strchr(name, '/') || !*name)
        return mem_text(name);
    for (const char *at = path_of(vars), *end; at; at = *end ? end + 1 : NULL) {
        struct stat st;
        end = strchrnul(at, ':');
        char *path =
            end == at ? mem_format("./%s", name) : mem_format("%.*s/%s", (int)(end - at), at, name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            if (access(path, X_OK) == 0)
                return path;
            why = EACCES;
        }
        free(path);
    }
    errno = why;
    return NULL;
}

/* --- descriptors ------------------------------------------------------------------------------ */

/* Out of the way of 0 to 2, where a host that has closed those would get it. */
static int above_standard(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    const int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    const int why = errno;
    close(fd);
    errno = why;
    return moved;
}

/* The input is a file in memory, not a pipe: all of it is there at once, whether the program reads
 * it or not. */
static int open_input(const struct process_spec *spec)
{
    if (!spec->in)
        return above_standard(open("/dev/null", O_RDONLY | O_CLOEXEC));
    int fd = memfd_create("stdin", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* Linux before 6.3 */
        fd = memfd_create("stdin", MFD_CLOEXEC);
    fd = above_standard(fd);
    for (size_t done = 0; fd >= 0 && done < spec->in_len;) {
        const ssize_t n = write(fd, spec->in + done, spec->in_len - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            const int why = n ? errno : ENOSPC;
            close(fd);
            errno = why;
            return -1;
        }
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static int open_pipe(int *ours, int *its)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        return errno;
    *ours = above_standard(fds[0]);
    *its = above_standard(fds[1]);
    if (*ours < 0 || *its < 0 || fcntl(*ours, F_SETFL, O_NONBLOCK))
        return errno;
    return 0;
}

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* --- starting --------------------------------------------------------------------------------- */

struct attributes {
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
};

static int attributes_init(struct attributes *a, const struct process_spec *spec, const int its[3])
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&a->attr);
    posix_spawnattr_setflags(&a->attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                           POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&a->attr, 0);
    posix_spawnattr_setsigmask(&a->attr, &none);
    posix_spawnattr_setsigdefault(&a->attr, &all);
    posix_spawn_file_actions_init(&a->files);
    int rc = 0;
    for (int fd = 0; fd < 3 && !rc; fd++)
        rc = posix_spawn_file_actions_adddup2(&a->files, fd == 2 && spec->merge ? its[1] : its[fd],
                                              fd);
    if (!rc) /* the host's, too, that it opened without close-on-exec */
        rc = posix_spawn_file_actions_addclosefrom_np(&a->files, 3);
    if (!rc && spec->cwd)
        rc = posix_spawn_file_actions_addchdir_np(&a->files, spec->cwd);
    return rc;
}

static void attributes_close(struct attributes *a)
{
    posix_spawn_file_actions_destroy(&a->files);
    posix_spawnattr_destroy(&a->attr);
}

static int failed(struct neap_error *err, const char *what, int why)
{
    error_set(err, NEAP_EIO, "%s: %s", what, strerror(why));
    return why;
}

/* posix_spawn waits until the program runs or cannot, so its errno is known and its group exists.
 */
static int spawn(const struct process_spec *spec, const int its[3], pid_t *pid,
                 struct neap_error *err)
{
    struct attributes a;
    struct stat st;
    if (spec->cwd && stat(spec->cwd, &st))
        return failed(err, spec->cwd, errno);
    if (spec->cwd && !S_ISDIR(st.st_mode))
        return failed(err, spec->cwd, ENOTDIR);
    char **args = list_of(spec->args, spec->args_len);
    char **vars = environment_of(spec);
    char *program = find_program(args[0], vars);
    int rc = program ? attributes_init(&a, spec, its) : errno;
    if (program) {
        if (!rc)
            rc = posix_spawn(pid, program, &a.files, &a.attr, args, vars);
        attributes_close(&a);
    }
    if (rc)
        failed(err, args[0], rc);
    free(program);
    free(vars);
    free(args);
    return rc;
}

int process_start(const struct process_spec *spec, pid_t *pid, int out[2], struct neap_error *err)
{
    int its[3] = {open_input(spec), -1, -1};
    out[0] = out[1] = -1;
    int rc = its[0] < 0 ? errno : open_pipe(&out[0], &its[1]);
    if (!rc && !spec->merge)
        rc = open_pipe(&out[1], &its[2]);
    if (rc)
        failed(err, "cannot start a program", rc);
    else
        rc = spawn(spec, its, pid, err);
    close_all(its, 3);
    if (rc)
        close_all(out, 2);
    return rc;
}

int process_fd(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec of itself */
#else
    (void)pid;
    return -1;
#endif
}
