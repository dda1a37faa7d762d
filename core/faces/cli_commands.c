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
    "Runs the schedules of the configuration in the foreground until SIGTERM or SIGINT; running jobs then "
    "finish for the time of [neap] drain. A second signal ends at once. SIGHUP reads the "
    "configuration again. Plugins are watched and reloaded.",
    "Logs to standard error: logfmt on a terminal, JSON lines elsewhere ([log] format).",
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

static const struct cli_option help_options[] = {
    {"man", 0, NULL, "print the man page", NULL, true},
    {"completion", 0, "SHELL", "print the completions of a shell", "bash zsh fish", true},
    OPTIONS_END,
};

const struct cli_command cli_commands[] = {
    {"run", "run one job and print its result", "FILE|TASK [JSON|-]", run_options, run_text, 2, 0, cli_run},
    {"map", "run one job for each input", "FILE|TASK [::: ARG...]", map_options, map_text, 1, 1, cli_map},
    {"serve", "run schedules until told to stop", "", serve_options, serve_text, 0, 0, cli_serve},
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
    {CLI_NOINPUT, "no such file, task or spec"},
    {CLI_UNREACHED, "the daemon cannot be reached"},
    {CLI_INTERNAL, "internal error"},
    {CLI_OUTPUT, "output cannot be written"},
    {CLI_REFUSED, "refused for now"},
    {CLI_CONFIG, "bad configuration, or broken tasks"},
    {CLI_SIGNAL, "plus the number of a signal: ended by it"},
    {0, NULL},
};
/* clang-format on */
