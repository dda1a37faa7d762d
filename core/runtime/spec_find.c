/* Which spec files there are. */
#include "runtime/spec.h"

#include "base/error.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX "_test.lua"
#define DEPTH_MAX 16 /* of directories: a link to its own parent ends there */

static bool is_spec(const char *name)
{
    const size_t len = strlen(name), suffix = strlen(SUFFIX);
    return name[0] != '.' && len > suffix && strcmp(name + len - suffix, SUFFIX) == 0;
}

static void add(struct spec_list *list, const char *path)
{
    list->paths = mem_grow(list->paths, list->count + 2, sizeof *list->paths);
    list->paths[list->count++] = mem_text(path);
    list->paths[list->count] = NULL;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int walk(const char *dir, int depth, struct spec_list *list, struct neap_error *err)
{
    struct dirent **entries;
    const int count = scandir(dir, &entries, visible, alphasort);
    if (count < 0)
        return error_set(err, NEAP_EIO, "%s: %s", dir, strerror(errno));
    int rc = NEAP_OK;
    for (int i = 0; i < count; i++) {
        struct stat st;
        char *path = mem_format("%s/%s", dir, entries[i]->d_name);
        if (!rc && stat(path, &st) == 0 && S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            rc = walk(path, depth + 1, list, err);
        else if (!rc && is_spec(entries[i]->d_name))
            add(list, path);
        free(path);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int spec_find(const char *path, struct spec_list *list, struct neap_error *err)
{
    struct stat st;
    while (strncmp(path, "./", 2) == 0 && path[2])
        path += 2;
    if (stat(path, &st) != 0)
        return error_set(err, errno == ENOENT || errno == ENOTDIR ? NEAP_ENOENT : NEAP_EIO,
                         "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        add(list, path);
        return NEAP_OK;
    }
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    char *dir = mem_format("%.*s", (int)len, path);
    const int rc = walk(dir, 0, list, err);
    free(dir);
    return rc;
}

void spec_list_close(struct spec_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct spec_list){0};
}
