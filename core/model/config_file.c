#include "model/config_file.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void strings_free(char **strings)
{
    for (char **s = strings; s && *s; s++)
        free(*s);
    free(strings);
}

char *path_join(const char *dir, const char *path)
{
    if (!*dir || *path == '/')
        return mem_text(path);
    return mem_format("%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", path);
}

char *path_dir(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    return slash == path ? mem_text("/") : mem_format("%.*s", (int)len, path);
}

/* A file beside `path` with nearly its name, as a path; NULL: none. */
static char *neighbour(const char *path)
{
    char *dir = path_dir(path);
    char **names = NULL;
    size_t count = 0;
    DIR *stream = opendir(*dir ? dir : ".");
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        if (entry->d_name[0] == '.')
            continue;
        names = mem_grow(names, count + 1, sizeof *names);
        names[count++] = mem_text(entry->d_name);
    }
    if (stream)
        closedir(stream);
    const char *slash = strrchr(path, '/');
    const char *near = text_nearest(slash ? slash + 1 : path, (const char *const *)names, count);
    char *found = near ? path_join(dir, near) : NULL;
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    free(dir);
    return found;
}

static int refuse(const char *path, int number, struct neap_error *err)
{
    if (number != ENOENT)
        return error_set(err, NEAP_EIO, "%s: %s", path, strerror(number));
    char *near = neighbour(path);
    error_set(err, NEAP_ENOENT, "%s: %s%s%s%s", path, strerror(number),
              near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    free(near);
    return NEAP_ENOENT;
}

int file_read(const char *path, size_t max_bytes, struct buf *out, struct file_id *id,
              struct neap_error *err)
{
    int rc = NEAP_OK;
    size_t before = out->len;
    struct stat st = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st)) {
        rc = refuse(path, errno, err);
        goto out;
    }
    if (id)
        *id = (struct file_id){st.st_dev, st.st_ino};
    for (;;) {
        buf_reserve(out, 4096);
        ssize_t n = read(fd, out->data + out->len, out->cap - out->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = refuse(path, errno, err);
        if (n <= 0)
            break;
        out->len += (size_t)n;
        if (out->len - before > max_bytes) {
            rc = error_set(err, NEAP_EINVAL, "%s: larger than %zu KiB", path, max_bytes / 1024);
            break;
        }
    }
out:
    if (fd >= 0)
        close(fd);
    if (rc)
        out->len = before;
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The directory stands for itself, whatever its name. */
static char *glob_pattern(const char *dir, const char *pattern)
{
    struct buf literal = {0};
    for (const char *p = *pattern == '/' ? "" : dir; *p; p++) {
        if (strchr("*?[]\\", *p))
            buf_byte(&literal, '\\');
        buf_byte(&literal, (uint8_t)*p);
    }
    char *whole = path_join(buf_string(&literal), pattern);
    buf_close(&literal);
    return whole;
}

int path_match(const char *dir, const char *pattern, char ***out, struct neap_error *err)
{
    *out = mem_zero(2, sizeof **out);
    if (!strpbrk(pattern, "*?[")) {
        (*out)[0] = path_join(dir, pattern);
        return NEAP_OK;
    }
    char *whole = glob_pattern(dir, pattern);
    glob_t found = {0};
    errno = 0;
    int status = glob(whole, GLOB_ERR | GLOB_NOSORT, NULL, &found); /* its order is the locale's */
    int number = errno;
    free(whole);
    if (status == 0) {
        free(*out);
        *out = mem_zero(found.gl_pathc + 1, sizeof **out);
        for (size_t i = 0; i < found.gl_pathc; i++)
            (*out)[i] = mem_text(found.gl_pathv[i]);
        qsort(*out, found.gl_pathc, sizeof **out, by_text);
    }
    globfree(&found);
    if (status == GLOB_ABORTED && number != ENOENT)
        return error_set(err, NEAP_EIO, "%s: %s", pattern, strerror(number));
    return NEAP_OK;
}
