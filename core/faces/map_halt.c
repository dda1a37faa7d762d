#include "faces/map_halt.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define FEWEST 10 /* ended ones that a part of them means anything of */

bool halt_parse(struct halt *h, const char *text)
{
    char number[24];
    const bool now = strncmp(text, "now,fail=", 9) == 0;
    if (!now && strncmp(text, "soon,fail=", 10) != 0)
        return false;
    const char *value = text + (now ? 9 : 10);
    const size_t len = strcspn(value, "%");
    if (len >= sizeof number || (value[len] && value[len + 1]))
        return false;
    snprintf(number, sizeof number, "%.*s", (int)len, value);
    *h = (struct halt){.now = now, .percent = value[len] == '%'};
    return text_integer(number, &h->fail) && h->fail > 0 && (!h->percent || h->fail <= 100);
}

bool halt_reached(const struct halt *h, const struct map_counts *c)
{
    const uint64_t failed = map_counts_failed(c), ended = map_counts_ended(c);
    if (h->fail == 0 || failed == 0)
        return false;
    if (!h->percent)
        return failed >= (uint64_t)h->fail;
    if (c->total > 0)
        return failed * 100 >= (uint64_t)h->fail * (uint64_t)c->total;
    return ended >= FEWEST && failed * 100 >= (uint64_t)h->fail * ended;
}
