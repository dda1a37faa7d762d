#include "base/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int affinity(void)
{
    for (int cpus = 1024; cpus <= 1024 * 1024; cpus *= 4) { /* the kernel's mask must fit */
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (!set)
            return 1;
        size_t size = CPU_ALLOC_SIZE((size_t)cpus);
        bool known = sched_getaffinity(0, size, set) == 0;
        int count = known ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (known)
            return count;
    }
    return 1;
}

/* The first line of a small file, without its newline. */
static bool first_line(const char *path, char *out, int size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool got = fgets(out, size, file) != NULL;
    fclose(file);
    if (got)
        out[strcspn(out, "\n")] = 0;
    return got;
}

static int whole_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long cpus = quota / period + (quota % period != 0);
    return cpus > INT_MAX ? INT_MAX : (int)cpus;
}

static int quota_v2(const char *dir) /* cpu.max: "max 100000" or "150000 100000" */
{
    char line[64];
    char *path = mem_format("%s/cpu.max", dir);
    bool got = first_line(path, line, sizeof line);
    free(path);
    long long quota, period;
    return got && sscanf(line, "%lld %lld", &quota, &period) == 2 ? whole_cpus(quota, period) : 0;
}

static int quota_v1(const char *dir)
{
    char quota[64], period[64];
    char *quota_path = mem_format("%s/cpu.cfs_quota_us", dir);
    char *period_path = mem_format("%s/cpu.cfs_period_us", dir);
    bool got = first_line(quota_path, quota, sizeof quota) && *quota != '-' && /* -1: none */
               first_line(period_path, period, sizeof period);
    free(quota_path);
    free(period_path);
    return got ? whole_cpus(atoll(quota), atoll(period)) : 0;
}

static int smaller(int a, int b) /* 0 is none */
{
    return a && (!b || a < b) ? a : b;
}

/* From the group up to the root: a limit above holds too. A container may see its own group as the
 * root, under a path of the host that does not exist here. */
static int quota_up(const char *mount, const char *group, int (*quota)(const char *dir))
{
    char *dir = mem_format("%s%s", mount, strcmp(group, "/") == 0 ? "" : group);
    size_t least = strlen(mount);
    int result = 0;
    for (;;) {
        result = smaller(quota(dir), result);
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < least)
            break;
        *slash = 0;
    }
    free(dir);
    return result;
}

static bool has_word(const char *list, const char *word) /* comma-separated */
{
    size_t len = strlen(word);
    for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (strncmp(p, word, len) == 0 && (p[len] == 0 || p[len] == ','))
            return true;
    return false;
}

int cpus_quota(const char *root)
{
    char *path = mem_format("%s/proc/self/cgroup", root);
    char *v2 = mem_format("%s/sys/fs/cgroup", root);
    char *v1 = mem_format("%s/sys/fs/cgroup/cpu", root);
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    int result = 0;
    while (file && getline(&line, &size, file) > 0) { /* "4:cpu,cpuacct:/group" or "0::/group" */
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = 0;
        controllers++;
        if (!*controllers)
            result = smaller(quota_up(v2, group, quota_v2), result);
        else if (has_word(controllers, "cpu"))
            result = smaller(quota_up(v1, group, quota_v1), result);
    }
    if (file)
        fclose(file);
    free(line);
    free(path);
    free(v2);
    free(v1);
    return result;
}

int cpus_available(void)
{
    int cpus = smaller(cpus_quota(""), affinity());
    return cpus < 1 ? 1 : cpus;
}
