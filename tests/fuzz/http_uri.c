/* Any text as the target of a request: refused with a status, or taken apart into parts and
 * parameters that hold no more than it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "faces/httpd_uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PARAMS 8

static void take_apart(const char *uri)
{
    const char *at = uri, *part;
    size_t len, all = 0;
    while (httpd_uri_part(&at, &part, &len)) {
        assert(part >= uri && part + len <= uri + strlen(uri));
        all += len + 1;
        char *text = httpd_uri_decode(part, len);
        assert(strlen(text) <= len);
        free(text);
    }
    assert(all <= strlen(uri));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *uri = malloc(size + 1);
    struct httpd_problem problem = {0};
    struct neap_param params[PARAMS];
    size_t count = 0;
    assert(uri);
    memcpy(uri, data, size);
    uri[size] = 0;
    if (httpd_uri_check(uri, &problem)) {
        assert(*uri == '/' && !httpd_problem_any(&problem));
        take_apart(uri);
        const bool good = httpd_uri_query(uri, size % 2, params, PARAMS, &count, &problem);
        assert(good != httpd_problem_any(&problem) && count <= PARAMS);
        for (size_t i = 0; i < count; i++) {
            assert(params[i].name && params[i].value);
            free((void *)(uintptr_t)params[i].name);
            free((void *)(uintptr_t)params[i].value);
        }
    } else {
        assert(problem.status >= 400 && problem.status < 500);
    }
    httpd_problem_close(&problem);
    free(uri);
    return 0;
}
