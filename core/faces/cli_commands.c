/* The commands, their options and exit statuses. One source: this drives parsing, -h, the man page
 * and the shell completions. */
#include "faces/cli.h"

/* clang-format off */
#define OPTION_CONFIG    {"config", 'c', "FILE", \
    "read this configuration instead of NEAP_CONFIG or ./neap.ini", NULL, false}
#define OPTION_PLUGINS   {"plugins", 0, "DIR", \
    "look for plugins here instead of where the configuration says; repeatable", NULL, false}
#define OPTION_SET       {"set", 0, "SETTING", \
    "override one setting: '[section] key=value'; repeatable", NULL, false}
#define OPTION_WORKERS   {"workers", 0, "N", \
    "threads of the default pool, or auto: --set '[pool default] workers=N'", NULL, false}
#define OPTION_LEVEL     {"log-level", 0, "LEVEL", \
    "say what is of this level or above on stderr", "debug info warn error", false}
#define OPTION_RETRIES   {"retries", 0, "N", \
    "try a job that fails again, up to N times (otherwise not at all)", NULL, false}
#define OPTION_TIMEOUT   {"timeout", 0, "TIME", \
    "stop an attempt that takes longer: 250ms, 1.5s, 2m, or none, whatever the task says", NULL, false}
#define OPTION_OUTPUT    {"output", 'o', "FORMAT", \
    "jsonl: a JSON object for each job with seq, arg, id, state, result, error, cpu_ms and bytes", "jsonl", false}
#define OPTIONS_COMMON   OPTION_CONFIG, OPTION_PLUGINS, OPTION_SET, OPTION_WORKERS, OPTION_LEVEL
#define OPTIONS_END      {NULL, 0, NULL, NULL, NULL, false}

static const struct cli_option run_options[] = {
    {"arg", 0, "NAME=VALUE",
     "one argument, turned into the type that the task's schema gives it; repeatable", NULL, false},
    OPTION_OUTPUT,
    OPTION_TIMEOUT,
    OPTION_RETRIES,
    OPTIONS_COMMON,
    OPTIONS_END,
};

static const char *const run_text[] = {
    "Runs one job in this process and prints its result: a string as it is, nothing for nil, anything else "
    "as a line of JSON. Errors go to standard error.",
    "An operand with a / or ending in .lua is a file, else the name of a task. The arguments are JSON; "
    "- reads them from standard input; without any they are {}.",
    "Ends when every job in the process has ended, those that the job submitted too. SIGTERM lets the job "
    "finish for the time of [neap] drain; SIGINT ends it at once.",
    NULL,
};

static const struct cli_option map_options[] = {
    {"jobs", 'j', "N", "have at most N jobs in hand (1024)", NULL, false},
    {"keep-order", 'k', NULL, "print results in the order of the inputs; starts nothing new while "
     "64 MiB of them wait for an earlier one", NULL, false},
    {"jsonl", 0, NULL, "each input is a JSON value and the job's whole argument", NULL, false},
    {"null", '0', NULL, "inputs on standard input end in NUL, not newline", NULL, false},
    {"as", 0, "FIELD", "the input becomes this argument, turned into its type", NULL, false},
    {"tag", 0, NULL, "begin each line of output with the input and a tab", NULL, false},
    {"bar", 0, NULL, "show a progress bar if standard error is a terminal, and a summary", NULL, false},
    {"joblog", 0, "FILE", "log every job in the columns of GNU parallel, and Cputime and Bytes", NULL, false},
    {"resume", 0, NULL, "leave out the inputs that the --joblog names, and add to it", NULL, false},
    {"resume-failed", 0, NULL, "like --resume, but run those that failed again", NULL, false},
    {"halt", 0, "WHEN", "soon,fail=N or now,fail=N: end after N failures (or N%), letting running jobs "
     "end or stopping them", NULL, false},
    OPTION_OUTPUT,
    OPTION_TIMEOUT,
    OPTION_RETRIES,
    OPTIONS_COMMON,
    OPTIONS_END,
};

