/* C modules of the host, for `require`. The list is fixed before the threads start. */
#ifndef RUNTIME_PRELOAD_H
#define RUNTIME_PRELOAD_H

struct preload {
    char *name;
    int (*open)(void *lua_state);
    struct preload *next;
};

#endif
