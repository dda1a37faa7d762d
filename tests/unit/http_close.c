/* Requests when an executor closes: nothing of theirs is left. */
#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server of one thread a connection: answers /ok, and never anything else. */
struct server {
    int fd, port;
    atomic_int open, hanging;
    pthread_t thread;
};

struct peer {
    struct server *server;
    int fd;
};

static void *talk(void *arg)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct peer *peer = arg;
    char text[4096];
    int hangs = 0;
    while (recv(peer->fd, text, sizeof text, 0) > 0) {
        if (memcmp(text, "GET /ok ", 8) == 0)
            assert_true(send(peer->fd, ok, sizeof ok - 1, MSG_NOSIGNAL) > 0);
        else
            hangs += 1, atomic_fetch_add(&peer->server->hanging, 1);
    }
    close(peer->fd);
    atomic_fetch_sub(&peer->server->hanging, hangs);
    atomic_fetch_sub(&peer->server->open, 1);
    free(peer);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct server *server = arg;
    for (int fd; (fd = accept(server->fd, NULL, NULL)) >= 0;) {
        pthread_t thread;
        struct peer *peer = malloc(sizeof *peer);
        *peer = (struct peer){server, fd};
        atomic_fetch_add(&server->open, 1);
        assert_int_equal(pthread_create(&thread, NULL, talk, peer), 0);
        pthread_detach(thread);
    }
    return NULL;
}

static void server_start(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    memset(server, 0, sizeof *server);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->fd, 100), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, accept_all, server), 0);
}

static void server_stop(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
}

static int descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void run_and_close(struct server *server)
{
    struct executor x;
    char code[512];
    int left = 4000;
    executor_init(&x);
    snprintf(code, sizeof code,
             "local neap = require 'neap'\n"
             "return function(path)\n"
             "  return assert(neap.http.get('http://127.0.0.1:%d' .. path, {timeout = 0})).body\n"
             "end",
             server->port);
    executor_write(&x, "plugins/t/get.lua", code);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 2\n");
    executor_start(&x, 0);
    for (int i = 0; i < 4; i++)
        assert_string_equal(executor_run(&x, "t.get", "\"/ok\""), "\"ok\"");
    for (int i = 0; i < 10; i++)
        executor_submit(&x, "t.get", "\"/hang\"");
    while (atomic_load(&server->hanging) < 10)
        executor_pause(&left);
    executor_close(&x);
    while (atomic_load(&server->open) > 0)
        executor_pause(&left);
}

/* Connections in use and connections kept, again and again. */
static void nothing_is_left(void **state)
{
    struct server server;
    (void)state;
    server_start(&server);
    run_and_close(&server); /* what libraries keep for the process is there now */
    const int before = descriptors();
    for (int i = 0; i < 5; i++)
        run_and_close(&server);
    assert_int_equal(descriptors(), before);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_left)};
    return cmocka_run_group_tests_name("http_close", tests, NULL, NULL);
}
