/* The Lua files built into the program: scripts and stock plugins, sorted by path ("scripts/x.lua").
 * Generated into build/gen/embedded.c by tools/embed.lua. Constant, so any thread may read. */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *path;          /* from the root of the sources */
    const unsigned char *data; /* followed by a NUL that length does not count */
    size_t length;             /* bytes */
};

extern const struct embedded_file embedded_files[]; /* ends in an entry of NULLs */
extern const size_t embedded_count;

#endif
