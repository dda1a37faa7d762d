#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
    fprintf(stderr, "test tree: %s: %s\n", what, strerror(errno));
    abort();
}

void tree_init(struct tree *tree)
{
    strcpy(tree->dir, "/tmp/neap-test-XXXXXX");
    if (!mkdtemp(tree->dir))
        die(tree->dir);
}

void tree_close(struct tree *tree)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", tree->dir);
    if (system(command))
        die(command);
}

const char *tree_path(const struct tree *tree, const char *path, char out[512])
{
    if (path[0] == '/')
        snprintf(out, 512, "%s", path);
    else
        snprintf(out, 512, "%s/%s", tree->dir, path);
    return out;
}

void tree_mkdir(const struct tree *tree, const char *path)
{
    char full[512];
    tree_path(tree, path, full);
    for (char *slash = full + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        if (mkdir(full, 0755) && errno != EEXIST)
            die(full);
        *slash = '/';
    }
    if (mkdir(full, 0755) && errno != EEXIST)
        die(full);
}

void tree_write(const struct tree *tree, const char *path, const char *format, ...)
{
    char full[512], above[512];
    va_list args;
    snprintf(above, sizeof above, "%s", path);
    char *slash = strrchr(above, '/');
    if (slash && slash != above) {
        *slash = 0;
        tree_mkdir(tree, above);
    }
    FILE *file = fopen(tree_path(tree, path, full), "w");
    if (!file)
        die(full);
    va_start(args, format);
    vfprintf(file, format, args);
    va_end(args);
    if (fclose(file))
        die(full);
}

void tree_remove(const struct tree *tree, const char *path)
{
    char full[512];
    if (unlink(tree_path(tree, path, full)))
        die(full);
}

void tree_rename(const struct tree *tree, const char *from, const char *to)
{
    char a[512], b[512];
    if (rename(tree_path(tree, from, a), tree_path(tree, to, b)))
        die(a);
}

void tree_flip(const struct tree *tree, const char *link, const char *target)
{
    char full[512], next[520];
    tree_path(tree, link, full);
    snprintf(next, sizeof next, "%s.next", full);
    if (symlink(target, next) || rename(next, full))
        die(full);
}

void tree_age(const struct tree *tree)
{
    (void)tree;
    nanosleep(&(struct timespec){.tv_nsec = 60 * 1000000}, NULL);
}

char *tree_repository_file(const char *path)
{
    enum { MAX = 1024 * 1024 };
    char whole[512];
    const char *root = getenv("NEAP_ROOT");
    snprintf(whole, sizeof whole, "%s/%s", root ? root : ".", path);
    FILE *file = fopen(whole, "r");
    char *text = calloc(1, MAX);
    if (!file || !text)
        die(whole);
    const size_t len = fread(text, 1, MAX - 1, file);
    fclose(file);
    if (len == MAX - 1)
        die(whole);
    return text;
}

int tree_run(const struct tree *tree, const char *format, ...)
{
    char command[2048];
    va_list args;
    int len = snprintf(command, sizeof command, "cd '%s' && exec >>.log 2>&1; ", tree->dir);
    va_start(args, format);
    vsnprintf(command + len, sizeof command - (size_t)len, format, args);
    va_end(args);
    int status = system(command);
    if (status)
        fprintf(stderr, "test tree: %s: status %d\n", command, status);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool tree_has_program(const char *name)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    return !system(command);
}
