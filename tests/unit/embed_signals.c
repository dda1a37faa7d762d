/* A host's signals stay its own: handlers, mask and delivery are as if neap were not there. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define KERNEL_FLAG 0x04000000 /* SA_RESTORER: libc sets it, whatever it is told */
enum { SIGNALS = 65, THREADS_MAX = 64 };

static atomic_int delivered, strayed; /* to the host's thread; to any other */
static pid_t host_thread;

static pid_t this_thread(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(this_thread() == host_thread ? &delivered : &strayed, 1);
}

static void catch (int number, int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGWINCH);
    assert_int_equal(sigaction(number, &action, NULL), 0);
}

static void await(const atomic_int *what, int count)
{
    for (int i = 0; i < 4000 && atomic_load(what) < count; i++)
        usleep(5000);
    assert_true(atomic_load(what) >= count);
}

static int set_up(void **state)
{
    (void)state;
    host_thread = this_thread();
    catch (SIGTERM, 0);
    catch (SIGUSR1, 0);
    catch (SIGCHLD, SA_RESTART | SA_NOCLDSTOP);
    catch (SIGALRM, 0); /* no SA_RESTART: what waits inside neap must bear EINTR */
    return 0;
}

static void open_one(struct executor *x)
{
    executor_init(x);
    executor_write(x, "plugins/t/nap.lua",
                   "return function(s) require('neap').sleep(s) return 'rested' end");
    executor_write(x, "plugins/t/work.lua",
                   "return function() local t = {} for i = 1, 1e5 do t[i] = i end return #t end");
    executor_start(x, NEAP_SERVICE); /* it watches its plugins, too */
}

/* --- dispositions -------------------------------------------------------------------------------
 */

static void snapshot(struct sigaction actions[SIGNALS], sigset_t *mask)
{
    memset(actions, 0, SIGNALS * sizeof *actions);
    for (int i = 1; i < SIGNALS; i++)
        sigaction(i, NULL, &actions[i]);
    pthread_sigmask(SIG_SETMASK, NULL, mask);
}

static bool same_set(const sigset_t *a, const sigset_t *b)
{
    for (int i = 1; i < SIGNALS; i++)
        if (sigismember(a, i) != sigismember(b, i))
            return false;
    return true;
}

static void unchanged(const char *when, bool is_open, const struct sigaction before[SIGNALS],
                      const sigset_t *mask)
{
    struct sigaction now[SIGNALS];
    sigset_t now_mask;
    snapshot(now, &now_mask);
    for (int i = 1; i < SIGNALS; i++)
        /* SIGURG is documented: it interrupts workers. With a default action nothing else counts,
         * and TSan leaves a mask there. */
        if (!(i == SIGURG && is_open) &&
            !(now[i].sa_handler == SIG_DFL && before[i].sa_handler == SIG_DFL) &&
            (now[i].sa_handler != before[i].sa_handler ||
             (now[i].sa_flags ^ before[i].sa_flags) & ~KERNEL_FLAG ||
             !same_set(&now[i].sa_mask, &before[i].sa_mask)))
            fail_msg("%s: signal %d is handled otherwise (%#x, was %#x)", when, i, now[i].sa_flags,
                     before[i].sa_flags);
    if (!same_set(mask, &now_mask))
        fail_msg("%s: the mask of the host's thread changed", when);
}

static void handlers_stay(void **state)
{
    struct sigaction before[SIGNALS];
    sigset_t mask;
    struct executor x;
    struct neap_error err;
    (void)state;
    snapshot(before, &mask);
    executor_init(&x);
    executor_write(&x, "plugins/t/nap.lua",
                   "return function(s) require('neap').sleep(s) return 'rested' end");
    const char *plugins[1];
    char path[128];
    snprintf(path, sizeof path, "%s/plugins", x.dir);
    plugins[0] = path;
    const struct neap_options options = {
        .size = sizeof options, .plugins = plugins, .n_plugins = 1};
    assert_int_equal(neap_open(&x.n, &options, &err), NEAP_OK);
    unchanged("open", false, before, &mask);
    assert_int_equal(neap_start(x.n, &err), NEAP_OK);
    unchanged("start", true, before, &mask);
    assert_string_equal(executor_run(&x, "t.nap", "0.01"), "\"rested\"");
    assert_int_equal(neap_reload(x.n, &err), NEAP_OK);
    unchanged("work", true, before, &mask);
    assert_int_equal(neap_drain(x.n, 0, &err), NEAP_OK);
    neap_close(x.n);
    x.n = NULL;
    unchanged("close", false, before, &mask);
    executor_close(&x);
}

/* --- delivery -----------------------------------------------------------------------------------
 */

