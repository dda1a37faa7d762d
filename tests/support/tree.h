/* A temporary directory for a test, and quick ways to fill it. Paths are relative to it unless
 * absolute; text is printf-like. Failures abort the program: they are the test's environment. */
#ifndef SUPPORT_TREE_H
#define SUPPORT_TREE_H

#include <stdbool.h>

struct tree {
    char dir[64];
};

void tree_init(struct tree *tree);
void tree_close(struct tree *tree); /* deletes everything */

const char *tree_path(const struct tree *tree, const char *path, char out[512]);
void tree_write(const struct tree *tree, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* makes the directories above it, writes in place */
void tree_mkdir(const struct tree *tree, const char *path);
void tree_remove(const struct tree *tree, const char *path); /* one file or link */
void tree_rename(const struct tree *tree, const char *from, const char *to);
void tree_flip(const struct tree *tree, const char *link, const char *target); /* atomically */
void tree_age(const struct tree *tree); /* returns once all that is there has settled */

/* What is in a file of the repository, to free(). */
char *tree_repository_file(const char *path);

/* Runs a shell command in the directory; its exit status. Quiet unless it fails. */
int tree_run(const struct tree *tree, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool tree_has_program(const char *name);

#endif
