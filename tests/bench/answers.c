/* answers PORT: libmicrohttpd and nothing behind it, as the limit of one job a request: answers
 * each POST with a document as long as a job's, and a GET with how many there were, as `neap serve`
 * tells its completed jobs. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOCUMENT_BYTES 330 /* of the answer to a job with an integer */

struct server {
    long posts;
    char document[DOCUMENT_BYTES];
};

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *text,
                              size_t len, enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)text, mode);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    const enum MHD_Result rc = MHD_queue_response(c, status, response);
    MHD_destroy_response(response);
    return rc;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_len, void **state)
{
    struct server *server = user;
    (void)url, (void)version, (void)body;
    if (!*state) {
        *state = server;
        return MHD_YES;
    }
    if (*body_len) {
        *body_len = 0;
        return MHD_YES;
    }
    if (strcmp(method, "POST") == 0) {
        server->posts++;
        return answer(c, MHD_HTTP_CREATED, server->document, DOCUMENT_BYTES,
                      MHD_RESPMEM_PERSISTENT);
    }
    char text[80];
    const int len = snprintf(text, sizeof text, "{\"total\":{\"completed\":%ld}}", server->posts);
    return answer(c, MHD_HTTP_OK, text, (size_t)len, MHD_RESPMEM_MUST_COPY);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: answers PORT\n");
        return 64;
    }
    static struct server server;
    memset(server.document, ' ', DOCUMENT_BYTES);
    memcpy(server.document, "{}", 2);
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(argv[1])),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, &server,
                          MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_END)) {
        fprintf(stderr, "answers: cannot listen on port %s\n", argv[1]);
        return 1;
    }
    for (;;)
        pause();
}
