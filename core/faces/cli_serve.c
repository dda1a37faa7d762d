/* neap serve: the executor in the foreground, until a signal. */
#include "faces/cli.h"

#include "base/buf.h"
#include "base/error.h"
#include "faces/cli_session.h"
#include "faces/cli_stop.h"
#include "faces/cli_value.h"
#include "faces/httpd.h"
#include "faces/service.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLOSE_MS 2000

enum log_format { FORMAT_AUTO, FORMAT_LOGFMT, FORMAT_JSON }; /* [log] format */

struct serving {
    struct session session; /* first: the library hands it back */
    pthread_mutex_t lock;   /* guards the next */
    struct buf *mistakes;   /* of the reload that a client asked for; NULL: there is none */
};

/* Any thread. */
static void log_problem(void *user, const char *text)
{
    struct serving *v = user;
    cli_log_line(&v->session.log, NEAP_ERROR, text, NULL);
    pthread_mutex_lock(&v->lock);
    if (v->mistakes)
        buf_format(v->mistakes, "%s%s", v->mistakes->len ? "\n" : "", text);
    pthread_mutex_unlock(&v->lock);
}

static void collect(struct serving *v, struct buf *mistakes)
{
    pthread_mutex_lock(&v->lock);
    v->mistakes = mistakes;
    pthread_mutex_unlock(&v->lock);
}

static enum cli_log_style own_style(void)
{
    if (service_is_journal(STDERR_FILENO))
        return LOG_JOURNAL;
    return isatty(STDERR_FILENO) ? LOG_LINES : LOG_OBJECTS;
}

static void set_log(struct session *s)
{
    const int64_t format = neap_config_int(s->n, "log", "format", FORMAT_AUTO);
    s->log.level = (int)neap_config_int(s->n, "log", "level", NEAP_INFO);
    if (format == FORMAT_AUTO)
        s->log.style = own_style();
    else
        s->log.style = format == FORMAT_JSON ? LOG_OBJECTS : LOG_LINES;
}

struct start_facts { /* what the first line of the log tells */
    struct buf pools;
    struct buf looked; /* where plugins were looked for */
};

static void gather_fact(void *user, const char *section, const char *key, const char *value,
                        const char *origin)
{
    struct start_facts *facts = user;
    if (strcmp(section, "neap") == 0 && strcmp(key, "plugins") == 0)
        buf_format(&facts->looked, "%s (%s)", value ? value : "", origin);
    if (strncmp(section, "pool ", 5) == 0 && strcmp(key, "workers") == 0)
        buf_format(&facts->pools, "%s%s=%s", facts->pools.len ? " " : "", section + 5, value);
}

