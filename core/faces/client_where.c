#include "faces/client_where.h"

#include "base/mem.h"
#include "base/text.h"
#include "faces/cli.h"
#include "faces/cli_session.h"
#include "neap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET "neap.sock"

static char *beside(const char *file, const char *path) /* a path written in that file */
{
    const char *slash = strrchr(file, '/');
    return *path == '/' || !slash ? mem_text(path)
                                  : mem_format("%.*s/%s", (int)(slash - file), file, path);
}

/* NULL: none is configured. *wanted: it says that there is none. */
static char *configured(const struct cli_args *args, bool *none)
{
    const char *file = cli_config_file(args, true);
    char *origin = NULL, *path = NULL;
    char *text = file ? neap_config_look(file, "http", "socket", &origin) : NULL;
    *none = text && strcmp(text, "none") == 0;
    if (text && !*none)
        path = beside(origin, text);
    free(text);
    free(origin);
    return path;
}

/* A socket's address has room for 107 bytes of path; a longer one is reached through its directory.
 */
static int shorten(struct where *w, const char *command)
{
    if (strlen(w->path) < sizeof((struct sockaddr_un *)0)->sun_path)
        return CLI_OK;
    char *name = strrchr(w->path, '/');
    char *dir = name ? mem_format("%.*s", (int)(name - w->path), w->path) : NULL;
    w->dir_fd = dir ? open(*dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    free(dir);
    if (w->dir_fd < 0)
        return cli_fail(CLI_UNREACHED, command, "%s: %s", w->path, strerror(errno));
    char *path = mem_format("/proc/self/fd/%d%s", w->dir_fd, name);
    free(w->path);
    w->path = path;
    return CLI_OK;
}

static int use_socket(struct where *w, const char *command, char *path)
{
    w->path = path;
    w->shown = mem_text(path);
    w->base = mem_text("http://localhost");
    return shorten(w, command);
}

static int use_url(struct where *w, const char *command, const char *url)
{
    const char *token = getenv("NEAP_TOKEN");
    const char *host = strstr(url, "://");
    size_t len = strlen(url);
    if (!host || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0))
        return cli_fail(CLI_USAGE, command, "--url %s: write it as http://HOST:PORT", url);
    while (len && url[len - 1] == '/')
        len--;
    w->base = mem_format("%.*s", (int)len, url);
    w->shown = mem_text(w->base);
    if (token && *token)
        w->authorization = mem_format("Authorization: Bearer %s", token);
    return CLI_OK;
}

int where_find(struct where *w, const struct cli_args *args)
{
    const char *command = args->command->name;
    const char *given = cli_value(args, "socket"), *url = cli_value(args, "url");
    const char *set = getenv("NEAP_SOCKET");
    bool none = false;
    *w = (struct where){.dir_fd = -1};
    if (given && url)
        return cli_fail(CLI_USAGE, command, "give --socket or --url, not both");
    if (url)
        return use_url(w, command, url);
    if (given || (set && *set))
        return use_socket(w, command, mem_text(given ? given : set));
    char *path = configured(args, &none);
    if (none)
        return cli_fail(CLI_UNREACHED, command,
                        "[http] socket is none in the configuration: name the daemon with --url "
                        "http://HOST:PORT");
    return use_socket(w, command, path ? path : mem_text(SOCKET));
}

void where_close(struct where *w)
{
    free(w->base);
    free(w->path);
    free(w->shown);
    free(w->authorization);
    if (w->dir_fd >= 0)
        close(w->dir_fd);
    *w = (struct where){.dir_fd = -1};
}

int where_fail(const struct where *w, const char *command, bool connecting, int number,
               const char *why)
{
    if (number)
        why = strerror(number);
    if (!connecting)
        return cli_fail(CLI_UNREACHED, command, "the daemon at %s gave no answer: %s", w->shown,
                        why);
    if (number == EACCES || number == EPERM)
        return cli_fail(CLI_UNREACHED, command,
                        "%s: %s (only the user that the daemon runs as may talk to it there)",
                        w->shown, why);
    return cli_fail(CLI_UNREACHED, command,
                    "no daemon answers at %s: %s (start one with: neap serve; or name its socket "
                    "with --socket FILE or NEAP_SOCKET)",
                    w->shown, why);
}
