/* held LOG COMMAND [ARGUMENT...]: prints its process id, then becomes the command, which writes
 * into LOG and ends with whoever started it, so that no server outlives an interrupted run. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: held LOG COMMAND [ARGUMENT...]\n");
        return 64;
    }
    printf("%ld\n", (long)getpid());
    fflush(stdout);
    const int log = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0) {
        fprintf(stderr, "held: %s: %s\n", argv[1], strerror(errno));
        return 74;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execvp(argv[2], argv + 2);
    fprintf(stderr, "held: %s: %s\n", argv[2], strerror(errno));
    return 127;
}