static size_t threads(pid_t out[THREADS_MAX])
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && count < THREADS_MAX)
            out[count++] = (pid_t)atol(entry->d_name);
    closedir(dir);
    return count;
}

static bool among(pid_t thread, const pid_t *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (all[i] == thread)
            return true;
    return false;
}

static unsigned long long blocked_by(pid_t thread)
{
    char path[64], line[256];
    unsigned long long mask = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "SigBlk: %llx", &mask) == 1)
            break;
    fclose(file);
    return mask;
}

/* All but what nobody can block, glibc's own two and, of a worker, the one that interrupts it. */
static bool blocks_all(unsigned long long mask)
{
    for (int i = 1; i < SIGNALS; i++)
        if (!(mask >> (i - 1) & 1) && i != SIGKILL && i != SIGSTOP && i != 32 && i != 33 &&
            i != SIGURG)
            return false;
    return true;
}

static void threads_of_neap_block_all(void **state)
{
    pid_t before[THREADS_MAX], now[THREADS_MAX];
    struct executor x;
    size_t own = 0;
    (void)state;
    const size_t n_before = threads(before);
    open_one(&x);
    executor_run(&x, "t.work", NULL);
    const size_t n_now = threads(now);
    for (size_t i = 0; i < n_now; i++) {
        if (among(now[i], before, n_before))
            continue;
        own++;
        if (!blocks_all(blocked_by(now[i])))
            fail_msg("a thread of neap takes signals: %llx", blocked_by(now[i]));
    }
    assert_true(own >= 3); /* engine, loader, a worker at least */
    executor_close(&x);
}

static void signals_come_to_the_host(void **state)
{
    enum { ROUNDS = 200 };
    struct executor x;
    (void)state;
    open_one(&x);
    for (int i = 0; i < ROUNDS; i++) {
        const struct neap_request request = {.task = i % 2 ? "t.nap" : "t.work", .args = "0"};
        const int seen = atomic_load(&delivered);
        assert_int_equal(neap_submit(x.n, &request, NULL, NULL), NEAP_OK);
        kill(getpid(), i % 2 ? SIGTERM : SIGUSR1);
        await(&delivered, seen + 1);
    }
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    executor_close(&x);
    assert_int_equal(atomic_load(&strayed), 0);
}

static void children_stay_the_hosts(void **state)
{
    struct executor x;
    (void)state;
    open_one(&x);
    const int seen = atomic_load(&delivered);
    const pid_t child = fork();
    if (child == 0)
        _exit(3);
    int status = 0;
    while (waitpid(child, &status, 0) != child)
        ;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3); /* nobody else reaped it */
    await(&delivered, seen + 1);
    assert_string_equal(executor_run(&x, "t.nap", "0"), "\"rested\"");
    executor_close(&x);
    assert_int_equal(atomic_load(&strayed), 0);
}

/* --- EINTR --------------------------------------------------------------------------------------
 */

static void interrupted_calls_go_on(void **state)
{
    const struct itimerval often = {.it_interval = {0, 2000}, .it_value = {0, 2000}}, never = {0};
    struct executor x;
    struct neap_outcome out;
    (void)state;
    open_one(&x);
    const int seen = atomic_load(&delivered);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 20; i++)
        assert_string_equal(executor_run(&x, "t.nap", "0.01"), "\"rested\"");
    executor_submit(&x, "t.nap", "0.05");
    assert_int_equal(neap_next(x.n, &out, -1), NEAP_OK);
    neap_outcome_free(&out);
    executor_submit(&x, "t.nap", "0.05");
    assert_int_equal(neap_wait_idle(x.n, -1), NEAP_OK);
    assert_int_equal(neap_next(x.n, &out, -1), NEAP_OK);
    neap_outcome_free(&out);
    assert_int_equal(neap_next(x.n, &out, 50), NEAP_ETIME);
    assert_int_equal(neap_reload(x.n, NULL), NEAP_OK);
    executor_submit(&x, "t.nap", "0.05");
    while (executor_totals(&x).waiting)
        usleep(1000);
    assert_int_equal(neap_drain(x.n, 20000, NULL), NEAP_OK);
    await(&delivered, seen + 1);
    neap_close(x.n);
    setitimer(ITIMER_REAL, &never, NULL);
    x.n = NULL;
    executor_close(&x);
    assert_int_equal(atomic_load(&strayed), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_stay),
        cmocka_unit_test(threads_of_neap_block_all),
        cmocka_unit_test(signals_come_to_the_host),
        cmocka_unit_test(children_stay_the_hosts),
        cmocka_unit_test(interrupted_calls_go_on),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
