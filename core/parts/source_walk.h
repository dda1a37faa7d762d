/* One look at a plugin's directory: which files belong to it, and a stamp over all of them.
 * Private to source*.c; owned by one thread. */
#ifndef PARTS_SOURCE_WALK_H
#define PARTS_SOURCE_WALK_H

#include <sys/stat.h>

#include "parts/source.h"

#define SOURCE_FILE_MAX (4 * 1024 * 1024)
#define SOURCE_PLUGIN_MAX (64 * 1024 * 1024)
#define SOURCE_FILES_MAX 4096
#define SOURCE_QUIET_MS 50
#define SOURCE_RESHAPED_MS 250
#define SOURCE_FUTURE_MS 2000 /* changed so long after the listing began: not by our clock */
#define SOURCE_BUSY_MS 5000   /* how long a transfer that moves nothing is believed */

struct walk_file {
    char *path;
    bool task;
    int error; /* errno of stat, or 0 */
    struct stat st;
};

struct walk {                /* zeroed is empty */
    const char *root;        /* what walk_plugin calls its directory; borrowed */
    struct walk_file *files; /* in order of path once done */
    size_t n_files, cap_files;
    struct source_dir *dirs; /* paths begin with the plugin's own */
    size_t n_dirs, cap_dirs;
    size_t tasks;
    uint64_t stamp, shape;
    int64_t newest_ms;
    bool busy;    /* by temporary files; git and /proc are asked separately */
    char *unsafe; /* "PATH: why" of the first that others may change; NULL: none. The path begins
                   * with the plugin's own, or is the single file's name */
};

/* Looks at everything below `fd`; `dir` is how it is called. 0 or errno. */
int walk_plugin(struct walk *walk, int fd, const char *dir);
void walk_single(struct walk *walk, int fd, const char *file); /* one file of directory `fd` */
void walk_close(struct walk *walk);

/* Is there an index.lock in the git repository that `fd` is in? */
bool walk_git_busy(int fd);
/* Does an rsync work in directory `fd`, below it or above it? Seen only where /proc shows it: those
 * of the same user, or all to root. */
bool walk_rsync_busy(int fd);
/* Looks `name` like a file that rsync is writing, in directory `fd`, now? */
bool walk_transfer(int fd, const char *name, int64_t unix_ms);

/* Why somebody else could change it: he may write to it, or owns it and is neither root nor this
 * process's user. NULL: nobody could. To free(). */
char *walk_unsafe(const struct stat *st);

/* "send.lua" -> 4: the length of its name if it is the file name of a task or helper, else 0. */
size_t walk_lua_name(const char *name);
int64_t walk_time_ms(const struct stat *st); /* when it last changed in any way */

#endif
