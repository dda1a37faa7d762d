/* Reads INI text through inih, around its traps: inih cuts a line over 199 bytes and takes the rest
 * for another key, cuts a section's name at 49, tells no line numbers, and takes any indented line
 * for more of the value above. So it gets its lines from a reader of ours that knows where it is.
 * Pure. */
#ifndef MODEL_CONFIG_READER_H
#define MODEL_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>

struct config_item {
    const char *key, *value; /* value: its lines joined by spaces */
    int line;
    bool cut; /* " ;" inside quotes began a comment: the value is not whole */
};

struct config_events {
    /* A header; its name with single spaces. NULL: it was bad (reported); its keys mean nothing. */
    void (*section)(void *user, const char *name, int line);
    void (*item)(void *user, const struct config_item *item);
    void (*problem)(void *user, int line, const char *key, const char *text); /* key may be NULL */
};

void config_read_text(const char *text, size_t len, const struct config_events *events, void *user);

#endif
