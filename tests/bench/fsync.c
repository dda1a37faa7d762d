/* fsync FILE TIMES: appends 4 KiB and waits for fdatasync. Prints nanoseconds, a line each. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    static const char page[4096] = {1};
    const int fd = argc == 3 ? open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    if (fd < 0) {
        fprintf(stderr, "usage: fsync FILE TIMES\n");
        return 64;
    }
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < atoi(argv[2]); i++) {
        nanosleep(&pause, NULL);
        const double began = now_ns();
        if (write(fd, page, sizeof page) != (ssize_t)sizeof page || fdatasync(fd) != 0) {
            perror(argv[1]);
            return 74;
        }
        printf("%.0f\n", now_ns() - began);
    }
    close(fd);
    return 0;
}
