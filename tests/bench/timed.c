/* timed COMMAND [ARGUMENT...]: runs it with its output thrown away and prints what it took:
 * wall-clock seconds, CPU seconds, largest resident KiB, exit status (128 + signal). */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: timed COMMAND [ARGUMENT...]\n");
        return 64;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    const double began = seconds_now();
    pid_t pid;
    const int failed = posix_spawnp(&pid, argv[1], &actions, NULL, argv + 1, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        fprintf(stderr, "timed: %s: %s\n", argv[1], strerror(failed));
        return 127;
    }
    int status = 0;
    struct rusage used;
    wait4(pid, &status, 0, &used);
    const double wall = seconds_now() - began;
    const double cpu = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    printf("%.6f %.6f %ld %d\n", wall, cpu, used.ru_maxrss, code);
    return 0;
}
