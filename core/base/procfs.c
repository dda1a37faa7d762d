#include "base/procfs.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int64_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int64_t count = -1; /* its own, which is closed again */
    if (!dir)
        return -1;
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += *entry->d_name != '.';
    closedir(dir);
    return count;
}

static double booted_s(void)
{
    char line[256];
    long long seconds = -1;
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file) && sscanf(line, "btime %lld", &seconds) != 1)
        ;
    fclose(file);
    return (double)seconds;
}

/* proc(5): the name, in parentheses, may hold anything; the rest is numbers. */
static void read_stat(struct procfs *out)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file)
        return;
    const size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = 0;
    const char *rest = strrchr(text, ')');
    unsigned long long user, system, started, size;
    long long threads, pages;
    if (!rest || sscanf(rest + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d "
                        "%lld %*d %llu %llu %lld",
                        &user, &system, &threads, &started, &size, &pages) != 6)
        return;
    const double hz = (double)sysconf(_SC_CLK_TCK), booted = booted_s();
    out->cpu_s = (double)(user + system) / hz;
    out->started_s = booted < 0 ? -1 : booted + (double)started / hz;
    out->threads = threads;
    out->virtual_bytes = (int64_t)size;
    out->resident_bytes = pages * sysconf(_SC_PAGESIZE);
}

void procfs_read(struct procfs *out)
{
    struct rlimit limit;
    *out = (struct procfs){-1, -1, -1, -1, -1, -1, -1};
    read_stat(out);
    out->open_fds = count_fds();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        out->max_fds = (int64_t)limit.rlim_cur;
}