static const char *const map_text[] = {
    "Runs one job for each argument after :::, or else for each line of standard input, and prints the "
    "results as they come. A job that fails costs no other its result.",
    "An input is a string. If the task has a schema, it fills the only required argument, or the one that "
    "--as names; only --as turns text into other types. An input over 1 MiB, or one that is "
    "not what --jsonl or --as want, is reported and skipped.",
    "Input of any length is read as there is room. Standard error gets the errors, and when it is no "
    "terminal a line of progress every 10 seconds.",
    "SIGINT or SIGTERM: nothing new starts, what runs may finish for the time of [neap] drain, and what "
    "was not run is said. A second signal ends at once.",
    "--halt with per cent counts all inputs where their number is known, else those that have ended, from "
    "the tenth on.",
    NULL,
};

static const struct cli_option serve_options[] = {
    OPTIONS_COMMON,
    OPTIONS_END,
};

static const char *const serve_text[] = {
    "Runs jobs and the schedules of the configuration in the foreground until SIGTERM or SIGINT; running jobs then "
    "finish for the time of [neap] drain. A second signal ends at once. SIGHUP reads the "
    "configuration again. Plugins are watched and reloaded.",
    "Takes jobs over HTTP on a unix socket, and on TCP where [http] listen says so.",
    "Logs to standard error: logfmt on a terminal, JSON lines elsewhere ([log] format).",
    NULL,
};

static const struct cli_option dump_options[] = {
    {"output", 'o', "FORMAT", "jsonl: each job's document on a line", "jsonl", false},
    {"check", 0, NULL, "print no jobs, but what is wrong with the file", NULL, false},
    OPTIONS_END,
};

static const char *const dump_text[] = {
    "Prints the document of each job in FILE, those that have not ended first. Nothing is changed. What is damaged "
    "is left out, and said at the end.",
    "A daemon that runs has its file for itself: neap backup makes a copy of it.",
    "--check reads all of it and exits 65 if anything is wrong.",
    NULL,
};

static const struct cli_option check_options[] = {
    OPTIONS_COMMON,
    OPTIONS_END,
};

static const char *const check_text[] = {
    "Loads the configuration and every task (and FILE, if given) as serve would, and prints what is "
    "wrong with file and line. Exits 78 if anything is.",
    NULL,
};

static const struct cli_option new_options[] = {
    {"plugins", 0, "DIR", "make it in this directory of plugins (plugins)", NULL, false},
    OPTIONS_END,
};

static const char *const new_text[] = {
    "Makes a plugin with an example task and its test, or one task (name or plugin.name). Also sets up "
    "editor, linter and busted in the current directory, where that is not done yet. Nothing is overwritten. "
    "neap test runs the test, and so does busted.",
    NULL,
};

static const struct cli_option test_options[] = {
    {"filter", 0, "PATTERN", "run only the tests whose full name matches this Lua pattern", NULL, false},
    {"output", 'o', "FORMAT", "tap: print in the Test Anything Protocol", "tap", false},
    OPTIONS_COMMON,
    OPTIONS_END,
};

static const char *const test_text[] = {
    "Runs the specs beside tasks (*_test.lua): those in the directories of plugins, or each PATH, a file or "
    "a directory. Exits 1 if a test failed, 66 if there are no specs.",
    "A spec loads a task with require \"neap.test\" and runs it in a world where time is virtual, and network, "
    "mail and programs are what the spec says: docs/testing.md. Each file runs in a Lua state of its own; a "
    "test may take 10 s of real time. The same files run under busted.",
    NULL,
};

static const struct cli_option config_options[] = {
    OPTIONS_COMMON,
    OPTIONS_END,
};

static const char *const config_text[] = {
    "Prints every setting as serve would have it, with where its value comes from.",
    NULL,
};

/* --- what talks to a daemon */

#define OPTION_SOCKET    {"socket", 0, "FILE", \
    "the daemon's socket (NEAP_SOCKET, else [http] socket of the configuration)", NULL, false}
#define OPTION_URL       {"url", 0, "URL", \
    "talk to a daemon over TCP instead, http://HOST:PORT, with the token in NEAP_TOKEN", NULL, false}
