#include "faces/httpd_lib.h"

#include "base/library.h"

#include <stddef.h>

#define SYMBOL(name)                                                                               \
    {                                                                                              \
        "MHD_" #name, offsetof(struct httpd_lib, name)                                             \
    }

static const struct library_symbol symbols[] = {
    SYMBOL(get_version),
    SYMBOL(start_daemon),
    SYMBOL(get_daemon_info),
    SYMBOL(get_timeout),
    SYMBOL(run),
    SYMBOL(quiesce_daemon),
    SYMBOL(stop_daemon),
    SYMBOL(suspend_connection),
    SYMBOL(resume_connection),
    SYMBOL(queue_response),
    SYMBOL(create_response_from_buffer),
    SYMBOL(create_response_from_callback),
    SYMBOL(add_response_header),
    SYMBOL(destroy_response),
    SYMBOL(get_connection_info),
    SYMBOL(get_connection_values_n),
};

int httpd_lib_open(struct httpd_lib *lib, struct neap_error *err)
{
    return library_open(HTTPD_LIBRARY, "libmicrohttpd is not installed (Debian: libmicrohttpd12)",
                        symbols, sizeof symbols / sizeof *symbols, lib, err);
}
