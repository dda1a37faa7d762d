/* The Lua files built into the program: scripts/, plugins/ and share/, sorted. Constant, so any
 * thread may read. tools/embed.lua writes them into build/gen/embedded.c. */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *path;          /* "scripts/x.lua" */
    const unsigned char *data; /* followed by a NUL that length does not count */
    size_t length;             /* bytes */
    const unsigned char
        *code; /* of scripts/: the same as bytecode of the Lua that built it; or NULL */
    size_t code_length;
};

extern const struct embedded_file embedded_files[]; /* ends in an entry of NULLs */
extern const size_t embedded_count;

#endif
