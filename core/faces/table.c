#include "faces/table.h"

#include "base/mem.h"
#include "faces/term.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GAP 2

void table_init(struct table *t, const struct table_column *columns, size_t count)
{
    assert(count <= TABLE_COLUMNS);
    *t = (struct table){.columns = columns, .n_columns = count};
    t->fit = isatty(STDOUT_FILENO) ? term_columns() : 0;
    t->colours = term_colour(STDOUT_FILENO);
}

static void drop_cells(struct table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i]);
    t->n_cells = 0;
}

void table_close(struct table *t)
{
    drop_cells(t);
    free(t->cells);
    t->cells = NULL;
}

static void add(struct table *t, const char *text, size_t len)
{
    struct buf clean = {0};
    term_text(&clean, text, len, TERM_LINE);
    t->cells = mem_grow(t->cells, t->n_cells + 1, sizeof *t->cells);
    buf_string(&clean);
    t->cells[t->n_cells++] = buf_take(&clean);
}

void table_text(struct table *t, const char *text)
{
    add(t, text ? text : "", text ? strlen(text) : 0);
}

void table_number(struct table *t, int64_t number)
{
    struct buf text = {0};
    buf_format(&text, "%lld", (long long)number);
    table_take(t, &text);
}

void table_take(struct table *t, struct buf *text)
{
    add(t, text->data ? text->data : "", text->len);
    buf_close(text);
}

static void widen(struct table *t, size_t column, const char *text)
{
    const size_t width = term_width(text, strlen(text));
    if (width > t->widths[column])
        t->widths[column] = width;
}

static void put_spaces(struct buf *out, size_t count)
{
    while (count--)
        buf_byte(out, ' ');
}

static void put_cell(const struct table *t, struct buf *out, size_t column, const char *text,
                     size_t *at)
{
    const bool last = column + 1 == t->n_columns;
    const size_t len = strlen(text), width = term_width(text, len);
    const size_t pad = t->widths[column] > width ? t->widths[column] - width : 0;
    const char *colour =
        t->colours && t->columns[column].colour ? t->columns[column].colour(text) : NULL;
    const size_t room = t->fit > *at ? t->fit - *at : 0;
    const size_t bytes = t->fit && width + pad > room ? term_fit(text, len, room) : len;
    if (t->columns[column].right)
        put_spaces(out, pad);
    if (colour)
        buf_format(out, "\033[%sm", colour);
    buf_put(out, text, bytes);
    if (colour)
        buf_text(out, "\033[0m");
    if (!t->columns[column].right && !last)
        put_spaces(out, pad);
    if (!last)
        put_spaces(out, GAP);
    *at += width + pad + GAP;
}

static void put_row(const struct table *t, struct buf *out, char *const *cells)
{
    size_t at = 0;
    const size_t start = out->len;
    for (size_t i = 0; i < t->n_columns; i++) {
        if (t->fit && at >= t->fit)
            break;
        put_cell(t, out, i, cells ? cells[i] : t->columns[i].title, &at);
    }
    while (out->len > start && out->data[out->len - 1] == ' ')
        out->len--;
    buf_byte(out, '\n');
}

void table_put(struct table *t, struct buf *out)
{
    assert(t->n_cells % t->n_columns == 0);
    for (size_t i = 0; i < t->n_columns && !t->titled; i++)
        widen(t, i, t->columns[i].title);
    for (size_t i = 0; i < t->n_cells; i++)
        widen(t, i % t->n_columns, t->cells[i]);
    if (!t->titled)
        put_row(t, out, NULL);
    t->titled = true;
    for (size_t i = 0; i < t->n_cells; i += t->n_columns)
        put_row(t, out, t->cells + i);
    drop_cells(t);
}

void table_again(struct table *t)
{
    t->titled = false;
    t->fit = isatty(STDOUT_FILENO) ? term_columns() : 0;
    memset(t->widths, 0, sizeof t->widths);
}
