/* Files and paths for the configuration. Pure but for the file system; any thread. */
#ifndef MODEL_CONFIG_FILE_H
#define MODEL_CONFIG_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "neap.h"

struct file_id {
    dev_t device;
    ino_t inode;
};

/* Appends the whole file. `id` may be NULL. The error says "PATH: why (did you mean PATH?)". */
int file_read(const char *path, size_t max_bytes, struct buf *out, struct file_id *id,
              struct neap_error *err);

/* `path` as seen from `dir`; "" or an absolute path: as it is. To free(). */
char *path_join(const char *dir, const char *path);
/* "conf/neap.ini" -> "conf", "neap.ini" -> "". To free(). */
char *path_dir(const char *path);

/* The files that `pattern` matches below `dir`, sorted, NULL-terminated; to be freed with
 * strings_free. None is fine where the pattern has wildcards, else that file's name is the answer.
 */
int path_match(const char *dir, const char *pattern, char ***out, struct neap_error *err);

void strings_free(char **strings); /* NULL is fine */

#endif
