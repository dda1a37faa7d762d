/* Finding one's way in the text of a JSON document that is known to be good, so that what is handed
 * on stays as it came, byte for byte: numbers of any size, keys of any kind. */
#ifndef FACES_JSON_TEXT_H
#define FACES_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct json_text { /* borrows */
    const char *text;
    size_t len;
};

/* The value of a member of an object. False: it is no object, or has none. `name` needs no escapes.
 */
bool json_text_member(struct json_text object, const char *name, struct json_text *value);
/* The next element of an array; *at is 0 at first. False: there is none. */
bool json_text_element(struct json_text array, size_t *at, struct json_text *value);

#endif
