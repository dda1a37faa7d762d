/* Descriptors that listen. */
#include "faces/httpd_state.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

static int fail(int fd, const char *what, const char *where, struct neap_error *err)
{
    const int number = errno;
    if (fd >= 0)
        close(fd);
    return error_set(err, number == EADDRINUSE ? NEAP_ECONFLICT : NEAP_EIO, "%s: %s: %s", where,
                     what, strerror(number));
}

/* ---- unix */

/* Does somebody listen there? */
static bool answers(const struct sockaddr_un *address)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool is =
        fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
                    errno == EAGAIN || errno == EACCES);
    if (fd >= 0)
        close(fd);
    return is;
}

/* Only one of two that start at the same time may take away what a third one left. */
static int lock_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir =
        slash ? mem_format("%.*s", slash == path ? 1 : (int)(slash - path), path) : mem_text(".");
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    if (fd >= 0)
        flock(fd, LOCK_EX);
    return fd;
}

static int bind_local(int fd, const struct sockaddr_un *address, struct neap_error *err)
{
    struct stat st;
    const char *path = address->sun_path;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return error_set(err, NEAP_ECONFLICT, "[http] socket: %s is there and is no socket", path);
    if (answers(address))
        return error_set(err, NEAP_ECONFLICT,
                         "[http] socket: %s is in use: another neap listens there", path);
    unlink(path);
    fchmod(fd, 0600); /* what the file begins with: nobody gets in between bind and chmod */
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) || chmod(path, 0600) ||
        listen(fd, BACKLOG))
        return error_set(err, NEAP_EIO, "[http] socket: %s: %s", path, strerror(errno));
    return NEAP_OK;
}

int httpd_listen_local(struct httpd_listener *l, const char *path, struct neap_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st = {0};
    if (strlen(path) >= sizeof address.sun_path)
        return error_set(err, NEAP_EINVAL,
                         "[http] socket: %s has %zu bytes, and a socket's path at most %zu", path,
                         strlen(path), sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(fd, "socket", path, err);
    const int lock = lock_directory(path);
    const int rc = bind_local(fd, &address, err);
    if (lock >= 0)
        close(lock);
    if (rc) {
        close(fd);
        return rc;
    }
    lstat(path, &st);
    l->fd = fd;
    l->local = true;
    l->where = mem_text(path);
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    return NEAP_OK;
}

void httpd_listen_remove(const struct httpd_listener *l)
{
    struct stat st;
    if (lstat(l->where, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
        unlink(l->where);
}

/* ---- TCP */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* "127.0.0.1:8080" or "[::1]:8080" */
static socklen_t parse(const char *text, union address *out)
{
    char host[INET6_ADDRSTRLEN + 2];
    int64_t port;
    const char *colon = strrchr(text, ':');
    const bool bracket = *text == '[' && colon && colon > text && colon[-1] == ']';
    const size_t len = colon ? (size_t)(colon - text) - (bracket ? 2 : 0) : 0;
    *out = (union address){0};
    if (!colon || len == 0 || len >= sizeof host || !text_integer(colon + 1, &port) || port < 0 ||
        port > 65535)
        return 0;
    memcpy(host, text + bracket, len);
    host[len] = '\0';
    if (bracket && inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        return sizeof out->v6;
    }
    if (!bracket && inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons((uint16_t)port);
        return sizeof out->v4;
    }
    return 0;
}

bool httpd_listen_is_loopback(const char *text)
{
    union address address;
    if (!parse(text, &address))
        return false;
    return address.any.sa_family == AF_INET ? ntohl(address.v4.sin_addr.s_addr) >> 24 == 127
                                            : IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
}

/* The address as it is, with the port that was chosen where it was 0. */
static void describe(struct httpd_listener *l)
{
    union address own = {0};
    socklen_t len = sizeof own;
    getsockname(l->fd, &own.any, &len);
    const bool v4 = own.any.sa_family == AF_INET;
    inet_ntop(own.any.sa_family, v4 ? (void *)&own.v4.sin_addr : (void *)&own.v6.sin6_addr,
              l->address, sizeof l->address);
    l->any_address =
        v4 ? own.v4.sin_addr.s_addr == INADDR_ANY : IN6_IS_ADDR_UNSPECIFIED(&own.v6.sin6_addr);
    l->where = mem_format(v4 ? "%s:%u" : "[%s]:%u", l->address,
                          ntohs(v4 ? own.v4.sin_port : own.v6.sin6_port));
}

int httpd_listen_tcp(struct httpd_listener *l, const char *text, struct neap_error *err)
{
    union address address;
    const socklen_t len = parse(text, &address);
    if (!len)
        return error_set(err, NEAP_EINVAL,
                         "[http] listen: %s is not ADDRESS:PORT, as 127.0.0.1:8080 or [::1]:8080",
                         text);
    const int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int one = 1;
    if (fd < 0)
        return fail(fd, "socket", text, err);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, &address.any, len) || listen(fd, BACKLOG))
        return fail(fd, "[http] listen", text, err);
    l->fd = fd;
    describe(l);
    return NEAP_OK;
}
