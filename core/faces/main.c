/* The program `neap`: finds the command in the table and runs it. */
#include "base/text.h"
#include "faces/cli.h"
#include "faces/cli_output.h"
#include "neap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DESCRIPTORS 65536

static int unknown_command(const char *name)
{
    const char *names[64];
    size_t count = 0;
    for (const struct cli_command *c = cli_commands; c->name && count < 64; c++)
        names[count++] = c->name;
    const char *near = text_nearest(name, names, count);
    if (near)
        return cli_fail(CLI_USAGE, NULL, "unknown command \"%s\" (did you mean %s?)", name, near);
    return cli_fail(CLI_USAGE, NULL, "unknown command \"%s\" (neap help lists them)", name);
}

static int print_help(const struct cli_command *command)
{
    struct output out;
    output_open(&out, NULL);
    cli_help_text(output_buf(&out), command);
    return output_end(&out, command ? command->name : NULL);
}

static int run_command(const struct cli_command *command, int argc, const char *const *argv)
{
    struct cli_args args;
    int status = cli_args_parse(&args, command, argc, argv);
    if (status == CLI_OK)
        status = args.help ? print_help(command) : command->run(&args);
    cli_args_close(&args);
    return status;
}

/* A descriptor that was closed would be taken by the next file opened, and results go there.
 * Standard output opens for reading, so that writing to it still fails. */
static void open_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) < 0)
            _exit(CLI_INTERNAL);
}

/* Each waiting request takes a descriptor, and Debian's soft limit is 1024, for the sake of
 * programs that use select. Not without end: programs that tasks start inherit it, and some close
 * them all. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    open_standard();
    raise_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a reader that left is seen by the write that fails */
    signal(SIGCHLD, SIG_DFL); /* started with it ignored, nobody would learn how programs end */
    if (argc < 2) {
        struct buf text = {0};
        cli_help_text(&text, NULL);
        fwrite(text.data, 1, text.len, stderr);
        buf_close(&text);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
        return print_help(NULL);
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct cli_command *command = cli_command_find(name);
    if (!command)
        return unknown_command(name);
    return run_command(command, argc - 2, (const char *const *)argv + 2);
}
