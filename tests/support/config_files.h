/* For tests of the configuration: files in a directory of their own, which is the current one, and
 * the mistakes that loading them tells. */
#ifndef TESTS_CONFIG_FILES_H
#define TESTS_CONFIG_FILES_H

#include <ftw.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/config.h"

static char files_dir[] = "/tmp/neap-config-XXXXXX";

static inline int files_begin(void **state)
{
    (void)state;
    return !mkdtemp(files_dir) || chdir(files_dir);
}

static inline int files_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int files_end(void **state)
{
    (void)state;
    return chdir("/") || nftw(files_dir, files_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void file_put(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

/* Appends each mistake and a newline to the struct buf at `user`. */
static inline void files_problem(void *user, const char *text)
{
    buf_text(user, text);
    buf_byte(user, '\n');
}

/* Loads neap.ini, which must be fine. */
static inline struct config *files_load(struct config_source source)
{
    struct buf problems = {0};
    struct neap_error err;
    struct config *config = NULL;
    source.problem = files_problem;
    source.user = &problems;
    if (config_load(&config, &source, &err))
        fail_msg("%s", buf_string(&problems));
    buf_close(&problems);
    return config;
}

static inline struct config *files_load_text(const char *text)
{
    file_put("neap.ini", text);
    return files_load((struct config_source){.file = "neap.ini"});
}

#endif
