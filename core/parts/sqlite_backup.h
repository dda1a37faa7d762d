/* A copy of a database in use, in steps. What is written meanwhile by the same connection goes into
 * both. It has another name until it is whole and on the disk. Owner: the store. */
#ifndef PARTS_SQLITE_BACKUP_H
#define PARTS_SQLITE_BACKUP_H

#include <sqlite3.h>

#include "neap.h"

struct sqlite_backup;

/* NEAP_EIO: there is a file of that name, or it cannot be made. */
int sqlite_backup_begin(struct sqlite_backup **out, sqlite3 *from, const char *path,
                        struct neap_error *err);
/* NEAP_EAGAIN: there is more to do. Else it is over and *backup NULL: NEAP_OK, or NEAP_EIO and the
 * copy removed. */
int sqlite_backup_step(struct sqlite_backup **backup, struct neap_error *err);
void sqlite_backup_stop(struct sqlite_backup **backup); /* removes it; NULL is fine */

#endif
