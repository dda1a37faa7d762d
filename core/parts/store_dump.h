/* A store's file that no process has open, for reading. Owner: one thread. */
#ifndef PARTS_STORE_DUMP_H
#define PARTS_STORE_DUMP_H

#include <stddef.h>
#include <stdint.h>

#include "model/job.h"

struct store_dump;

/* Errors as sqlite_file_read. */
int store_dump_open(struct store_dump **out, const char *path, int64_t now_ms,
                    struct neap_error *err);
void store_dump_close(struct store_dump *d); /* NULL is fine */

/* Each job, good during the call: those that have not ended, then those that have, in order of
 * their ids. Rows that are damaged are left out; NEAP_EIO at the end says how many. */
int store_dump_each(struct store_dump *d, void *user,
                    void (*each)(void *user, const struct job *job), struct neap_error *err);

/* Looks at all pages, rows and counts; each problem is a line of text. */
void store_dump_check(struct store_dump *d, void *user,
                      void (*problem)(void *user, const char *text));

#endif
