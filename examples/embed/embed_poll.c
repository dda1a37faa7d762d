/* A host with a loop of its own: a timer submits jobs, poll(2) tells when outcomes are there, and
 * signals are the host's affair: SIGUSR1 prints counters, SIGTERM and SIGINT end it in good order.
 *
 *     build/release/embed_poll examples/hello.lua 100 20      # every 100 ms, 20 times
 */
#include <neap.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Owned by main's thread. */
struct host {
    neap *n;
    int timer, signals; /* descriptors to read */
    uint64_t to_submit, in_hand, skipped, failed;
    bool ending;
};

static int signal_pipe = -1; /* the write end; the handler's only data */

static void on_signal(int number)
{
    const int saved = errno;
    const unsigned char byte = (unsigned char)number;
    if (write(signal_pipe, &byte, 1) < 0) { /* full: enough of them wait there */
    }
    errno = saved;
}

static void catch_signals(struct host *host)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
        perror("embed_poll: pipe");
        exit(71);
    }
    host->signals = ends[0];
    signal_pipe = ends[1];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
}

static int new_timer(long ms)
{
    const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    const struct timespec every = {ms / 1000, ms % 1000 * 1000000};
    const struct itimerspec when = {.it_interval = every, .it_value = every};
    if (fd < 0 || timerfd_settime(fd, 0, &when, NULL)) {
        perror("embed_poll: timer");
        exit(71);
    }
    return fd;
}

static void print_stats(neap *n)
{
    struct neap_stats stats;
    if (neap_stats(n, &stats, NULL) != NEAP_OK)
        return;
    fprintf(stderr,
            "submitted %" PRIu64 ", running %" PRIu64 ", completed %" PRIu64 ", dead %" PRIu64 "\n",
            stats.total.submitted, stats.total.running, stats.total.completed, stats.total.dead);
    neap_stats_free(&stats);
}

static void on_timer(struct host *host)
{
    uint64_t ticks;
    struct neap_error err;
    const struct neap_request request = {
        .task = neap_file_task(host->n),
        .flags = NEAP_DELIVER | NEAP_NOWAIT, /* a loop must not wait for room in a queue */
    };
    if (read(host->timer, &ticks, sizeof ticks) < 0 || !host->to_submit)
        return;
    const int rc = neap_submit(host->n, &request, NULL, &err);
    host->to_submit--;
    if (rc == NEAP_OK) {
        host->in_hand++;
    } else {
        host->skipped++;
        fprintf(stderr, "embed_poll: skipped: %s\n", err.message);
    }
}

static void on_outcomes(struct host *host)
{
    struct neap_outcome out;
    while (neap_next(host->n, &out, 0) == NEAP_OK) {
        char *json = out.result ? neap_to_json(out.result, out.result_len) : NULL;
        printf("%s %s\n", neap_state_name(out.state),
               json          ? json
               : out.message ? out.message
                             : "nil");
        fflush(stdout);
        host->in_hand--;
        host->failed += out.state != NEAP_COMPLETED;
        free(json);
        neap_outcome_free(&out);
    }
}

static void on_signals(struct host *host)
{
    unsigned char byte;
    while (read(host->signals, &byte, 1) == 1) {
        if (byte == SIGUSR1)
            print_stats(host->n);
        else
            host->ending = true;
    }
}

static void loop(struct host *host)
{
    struct pollfd fds[] = {
        {.fd = host->timer, .events = POLLIN},
        {.fd = host->signals, .events = POLLIN},
        {.fd = neap_fd(host->n), .events = POLLIN},
    };
    while (!host->ending && (host->to_submit || host->in_hand)) {
        if (poll(fds, 3, -1) < 0)
            continue; /* EINTR */
        if (fds[0].revents)
            on_timer(host);
        if (fds[1].revents)
            on_signals(host);
        if (fds[2].revents)
            on_outcomes(host);
    }
    if (neap_drain(host->n, 5000, NULL) != NEAP_OK)
        fprintf(stderr, "embed_poll: some jobs did not end in time\n");
    on_outcomes(host); /* of those that ended meanwhile */
}

static void print_problem(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv)
{
    if (argc != 4 || atol(argv[2]) <= 0) {
        fprintf(stderr, "usage: embed_poll FILE.lua MILLISECONDS TIMES\n");
        return 64;
    }
    const struct neap_options options = {
        .size = sizeof options,
        .task_file = argv[1],
        .on_problem = print_problem,
    };
    struct host host = {.to_submit = strtoull(argv[3], NULL, 10)};
    struct neap_error err = {0};
    catch_signals(&host); /* neap's threads block all signals, so these come to this one */
    host.timer = new_timer(atol(argv[2]));
    int rc = neap_open(&host.n, &options, &err);
    if (rc == NEAP_OK)
        rc = neap_start(host.n, &err);
    if (rc == NEAP_OK)
        loop(&host);
    if (rc == NEAP_OK)
        print_stats(host.n);
    neap_close(host.n);
    close(host.timer);
    if (rc)
        fprintf(stderr, "embed_poll: %s\n", err.message);
    return rc || host.failed ? 1 : 0;
}
