#include "faces/cli_session.h"

#include "base/mem.h"
#include "base/text.h"
#include "faces/cli.h"
#include "faces/cli_stop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SYSTEM_CONFIG "/etc/neap/neap.ini"

bool operand_is_file(const char *operand)
{
    const size_t len = strlen(operand);
    return strchr(operand, '/') || (len > 4 && strcmp(operand + len - 4, ".lua") == 0);
}

const char *cli_config_file(const struct cli_args *args, bool system_config)
{
    const char *file = cli_value(args, "config");
    if (!file)
        file = getenv("NEAP_CONFIG");
    if (file && *file)
        return file;
    if (access("neap.ini", F_OK) == 0)
        return "neap.ini";
    return system_config && access(SYSTEM_CONFIG, F_OK) == 0 ? SYSTEM_CONFIG : NULL;
}

static void gather_settings(struct session *s)
{
    const char *workers = cli_value(s->args, "workers");
    const char *level = cli_value(s->args, "log-level");
    s->settings = cli_values(s->args, "set", &s->n_settings);
    s->settings = mem_grow(s->settings, s->n_settings + 2, sizeof *s->settings);
    if (workers)
        s->settings[s->n_settings++] = s->workers =
            mem_format("[pool default] workers=%s", workers);
    if (level)
        s->settings[s->n_settings++] = s->level = mem_format("[log] level=%s", level);
    s->log.all = level != NULL;
}

static void keep_problem(void *user, const char *text)
{
    struct session *s = user;
    buf_text(&s->problems, text);
    buf_byte(&s->problems, '\n');
    s->n_problems++;
}

static void on_problem(void *user, const char *text)
{
    struct session *s = user;
    if (s->opening) {
        free(s->told);
        s->told = mem_text(text);
    }
    s->on_problem(s, text);
}

static void on_log(void *user, const struct neap_log_record *record)
{
    struct session *s = user;
    cli_log_record(&s->log, record);
}

static void on_fatal(void *user, const char *text)
{
    struct session *s = user;
    cli_fail(CLI_INTERNAL, s->args->command->name, "%s", text);
    eventfd_write(s->fatal_fd, 1);
}

void session_say_problems(struct session *s)
{
    cli_log_write(&s->log, &s->problems);
}

static int say_open_failed(struct session *s, const struct neap_error *err)
{
    session_say_problems(s);
    if (err->code == NEAP_ECONFIG && s->n_problems)
        return CLI_CONFIG;
    if (s->told && strcmp(s->told, err->message) == 0)
        return cli_status_of(err->code);
    return cli_fail(cli_status_of(err->code), s->args->command->name, "%s", err->message);
}

/* A plugin loads whole or not at all, so a task that is missing may just have a broken neighbour:
 * the problems name files. */
static bool task_is_broken(const struct session *s, const char *task)
{
    const char *dot = strchr(task, '.');
    char *part = dot ? mem_format("/%.*s/", (int)(dot - task), task) : mem_format("/%s.lua:", task);
    const bool broken =
        s->problems.len && memmem(s->problems.data, s->problems.len, part, strlen(part));
    free(part);
    return broken;
}