#define OPTION_SHAPE     {"output", 'o', "FORMAT", \
    "json: the document as it came, jsonl: one a line, name: names or ids alone", \
    "table wide json jsonl name", false}
#define OPTION_DRY_RUN   {"dry-run", 0, NULL, "only say what it would do", NULL, false}
#define OPTION_YES       {"yes", 'y', NULL, "do not ask where a filter means many", NULL, false}
#define OPTIONS_CLIENT   OPTION_SOCKET, OPTION_URL, OPTION_CONFIG, OPTIONS_END

#define TEXT_FILTER \
    "A filter is terms that must all be true: state=dead,retryable queue=mail task=mail.* error=timeout " \
    "older=1h newer=2026-01-01T00:00:00Z parent=ID id=ID,ID text=refused 'priority>5'. Ids alone will do, too."

#define TEXT_MANY \
    "- reads ids from standard input, such as neap ls -o name prints. A filter asks first on a terminal, and " \
    "needs --yes elsewhere."

static const struct cli_option submit_option_table[] = {
    {"arg", 0, "NAME=VALUE",
     "one argument, turned into the type that the task's schema gives it; repeatable", NULL, false},
    {"queue", 0, "NAME", "put it there instead of the task's queue", NULL, false},
    {"priority", 0, "N", "-128 to 127, or low, normal, high, critical", NULL, false},
    {"delay", 0, "TIME", "not before so long from now: 5s, 1h30m", NULL, false},
    {"at", 0, "TIME", "not before this time: 2026-01-01T03:00:00Z, or Unix seconds", NULL, false},
    {"expires", 0, "TIME", "cancel it if it has not started by then", NULL, false},
    OPTION_TIMEOUT,
    {"retries", 0, "N", "try it again up to N times if it fails, whatever the task says", NULL, false},
    {"unique", 0, "KEY", "only if no job with this key is there that has not ended", NULL, false},
    {"unique-by", 0, "NAMES", "the same, by the values of these arguments, separated by commas", NULL, false},
    {"within", 0, "TIME", "unique for so long, whatever became of the other job", NULL, false},
    {"after", 0, "ID", "wait until this job has ended; repeatable", NULL, false},
    {"after-failed", 0, "WHAT", "if one of those fails: cancel this one too, or run it all the same",
     "cancel run", false},
    {"idempotency-key", 0, "KEY", "the same request with the same key is submitted once", NULL, false},
    {"jsonl", 0, NULL, "a job for each line of standard input, which is its arguments as JSON", NULL, false},
    {"wait", 'w', "[=TIME]", "print its result as run does, once it has ended (within TIME)", NULL, false},
    {"follow", 'f', NULL, "the same, with its log on standard error as it comes", NULL, false},
    OPTION_SHAPE,
    OPTIONS_CLIENT,
};

static const char *const submit_text[] = {
    "Submits a job to the daemon and prints its id: from then on it survives a crash of the daemon. The "
    "arguments are JSON; - reads them from standard input; without any they are {}.",
    "With --jsonl each line of standard input is the arguments of a job of TASK. With - for TASK each is a whole "
    "request as the HTTP API takes it: {\"task\":\"mail.send\",\"args\":{},\"priority\":10}. Lines go out as "
    "they come; each is answered by an id, in order (-o jsonl: by the document).",
    NULL,
};

static const struct cli_option ls_options[] = {
    {"number", 'n', "N", "list N jobs (50 on a terminal, else all)", NULL, false},
    {"oldest", 0, NULL, "the oldest first, not the newest", NULL, false},
    {"watch", 'w', NULL, "go on as they change: in place on a terminal, else a line for each change", NULL, false},
    OPTION_SHAPE,
    OPTIONS_CLIENT,
};

static const char *const ls_text[] = {
    "Lists jobs, the newest first.",
    TEXT_FILTER,
    NULL,
};

static const struct cli_option show_options[] = {OPTION_SHAPE, OPTIONS_CLIENT};
static const char *const show_text[] = {
    "Prints all that is known of a job: its arguments, result, errors with tracebacks, times.",
    NULL,
};

