/* clients PORT CONNECTIONS REQUESTS LINES COMPLETED BODY: posts REQUESTS jobs, or with LINES > 0 as
 * many NDJSON bodies of LINES jobs, over CONNECTIONS kept open; each sends its next when it has its
 * answer. Then waits until COMPLETED more jobs have. Prints the seconds until all were acknowledged
 * and until all had completed, and the p50 and p99 of an answer in us. One thread. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (1024 * 1024)

struct connection {
    int fd;
    double sent_s;
    size_t len;
    char *answer;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "clients: %s: %.300s\n", what, detail);
    exit(1);
}

static void open_connection(struct connection *c, int port)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0)
        fail("no connection", "");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->answer = malloc(ANSWER_MAX + 1);
    if (!c->answer)
        abort();
}

static void send_all(struct connection *c, const char *text, size_t len)
{
    c->len = 0;
    c->sent_s = now_s();
    while (len > 0) {
        const ssize_t n = write(c->fd, text, len);
        if (n <= 0)
            fail("write", "");
        text += n;
        len -= (size_t)n;
    }
}

/* Whether the whole answer has come. */
static int complete(struct connection *c)
{
    c->answer[c->len] = 0;
    const char *body = strstr(c->answer, "\r\n\r\n");
    if (!body)
        return 0;
    body += 4;
    if (strncmp(c->answer, "HTTP/1.1 2", 10) != 0 || strstr(body, "\"error\":{"))
        fail("refused", c->answer);
    const char *length = strcasestr(c->answer, "\r\nContent-Length:");
    if (length && length < body)
        return c->len >= (size_t)(body - c->answer) + strtoul(length + 17, NULL, 10);
    return c->len >= 7 && memcmp(c->answer + c->len - 7, "\r\n0\r\n\r\n", 7) == 0;
}

static int receive(struct connection *c)
{
    const ssize_t n = read(c->fd, c->answer + c->len, ANSWER_MAX - c->len);
    if (n <= 0)
        fail("closed", c->answer);
    c->len += (size_t)n;
    return complete(c);
}

/* Text to free(): a request with `lines` lines. */
static char *request(int port, long lines, const char *body)
{
    const size_t line = strlen(body), n = lines > 0 ? (size_t)lines : 1;
    const size_t body_len = lines > 0 ? n * (line + 1) : line;
    char *text = malloc(300 + body_len);
    if (!text)
        abort();
    int at = sprintf(text,
                     "POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: "
                     "application/%s\r\nContent-Length: %zu\r\n\r\n",
                     port, lines > 0 ? "x-ndjson" : "json", body_len);
    for (size_t i = 0; i < n; i++)
        at += sprintf(text + at, "%s%s", body, lines > 0 ? "\n" : "");
    return text;
}

static long completed(struct connection *c, int port)
{
    char text[200];
    const int len = snprintf(text, sizeof text,
                             "GET /api/v1/stats HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", port);
    send_all(c, text, (size_t)len);
    while (!receive(c)) {}
    const char *total = strstr(c->answer, "\"total\":");
    const char *count = total ? strstr(total, "\"completed\":") : NULL;
    if (!count)
        fail("no count", c->answer);
    return strtol(count + 12, NULL, 10);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sends and receives until all are answered; the seconds each took go to `took`. */
static void post(struct connection *all, int n, long requests, const char *text, double *took)
{
    const size_t len = strlen(text);
    const int poll = epoll_create1(0);
    long sent = 0, answered = 0;
    for (int i = 0; i < n && sent < requests; i++, sent++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
        send_all(&all[i], text, len);
    }
    while (answered < requests) {
        struct epoll_event events[64];
        const int ready = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!receive(c))
                continue;
            took[answered++] = now_s() - c->sent_s;
            if (sent < requests) {
                sent++;
                send_all(c, text, len);
            }
        }
    }
    close(poll);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: clients PORT CONNECTIONS REQUESTS LINES COMPLETED BODY\n");
        return 64;
    }
    const int port = atoi(argv[1]), n = atoi(argv[2]);
    const long requests = atol(argv[3]);
    struct connection watch, *all = calloc((size_t)n, sizeof *all);
    double *took = calloc((size_t)requests, sizeof *took);
    if (!all || !took)
        abort();
    open_connection(&watch, port);
    for (int i = 0; i < n; i++)
        open_connection(&all[i], port);
    char *text = request(port, atol(argv[4]), argv[6]);
    const long until = completed(&watch, port) + atol(argv[5]);
    const double began = now_s();
    post(all, n, requests, text, took);
    const double acknowledged = now_s() - began;
    const struct timespec pause = {.tv_nsec = 5000000};
    while (completed(&watch, port) < until)
        nanosleep(&pause, NULL);
    const double done = now_s() - began;
    qsort(took, (size_t)requests, sizeof *took, by_value);
    printf("%.6f %.6f %.1f %.1f\n", acknowledged, done, took[requests / 2] * 1e6,
           took[requests * 99 / 100] * 1e6);
    for (int i = 0; i < n; i++)
        free(all[i].answer);
    free(watch.answer);
    free(text);
    free(took);
    free(all);
    return 0;
}
