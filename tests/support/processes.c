#include "processes.h"

#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int processes(char digit)
{
    int count = 0;
    char text[32];
    snprintf(text, sizeof text, PROCESSES_NAP "%c", (int)getpid(), digit);
    DIR *proc = opendir("/proc");
    assert_non_null(proc);
    for (struct dirent *entry; (entry = readdir(proc));) {
        char path[300], line[4096];
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        const int fd = atoi(entry->d_name) > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0)
            continue;
        const ssize_t n = read(fd, line, sizeof line - 1);
        close(fd);
        for (ssize_t i = 0; i < n; i++) /* between arguments */
            line[i] = line[i] ? line[i] : ' ';
        count += n > 0 && memmem(line, (size_t)n, text, strlen(text)) != NULL;
    }
    closedir(proc);
    return count;
}

void until_processes(char digit, int count)
{
    for (int left = 4000; processes(digit) != count;)
        executor_pause(&left);
}

void no_child_is_left(void)
{
    siginfo_t info;
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1);
    assert_int_equal(errno, ECHILD);
}