static const struct cli_option logs_options[] = {
    {"follow", 'f', NULL, "go on until the job has ended", NULL, false},
    OPTIONS_CLIENT,
};
static const char *const logs_text[] = {
    "Prints what a job has printed and logged so far, the last 64 KiB.",
    NULL,
};

static const struct cli_option wait_options[] = {
    {"timeout", 0, "TIME", "no longer than this: then exit 75", NULL, false},
    OPTIONS_CLIENT,
};
static const char *const wait_text[] = {
    "Waits until all these jobs have ended. Exits 0 if they completed, 1 if one did not.",
    NULL,
};

#define OPTIONS_MANY     OPTION_DRY_RUN, OPTION_YES, OPTIONS_CLIENT
static const struct cli_option many_options[] = {OPTIONS_MANY};

static const char *const cancel_text[] = {
    "Cancels jobs, also those that run: they are stopped wherever they are.",
    TEXT_MANY,
    TEXT_FILTER,
    NULL,
};

static const char *const retry_text[] = {
    "Runs jobs again that are dead, cancelled or completed, as at their submission; one that is due later, now.",
    TEXT_MANY,
    TEXT_FILTER,
    NULL,
};

static const char *const rm_text[] = {
    "Forgets jobs that have ended, with their results and logs.",
    TEXT_MANY,
    TEXT_FILTER,
    NULL,
};

static const struct cli_option edit_options[] = {
    {"priority", 0, "N", "-128 to 127, or low, normal, high, critical", NULL, false},
    {"due", 0, "TIME", "when it may start: a time, a duration from now, or now", NULL, false},
    OPTIONS_MANY,
};

static const char *const edit_text[] = {
    "Changes jobs that have not started.",
    TEXT_MANY,
    TEXT_FILTER,
    NULL,
};

static const struct cli_option document_options[] = {OPTION_SHAPE, OPTIONS_CLIENT};

static const char *const queue_text[] = {
    "Lists the queues, or pauses one: what waits in it does not start until it is resumed.",
    "neap queue set NAME concurrency=5 rate=10/s capacity=1000 beats the configuration, over restarts too, "
    "until it is set to default. 0 is no limit.",
    NULL,
};

static const char *const schedule_text[] = {
    "Lists the schedules with their next runs; runs one now, or pauses it.",
    NULL,
};

static const struct cli_option stats_options[] = {
    {"watch", 'w', NULL, "again every two seconds, in place on a terminal", NULL, false},
    OPTION_SHAPE,
    OPTIONS_CLIENT,
};
static const char *const stats_text[] = {
    "Prints the daemon's counters: jobs by state, and queues and tasks since its start.",
    NULL,
};

static const char *const stack_text[] = {
    "Prints where running jobs are, as Lua tracebacks: all of them, or one.",
    NULL,
};

static const char *const explain_text[] = {
    "Says why a job does not run: its queue is paused or at its limit, its time has not come, jobs before it, "
    "no such task.",
    NULL,
};

static const char *const events_text[] = {
    "Prints each change of a job as it is stored, a line each, until told to stop.",
    TEXT_FILTER,
    NULL,
};

static const struct cli_option client_options[] = {OPTIONS_CLIENT};
static const char *const reload_text[] = {
    "Lets the daemon read its configuration and all plugins again. If anything is wrong it is printed, nothing "
    "changes, and the exit status is 78.",
    NULL,
};
static const char *const backup_text[] = {
    "Lets the daemon write a copy of all its jobs to FILE, while it goes on. FILE is on the daemon's machine "
    "and must not be there yet.",
    NULL,
};

static const struct cli_option help_options[] = {
    {"man", 0, NULL, "print the man page", NULL, true},
    {"openapi", 0, NULL, "print the OpenAPI page of the HTTP API", NULL, true},
    {"completion", 0, "SHELL", "print the completions of a shell", "bash zsh fish", true},
    OPTIONS_END,
};

