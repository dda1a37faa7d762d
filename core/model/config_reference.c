/* docs/configuration.md, from the table. */
#include "model/config.h"

#include "base/buf.h"
#include "model/config_options.h"
#include "model/config_value.h"

#include <string.h>

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "This page is generated from the table that neap parses with (`core/model/config_options.c`).\n"
    "\n"
    "neap needs no configuration. Where there is one, it is an INI file: `-c FILE`, else the file "
    "that\n"
    "`NEAP_CONFIG` names, else `./neap.ini`, else, for `serve` only, `/etc/neap/neap.ini`.\n"
    "`neap config` prints every setting with its value and where it came from; `neap check` says "
    "what\n"
    "is wrong.\n"
    "\n"
    "## The file\n"
    "\n"
    "```ini\n"
    "[neap]\n"
    "plugins = plugins, /etc/neap/plugins\n"
    "include = conf.d/*.ini\n"
    "\n"
    "[pool default]\n"
    "workers = 4\n"
    "\n"
    "[queue mail]\n"
    "concurrency = 20\n"
    "rate = 100/m                      ; smooth: one start every 600 ms\n"
    "\n"
    "[task mail.*]\n"
    "retry.max = 3\n"
    "config.api = env:REPORTS_API\n"
    "\n"
    "[schedule nightly]\n"
    "task = mail.report\n"
    "cron = 0 3 * * 1-5\n"
    "args = {\"user\": 1,\n"
    "        \"day\": \"2026-01-01\"}\n"
    "```\n"
    "\n"
    "- Keys stand at the beginning of a line. An indented line continues the value above; the "
    "lines are\n"
    "  joined by a space.\n"
    "- A line that begins with `;` or `#` is a comment. A `;` after a space begins one too, also "
    "inside\n"
    "  quotes: in JSON write `\\u003b` for that semicolon. Quotes have no meaning of their own.\n"
    "- A line has at most 199 bytes, comments apart; the name of a section at most 49.\n"
    "- An unknown section or key, a bad value and a key set twice in one file are mistakes. neap "
    "lists all of\n"
    "  them as `FILE:LINE: [section] key: what is wrong`, starts nothing and exits with 78.\n"
    "- Paths are relative to the file they stand in; those of the command line and defaults, to "
    "the "
    "current directory.\n"
    "- What counts most: `--set '[section] key=value'` (of any length, and `;` is no comment "
    "there), then the\n"
    "  files that `include` names (the last one read wins, and each beats the file that includes "
    "it), then\n"
    "  the file itself, then what a task's own file says.\n"
    "- The names of pools, queues and schedules are letters, digits, `_` and `-`, at most 40.\n"
    "- Durations: seconds, or `250ms`, `1.5s`, `2m`, `1h30m`, `1d`.\n"
    "- Sizes: bytes, or `64K`, `16M`, `1G` (powers of 1024).\n"
    "- On SIGHUP `neap serve` reads all of it again: the whole takes effect, or, if there is a "
    "mistake or a\n"
    "  change to a key marked *restart*, nothing of it.\n"
    "- Every pool that says nothing of `queues` serves `*`, and only one pool may: with several "
    "pools, name the\n"
    "  queues of all but one. Each queue that a section names must be served by some pool.\n";

static void put_cell(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '|')
            buf_byte(out, '\\');
        buf_byte(out, (uint8_t)*p);
    }
}

static void put_option(struct buf *out, const struct option *option)
{
    struct buf shape = {0};
    value_put_shape(&shape, option);
    buf_format(out, "| `%s%s` | ", option->key, option->type == OPTION_CONFIG ? "NAME" : "");
    put_cell(out, buf_string(&shape));
    buf_text(out, " | ");
    if (option->fallback)
        buf_format(out, "`%s`", option->fallback);
    if (option->service_fallback)
        buf_format(out, " (`serve`: `%s`)", option->service_fallback);
    buf_text(out, " | ");
    put_cell(out, option->help);
    if (option->flags & OPTION_RESTART)
        buf_text(out, " *restart*");
    buf_text(out, " |\n");
    buf_close(&shape);
}

char *config_reference(void)
{
    struct buf out = {0};
    buf_text(&out, introduction);
    for (size_t i = 0; i < SECTIONS; i++) {
        const struct section_kind *kind = &section_kinds[i];
        buf_format(&out, "\n## [%s%s%s]\n\n%s\n\n", kind->name, kind->argument ? " " : "",
                   kind->argument ? kind->argument : "", kind->help);
        buf_text(&out, "| key | value | default | |\n|---|---|---|---|\n");
        for (size_t n = 0; n < kind->n_options; n++)
            put_option(&out, &kind->options[n]);
    }
    return buf_take(&out);
}
