#include "base/library.h"

#include "base/error.h"

#include <dlfcn.h>
#include <string.h>

int library_open(const char *file, const char *hint, const struct library_symbol *symbols,
                 size_t count, void *out, struct neap_error *err)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return error_set(err, NEAP_EIO, "%s: %s", hint, dlerror());
    int rc = NEAP_OK;
    for (size_t i = 0; i < count && rc == NEAP_OK; i++) {
        void *symbol = dlsym(library, symbols[i].name);
        if (symbol)
            memcpy((char *)out + symbols[i].place, &symbol, sizeof symbol);
        else
            rc = error_set(err, NEAP_EIO, "%s has no %s", file, symbols[i].name);
    }
    dlclose(library); /* NODELETE: it stays */
    return rc;
}
