/* Submissions a second over the socket of `neap serve`: one by one on 64 connections, and as lines
 * of NDJSON, with either store. Needs $NEAP. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 64
#define SECONDS 3.0
#define LINES 50000

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int connect_to(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "neap.sock"};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static pid_t serve(const char *store)
{
    FILE *f = fopen("neap.ini", "we");
    if (!f)
        exit(1);
    fprintf(f, "[store]\nurl = %s\nkeep_completed = 0\n[log]\nlevel = warn\n", store);
    fclose(f);
    const pid_t pid = fork();
    if (pid == 0) {
        const char *neap = getenv("NEAP");
        execl(neap ? neap : "neap", "neap", "serve", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500; i++) {
        const int fd = connect_to();
        if (fd >= 0) {
            close(fd);
            return pid;
        }
        usleep(10000);
    }
    exit(1);
}

static void stop(pid_t pid)
{
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Each connection has one request under way; answers are small enough to come in one piece. */
static void one_by_one(const char *store, const char *prefer)
{
    static double took[2000000];
    static const char body[] = "{\"task\":\"nothing\",\"args\":{\"n\":1}}";
    char request[512], answer[4096];
    struct pollfd fds[CONNECTIONS];
    double begun[CONNECTIONS];
    size_t count = 0, failed = 0;
    const int len = snprintf(request, sizeof request,
                             "POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: "
                             "application/json\r\n%sContent-Length: %zu\r\n\r\n%s",
                             prefer, sizeof body - 1, body);
    const double start = now();
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = (struct pollfd){.fd = connect_to(), .events = POLLIN};
        begun[i] = now();
        failed += write(fds[i].fd, request, (size_t)len) != len;
    }
    while (now() - start < SECONDS) {
        poll(fds, CONNECTIONS, 1000);
        for (int i = 0; i < CONNECTIONS; i++) {
            if (!fds[i].revents)
                continue;
            const ssize_t n = read(fds[i].fd, answer, sizeof answer);
            failed += n < 20 || memcmp(answer, "HTTP/1.1 201", 12) != 0;
            if (count < sizeof took / sizeof *took)
                took[count++] = now() - begun[i];
            begun[i] = now();
            failed += write(fds[i].fd, request, (size_t)len) != len;
        }
    }
    const double seconds = now() - start;
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i].fd);
    qsort(took, count, sizeof *took, by_size);
    printf("  %-7s one by one%s: %.0f/s, p50 %.2f ms, p99 %.2f ms, %zu failed\n", store,
           *prefer ? ", minimal" : "", (double)count / seconds, took[count / 2] * 1e3,
           took[count * 99 / 100] * 1e3, failed);
}

static void lines(const char *store)
{
    static const char line[] = "{\"task\":\"nothing\",\"args\":{\"n\":1}}\n";
    static char answer[65536];
    char head[256];
    char *body = malloc(LINES * (sizeof line - 1));
    size_t answers = 0, sent = 0;
    const size_t size = LINES * (sizeof line - 1);
    for (size_t i = 0; i < LINES; i++)
        memcpy(body + i * (sizeof line - 1), line, sizeof line - 1);
    const int fd = connect_to();
    const int len = snprintf(head, sizeof head,
                             "POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: "
                             "application/x-ndjson\r\nConnection: close\r\nContent-Length: "
                             "%zu\r\n\r\n",
                             size);
    const double start = now();
    if (write(fd, head, (size_t)len) != len)
        exit(1);
    while (sent < size) {
        const ssize_t n = write(fd, body + sent, size - sent);
        if (n <= 0)
            exit(1);
        sent += (size_t)n;
    }
    for (ssize_t n; (n = read(fd, answer, sizeof answer)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            answers += answer[i] == '\n' && i + 1 < n && answer[i + 1] != '\r';
    printf("  %-7s lines: %.0f/s\n", store, LINES / (now() - start));
    close(fd);
    free(body);
    (void)answers;
}

int main(void)
{
    char dir[] = "/tmp/neap-http-XXXXXX";
    if (!getenv("NEAP") || !mkdtemp(dir) || chdir(dir) || system("mkdir plugins"))
        return 1;
    FILE *f = fopen("plugins/nothing.lua", "we");
    if (!f)
        return 1;
    fputs("return function() end\n", f);
    fclose(f);
    signal(SIGPIPE, SIG_IGN);
    static const char *const stores[] = {"memory", "sqlite:neap.db"};
    for (size_t i = 0; i < 2; i++) {
        const char *name = i ? "sqlite" : "memory";
        const pid_t pid = serve(stores[i]);
        one_by_one(name, "");
        one_by_one(name, "Prefer: return=minimal\r\n");
        lines(name);
        stop(pid);
    }
    return chdir("/") || system("rm -rf /tmp/neap-http-??????");
}
