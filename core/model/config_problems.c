/* The mistakes of one loading: collected, then told in the order of the files. */
#include "model/config_private.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_MAX 100

/* Whatever bytes a file holds, the message is a line of text. */
static char *printable(struct buf *line)
{
    struct buf out = {0};
    text_put_utf8(&out, line->data, line->len);
    for (size_t i = 0; i < out.len; i++)
        if ((uint8_t)out.data[i] < ' ' || out.data[i] == 127)
            out.data[i] = '?';
    buf_close(line);
    return buf_take(&out);
}

void loading_problem(struct config_loading *l, struct config_place place, const char *section,
                     const char *key, const char *format, ...)
{
    char text[1500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *where = config_place_text(l->config, place);
    struct buf line = {0};
    if (where)
        buf_format(&line, "%s: ", where);
    if (section)
        buf_format(&line, "[%s]%s", section, key ? " " : ": ");
    if (key)
        buf_format(&line, "%s: ", key);
    buf_text(&line, text);
    free(where);
    l->problems = mem_grow(l->problems, l->n_problems + 1, sizeof *l->problems);
    l->problems[l->n_problems] =
        (struct config_problem){.place = place, .serial = l->n_problems, .text = printable(&line)};
    l->n_problems++;
}

static int by_place(const void *a, const void *b)
{
    const struct config_problem *x = a, *y = b;
    if (x->place.file != y->place.file)
        return x->place.file < y->place.file ? -1 : 1;
    if (x->place.line != y->place.line)
        return x->place.line < y->place.line ? -1 : 1;
    return x->serial < y->serial ? -1 : 1;
}

int loading_report(struct config_loading *l, struct neap_error *err)
{
    int rc = NEAP_OK;
    if (l->n_problems == 0)
        goto out;
    qsort(l->problems, l->n_problems, sizeof *l->problems, by_place);
    const struct config_source *source = l->source;
    for (size_t i = 0; source->problem && i < l->n_problems && i < TOLD_MAX; i++)
        source->problem(source->user, l->problems[i].text);
    if (source->problem && l->n_problems > TOLD_MAX) {
        char *more = mem_format("... and %zu more mistakes", l->n_problems - TOLD_MAX);
        source->problem(source->user, more);
        free(more);
    }
    if (l->n_problems == 1)
        rc = error_set(err, NEAP_ECONFIG, "%s", l->problems[0].text);
    else
        rc = error_set(err, NEAP_ECONFIG, "%zu mistakes in the configuration", l->n_problems);
out:
    for (size_t i = 0; i < l->n_problems; i++)
        free(l->problems[i].text);
    free(l->problems);
    l->problems = NULL;
    l->n_problems = 0;
    return rc;
}
