/* The server as [http] of the configuration wants it. */
#include "faces/httpd.h"

#include <stdlib.h>

struct texts {
    char *socket, *listen, *token, *hosts;
};

static int read_texts(neap *n, struct texts *t, struct neap_error *err)
{
    int rc = neap_config_text(n, "http", "socket", &t->socket, err);
    if (rc == NEAP_OK)
        rc = neap_config_text(n, "http", "listen", &t->listen, err);
    if (rc == NEAP_OK)
        rc = neap_config_text(n, "http", "token", &t->token, err);
    if (rc == NEAP_OK)
        rc = neap_config_text(n, "http", "hosts", &t->hosts, err);
    return rc;
}

int httpd_open(struct httpd **out, const struct httpd_options *given, struct neap_error *err)
{
    neap *n = given->n;
    struct texts t = {0};
    int rc = read_texts(n, &t, err);
    *out = NULL;
    if (rc == NEAP_OK && (t.socket || t.listen)) {
        struct httpd_options o = *given;
        o.socket = t.socket;
        o.listen = t.listen;
        o.token = t.token;
        o.hosts = t.hosts;
        o.max_body = (size_t)neap_config_int(n, "http", "max_body", 0);
        o.max_connections = (unsigned)neap_config_int(n, "http", "max_connections", 0);
        o.max_per_address = (unsigned)neap_config_int(n, "http", "max_per_address", 0);
        o.header_ms = neap_config_int(n, "http", "header_timeout", 0);
        o.body_ms = neap_config_int(n, "http", "body_timeout", 0);
        rc = httpd_start(out, &o, err);
    }
    free(t.socket);
    free(t.listen);
    free(t.token);
    free(t.hosts);
    return rc;
}