static void put_member(struct buf *out, const char *name, const char *text)
{
    buf_format(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
    value_json_text(out, text, text ? strlen(text) : 0);
}

static size_t count_workers(struct session *s)
{
    struct neap_stats stats;
    if (neap_stats(s->n, &stats, NULL) != NEAP_OK)
        return 0;
    const size_t workers = stats.n_workers;
    neap_stats_free(&stats);
    return workers;
}

static void log_start(struct session *s, struct service *service, const struct httpd *api)
{
    char *here = getcwd(NULL, 0);
    struct start_facts facts = {0};
    struct buf fields = {0}, where = {0};
    size_t tasks = 0, plugins = 0;
    neap_config_rows(s->n, &facts, gather_fact);
    session_count(s, &tasks, &plugins);
    buf_byte(&fields, '{');
    put_member(&fields, "version", NEAP_VERSION);
    put_member(&fields, "config", s->config_file ? s->config_file : "none: defaults");
    put_member(&fields, "looked_in", buf_string(&facts.looked));
    put_member(&fields, "directory", here);
    put_member(&fields, "pools", buf_string(&facts.pools));
    if (api)
        httpd_where(api, &where);
    put_member(&fields, "listens", api ? buf_string(&where) : "none");
    buf_close(&where);
    buf_format(&fields, ",\"workers\":%zu,\"plugins\":%zu,\"tasks\":%zu,\"broken\":%zu}",
               count_workers(s), plugins, tasks, neap_broken(s->n));
    cli_log_line(&s->log, NEAP_INFO, "started", buf_string(&fields));
    fields.len = 0;
    buf_format(&fields, "runs %zu tasks of %zu plugins", tasks, plugins);
    service_ready(service, s->n, buf_string(&fields));
    buf_close(&fields);
    buf_close(&facts.pools);
    buf_close(&facts.looked);
    free(here);
}

/* ---- the HTTP API */

static void api_log(void *user, int level, const char *text, const char *fields)
{
    struct session *s = user;
    cli_log_line(&s->log, level, text, fields);
}

static bool api_logs(void *user, int level)
{
    struct session *s = user;
    return level >= s->log.level;
}

/* As many whole lines as there is room for. */
static int tell(struct buf *mistakes, int rc, struct neap_error *err)
{
    static const char more[] = "and more: the daemon's log has all of it";
    char *text = buf_string(mistakes), *end = text;
    if (mistakes->len < sizeof err->message)
        return error_set(err, rc, "%s", text);
    for (char *at = text; at && at - text < (long)(sizeof err->message - sizeof more);
         at = strchr(at + 1, '\n'))
        end = at;
    return error_set(err, rc, "%.*s\n%s", (int)(end - text), text, more);
}

static int api_reload(void *user, struct neap_error *err)
{
    struct session *s = user;
    struct buf mistakes = {0};
    collect(user, &mistakes);
    const int rc = neap_reload(s->n, err);
    collect(user, NULL);
    if (rc == NEAP_OK) {
        set_log(s);
        cli_log_line(&s->log, NEAP_INFO, "configuration read again", NULL);
    } else if (mistakes.len) { /* who asked learns what is wrong, a line each */
        tell(&mistakes, rc, err);
    }
    buf_close(&mistakes);
    return rc;
}

static int start_api(struct session *s, struct httpd **api)
{
    struct neap_error err = {0};
    const struct httpd_options options = {
        .n = s->n, .user = s, .reload = api_reload, .log = api_log, .logs = api_logs};
    const int rc = httpd_open(api, &options, &err);
    if (rc == NEAP_OK)
        return CLI_OK;
    const bool bad = rc == NEAP_EINVAL || rc == NEAP_ECONFIG;
    return cli_fail(bad                    ? CLI_CONFIG
                    : rc == NEAP_ECONFLICT ? CLI_REFUSED
                                           : CLI_INTERNAL,
                    "serve", "%s", err.message);
}

static void reload(struct session *s, struct service *service)
{
    struct neap_error err = {0};
    service_reloading(service);
    const int rc = neap_reload(s->n, &err);
    service_ready(service, s->n, rc ? "the last reload was refused, see the log" : "reloaded");
    if (rc != NEAP_OK) {
        cli_log_line(&s->log, NEAP_ERROR, err.message, NULL);
        return;
    }
    set_log(s);
    cli_log_line(&s->log, NEAP_INFO, "configuration read again", NULL);
}

/* Until a signal ends it; false: the executor cannot go on. */
static bool serve(struct session *s, struct signals *signals, struct service *service)
{
    while (signals->count == 0) {
        struct pollfd fds[] = {{.fd = signals->fd, .events = POLLIN},
                               {.fd = s->fatal_fd, .events = POLLIN}};
        poll(fds, 2, service_timeout_ms(service));
        service_tick(service);
        signals_poll(signals);
        if (fds[1].revents)
            return false;
        if (signals->hangup) {
            signals->hangup = false;
            reload(s, service);
        }
    }
    return true;
}

static bool is_fatal(const struct session *s)
{
    struct pollfd fd = {.fd = s->fatal_fd, .events = POLLIN};
    return poll(&fd, 1, 0) > 0;
}

/* Ends what runs in the time it has; an exit status. */
static int drain(struct session *s, struct signals *signals, struct service *service,
                 struct httpd *api)
{
    struct stopper stopper;
    struct buf text = {0};
    buf_format(&text, "SIG%s: draining", sigabbrev_np(signals->first));
    cli_log_line(&s->log, NEAP_INFO, buf_string(&text), NULL);
    service_stopping(service, buf_string(&text));
    buf_close(&text);
    httpd_drain(api);
    stopper_init(&stopper);
    stopper_begin(&stopper, s->n, -1);
    while (!stopper_done(&stopper) && signals->count < 2) {
        signals_wait(signals, stopper.fd, POLLIN, service_timeout_ms(service));
        service_tick(service);
    }
    if (!stopper_done(&stopper))
        _exit(CLI_SIGNAL + signals->first); /* told twice: at once, whatever runs */
    if (is_fatal(s))
        return CLI_INTERNAL;
    cli_log_line(&s->log, NEAP_INFO, "stopped", NULL);
    return CLI_OK;
}

int cli_serve(const struct cli_args *args)
{
    struct serving v = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct session *s = &v.session;
    struct service service;
    struct signals signals = {.fd = -1};
    struct httpd *api = NULL;
    const struct session_plan plan = {.flags = NEAP_SERVICE,
                                      .system_config = true,
                                      .log = true,
                                      .style = own_style(),
                                      .on_problem = log_problem};
    /* Not counting what it allocates, under a lock for each block, is a fifth of writing a row. It
     * is for the whole process, so a program may say it and the library may not. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (!signals_open(&signals, true))
        return cli_fail(CLI_INTERNAL, "serve", "signals: %s", strerror(errno));
    service_open(&service);
    int status = session_open(s, args, &plan);
    if (status == CLI_OK) {
        set_log(s);
        status = session_start(s);
    }
    if (status == CLI_OK)
        status = start_api(s, &api);
    if (status == CLI_OK) {
        log_start(s, &service, api);
        status = serve(s, &signals, &service) ? drain(s, &signals, &service, api) : CLI_INTERNAL;
    }
    httpd_stop(api);
    signals_close(&signals);
    if (!session_close(s, CLOSE_MS))
        _exit(status);
    httpd_free(api); /* neap has given its last answer */
    service_close(&service);
    return status;
}