#define MANY 1000000
const struct cli_command cli_commands[] = {
    {"run", "run one job and print its result", "FILE|TASK [JSON|-]", run_options, run_text, 2, 0, cli_run},
    {"map", "run one job for each input", "FILE|TASK [::: ARG...]", map_options, map_text, 1, 1, cli_map},
    {"serve", "run jobs and schedules until told to stop", "", serve_options, serve_text, 0, 0, cli_serve},
    {"submit", "give the daemon a job", "TASK|- [JSON|-]", submit_option_table, submit_text, 2, 0, cli_submit},
    {"ls", "list the daemon's jobs", "[FILTER...]", ls_options, ls_text, MANY, 0, cli_ls},
    {"show", "print all that is known of a job", "ID...", show_options, show_text, MANY, 0, cli_show},
    {"logs", "print what a job has printed", "ID", logs_options, logs_text, 1, 0, cli_logs},
    {"wait", "wait until jobs have ended", "ID...", wait_options, wait_text, MANY, 0, cli_wait},
    {"explain", "say why a job does not run", "ID", document_options, explain_text, 1, 0, cli_explain},
    {"cancel", "cancel jobs", "ID...|FILTER...|-", many_options, cancel_text, MANY, 0, cli_cancel},
    {"retry", "run jobs again", "ID...|FILTER...|-", many_options, retry_text, MANY, 0, cli_retry},
    {"rm", "forget jobs that have ended", "ID...|FILTER...|-", many_options, rm_text, MANY, 0, cli_rm},
    {"edit", "change priority or due time of jobs", "ID...|FILTER...|-", edit_options, edit_text, MANY, 0,
     cli_edit},
    {"queue", "list, pause and limit queues", "[ls|show|pause|resume|set] [NAME...] [LIMIT=N...]",
     document_options, queue_text, MANY, 0, cli_queue},
    {"schedule", "list, pause and run schedules", "[ls|show|run|pause|resume] [NAME...]", document_options,
     schedule_text, MANY, 0, cli_schedule},
    {"stats", "print the daemon's counters", "", stats_options, stats_text, 0, 0, cli_stats},
    {"stack", "print where running jobs are", "[ID]", document_options, stack_text, 1, 0, cli_stack},
    {"events", "print changes of jobs as they come", "[FILTER...]", document_options, events_text, MANY, 0,
     cli_events},
    {"reload", "let the daemon read its configuration again", "", client_options, reload_text, 0, 0, cli_reload},
    {"backup", "copy the daemon's jobs to a file", "FILE", client_options, backup_text, 1, 0, cli_backup},
    {"dump", "print the jobs in a stopped daemon's file, or in a copy", "FILE", dump_options, dump_text, 1, 0,
     cli_dump},
    {"check", "say what is wrong with configuration and tasks", "[FILE]", check_options, check_text, 1, 0,
     cli_check},
    {"new", "begin a plugin or a task", "plugin|task NAME", new_options, new_text, 2, 0, cli_new},
    {"test", "run the specs beside tasks", "[PATH...]", test_options, test_text, 1000, 0, cli_test},
    {"config", "print the settings and where they come from", "", config_options, config_text, 0, 0, cli_config},
    {"version", "print the version", "", NULL, NULL, 0, 0, cli_version},
    {"help", "explain a command", "[COMMAND]", help_options, NULL, 1, 0, cli_help},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};

const struct cli_status cli_statuses[] = {
    {CLI_OK, "all completed"},
    {CLI_FAILED, "a job or a test failed"},
    {CLI_USAGE, "bad command line"},
    {CLI_DATA, "bad input data"},
    {CLI_NOINPUT, "no such file, task, job or spec"},
    {CLI_UNREACHED, "the daemon cannot be reached, or refuses the token"},
    {CLI_INTERNAL, "internal error"},
    {CLI_OUTPUT, "output cannot be written"},
    {CLI_REFUSED, "refused for now"},
    {CLI_CONFIG, "bad configuration, or broken tasks"},
    {CLI_SIGNAL, "plus the number of a signal: ended by it"},
    {0, NULL},
};
/* clang-format on */
