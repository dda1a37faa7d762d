#include "faces/httpd_lib.h"

#include "base/error.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

struct symbol {
    const char *name;
    size_t place;
};

#define SYMBOL(name)                                                                               \
    {                                                                                              \
        "MHD_" #name, offsetof(struct httpd_lib, name)                                             \
    }

static const struct symbol symbols[] = {
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
    void *library = dlopen(HTTPD_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return error_set(err, NEAP_EIO,
                         "libmicrohttpd is not installed (Debian: libmicrohttpd12): %s", dlerror());
    int rc = NEAP_OK;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols && rc == NEAP_OK; i++) {
        void *symbol = dlsym(library, symbols[i].name);
        if (symbol)
            memcpy((char *)lib + symbols[i].place, &symbol, sizeof symbol);
        else
            rc = error_set(err, NEAP_EIO, HTTPD_LIBRARY " has no %s", symbols[i].name);
    }
    dlclose(library); /* NODELETE: it stays */
    return rc;
}