static int say_no_task(struct session *s, const char *task, const struct neap_task *tasks,
                       size_t count)
{
    const char **names = mem_zero(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = tasks[i].name;
    const char *near = text_nearest(task, names, count);
    const char *command = s->args->command->name;
    free(names);
    if (near)
        return cli_fail(CLI_NOINPUT, command, "no such task: %s (did you mean %s?)", task, near);
    if (neap_broken(s->n))
        return cli_fail(CLI_NOINPUT, command, "no such task: %s (neap check says what is broken)",
                        task);
    return cli_fail(CLI_NOINPUT, command, "no such task: %s (a file needs a / or ends in .lua)",
                    task);
}

static int resolve(struct session *s, const char *operand)
{
    struct neap_error err;
    struct neap_task *tasks;
    size_t count;
    const bool file = operand_is_file(operand);
    const char *task = file ? neap_file_task(s->n) : operand;
    if (neap_tasks(s->n, &tasks, &count, &err))
        return cli_fail(CLI_INTERNAL, s->args->command->name, "%s", err.message);
    for (size_t i = 0; task && i < count && !s->task; i++) {
        if (strcmp(tasks[i].name, task) == 0) {
            s->task = mem_text(task);
            s->schema = mem_text(tasks[i].args_schema);
        }
    }
    int status = CLI_OK;
    if (!s->task && (file || task_is_broken(s, task))) {
        session_say_problems(s);
        status =
            cli_fail(CLI_CONFIG, s->args->command->name, "%s is not loaded: see above", operand);
    } else if (!s->task) {
        status = say_no_task(s, task, tasks, count);
    }
    neap_tasks_free(tasks, count);
    return status;
}

static int check_file(const struct session *s, const char *operand)
{
    if (operand && operand_is_file(operand) && access(operand, R_OK) != 0)
        return cli_fail(CLI_NOINPUT, s->args->command->name, "%s: %s", operand, strerror(errno));
    return CLI_OK;
}

int session_open(struct session *s, const struct cli_args *args, const struct session_plan *plan)
{
    struct neap_error err = {0};
    *s = (struct session){
        .args = args,
        .log.style = plan->style,
        .fatal_fd = eventfd(0, EFD_CLOEXEC),
        .on_problem = plan->on_problem ? plan->on_problem : keep_problem,
        .opening = true,
    };
    const int status = check_file(s, plan->operand);
    if (status)
        return status;
    gather_settings(s);
    s->config_file = cli_config_file(args, plan->system_config);
    s->plugins = cli_values(args, "plugins", &s->n_plugins);
    const struct neap_options options = {
        .size = sizeof options,
        .flags = plan->flags,
        .config_file = s->config_file,
        .settings = s->settings,
        .n_settings = s->n_settings,
        .plugins = s->plugins,
        .n_plugins = s->n_plugins,
        .task_file = plan->operand && operand_is_file(plan->operand) ? plan->operand : NULL,
        .user = s,
        .on_log = plan->log ? on_log : NULL,
        .on_problem = on_problem,
        .on_fatal = on_fatal,
    };
    if (neap_open(&s->n, &options, &err) != NEAP_OK) {
        s->n = NULL;
        return say_open_failed(s, &err);
    }
    s->opening = false;
    return plan->operand ? resolve(s, plan->operand) : CLI_OK;
}

int session_start(struct session *s)
{
    struct neap_error err = {0};
    if (neap_start(s->n, &err) == NEAP_OK)
        return CLI_OK;
    return cli_fail(cli_status_of(err.code), s->args->command->name, "%s", err.message);
}

bool session_close(struct session *s, int limit_ms)
{
    if (s->n && !stop_close(s->n, limit_ms))
        return false;
    buf_close(&s->problems);
    free(s->task);
    free(s->schema);
    free(s->plugins);
    free(s->settings);
    free(s->workers);
    free(s->level);
    free(s->told);
    close(s->fatal_fd);
    return true;
}

/* Counts the parts of names before the dot; `seen` holds each once, between newlines. */
static size_t count_plugins(const struct neap_task *tasks, size_t count)
{
    size_t plugins = 0;
    struct buf seen = {0}, name = {0};
    buf_byte(&seen, '\n');
    for (size_t i = 0; i < count; i++) {
        name.len = 0;
        buf_format(&name, "\n%.*s\n", (int)strcspn(tasks[i].name, "."), tasks[i].name);
        if (memmem(seen.data, seen.len, name.data, name.len))
            continue;
        buf_put(&seen, name.data + 1, name.len - 1);
        plugins++;
    }
    buf_close(&seen);
    buf_close(&name);
    return plugins;
}

bool session_count(struct session *s, size_t *tasks, size_t *plugins)
{
    struct neap_error err = {0};
    struct neap_task *list;
    if (neap_tasks(s->n, &list, tasks, &err) != NEAP_OK) {
        cli_fail(CLI_INTERNAL, s->args->command->name, "%s", err.message);
        return false;
    }
    *plugins = count_plugins(list, *tasks);
    neap_tasks_free(list, *tasks);
    return true;
}

bool session_wait_idle(struct session *s, struct signals *signals)
{
    struct pollfd fatal = {.fd = s->fatal_fd, .events = POLLIN};
    while (neap_wait_idle(s->n, 20) == NEAP_ETIME) {
        signals_poll(signals);
        if (signals->count || poll(&fatal, 1, 0) == 1)
            return false;
    }
    return true;
}

uint64_t session_dead(struct session *s)
{
    struct neap_stats stats;
    if (neap_stats(s->n, &stats, NULL) != NEAP_OK)
        return 0;
    const uint64_t dead = stats.total.dead;
    neap_stats_free(&stats);
    return dead;
}
