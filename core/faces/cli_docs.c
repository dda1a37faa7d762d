/* The man page and the shell completions, from the tables of commands. `./dev` and a test keep the
 * files in docs/ and completions/ equal to what this prints. */
#include "faces/cli.h"

#include "base/buf.h"
#include "neap.h"

#include <string.h>

/* Text for roff: a backslash and a dash as they are, nothing that looks like a request. */
static void put_roff(struct buf *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        buf_text(out, "\\&");
    for (; *text; text++) {
        if (*text == '\\')
            buf_text(out, "\\e");
        else if (*text == '-')
            buf_text(out, "\\-");
        else
            buf_byte(out, (uint8_t)*text);
    }
}

static void put_paragraph(struct buf *out, const char *text)
{
    buf_text(out, ".PP\n");
    put_roff(out, text);
    buf_byte(out, '\n');
}

static void put_man_option(struct buf *out, const struct cli_option *o)
{
    buf_text(out, ".TP\n");
    if (o->letter)
        buf_format(out, "\\fB\\-%c\\fR, ", o->letter);
    buf_text(out, "\\fB\\-\\-");
    put_roff(out, o->name);
    buf_text(out, "\\fR");
    if (o->arg)
        buf_format(out, "%s\\fI%s\\fR", cli_needs_word(o) ? " " : "", o->arg);
    buf_byte(out, '\n');
    put_roff(out, o->help);
    buf_byte(out, '\n');
    if (o->values && strchr(o->values, ' '))
        buf_format(out, "(one of: %s)\n", o->values);
}

static void put_man_command(struct buf *out, const struct cli_command *c)
{
    buf_format(out, ".SS neap %s %s\n", c->name, c->operands);
    put_roff(out, c->summary);
    buf_text(out, ".\n");
    for (const char *const *text = c->text; text && *text; text++)
        put_paragraph(out, *text);
    for (const struct cli_option *o = c->options; o && o->name; o++)
        if (!o->hidden)
            put_man_option(out, o);
}

static void put_man_tail(struct buf *out)
{
    buf_text(out, ".SH EXIT STATUS\n");
    for (const struct cli_status *s = cli_statuses; s->meaning; s++)
        buf_format(out, ".TP\n%d%s\n%s\n", s->status, s->status == CLI_SIGNAL ? "+" : "",
                   s->meaning);
    buf_text(
        out,
        ".SH ENVIRONMENT\n.TP\nNEAP_CONFIG\nthe configuration to read where \\-c is not given\n"
        ".TP\nNEAP_SOCKET\nthe daemon's socket, for the commands that talk to one\n"
        ".TP\nNEAP_TOKEN\nwhat they show a daemon that they reach over TCP\n"
        ".TP\nNO_COLOR\nif set, nothing is coloured and no progress bar is drawn\n"
        ".TP\nCOLUMNS\nhow wide tables may be on a terminal\n"
        ".SH FILES\n.TP\n\\&./neap.ini\nthe configuration, if there\n"
        ".TP\n/etc/neap/neap.ini\nfor serve, check, config and the commands that talk to a daemon, "
        "if there is no other\n"
        ".TP\n\\&./neap.sock\nthe daemon's socket by default\n"
        ".TP\n\\&./plugins\nwhere plugins are by default\n"
        ".SH EXAMPLES\n.EX\nneap run ./double.lua '21'\n"
        "printf '%s\\en' a b c | neap map ./upper.lua\n"
        "neap map mail.send \\-\\-jsonl \\-\\-joblog sent.log \\-\\-resume < letters.jsonl\n.EE\n");
}

void cli_man_page(struct buf *out)
{
    buf_text(
        out,
        ".TH NEAP 1 \"\" \"neap " NEAP_VERSION "\"\n.SH NAME\n"
        "neap \\- run tasks written in Lua on a pool of threads\n"
        ".SH SYNOPSIS\n.B neap\n.I COMMAND\n[options]\n.SH COMMANDS\n"
        "Options and operands may be mixed; \\-\\- ends the options; \\-h explains a command.\n"
        "Data goes to standard output, everything else to standard error.\n");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        put_man_command(out, c);
    put_man_tail(out);
}

static void put_command_names(struct buf *out)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        buf_format(out, "%s%s", c == cli_commands ? "" : " ", c->name);
}

static void put_option_words(struct buf *out, const struct cli_command *c)
{
    buf_text(out, "-h --help");
    for (const struct cli_option *o = c->options; o && o->name; o++) {
        if (o->hidden)
            continue;
        if (o->letter)
            buf_format(out, " -%c", o->letter);
        buf_format(out, " --%s", o->name);
    }
}

static const char *operand_words(const struct cli_command *c) /* NULL: files */
{
    static const struct {
        const char *command, *words;
    } known[] = {
        {"new", "plugin task"},
        {"queue", "ls show pause resume set"},
        {"schedule", "ls show run pause resume"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(c->name, known[i].command) == 0)
            return known[i].words;
    return NULL;
}

/* One case of the shell's choice by command and the word before, for options that take an argument.
 */
static void put_bash_argument(struct buf *out, const struct cli_command *c,
                              const struct cli_option *o)
{
    buf_format(out, "        \"%s --%s\"", c->name, o->name);
    if (o->letter)
        buf_format(out, " | \"%s -%c\"", c->name, o->letter);
    if (o->values)
        buf_format(out, ") COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", o->values);
    else if (strcmp(o->arg, "FILE") == 0)
        buf_text(out, ") COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n");
    else if (strcmp(o->arg, "DIR") == 0)
        buf_text(out, ") COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n");
    else
        buf_text(out, ") return ;;\n");
}

static void put_bash(struct buf *out)
{
    buf_text(out,
             "# bash completion for neap; made by: neap help --completion bash\n"
             "# shellcheck shell=bash disable=SC2207\n_neap() {\n"
             "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
             "    COMPREPLY=()\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
             "        COMPREPLY=($(compgen -W '");
    put_command_names(out);
    buf_text(
        out,
        "' -- \"$word\"))\n        return\n    fi\n    case \"${COMP_WORDS[1]} $before\" in\n");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        for (const struct cli_option *o = c->options; o && o->name; o++)
            if (cli_needs_word(o) && !o->hidden)
                put_bash_argument(out, c, o);
    buf_text(out, "    esac\n    case ${COMP_WORDS[1]} in\n");
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        buf_format(out, "        %s) words='", c->name);
        put_option_words(out, c);
        if (operand_words(c))
            buf_format(out, " %s", operand_words(c));
        if (strcmp(c->name, "help") == 0) {
            buf_byte(out, ' ');
            put_command_names(out);
        }
        buf_text(out, "' ;;\n");
    }
    buf_text(out, "    esac\n    if [[ $word == -* ]] || [[ ");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (operand_words(c))
            buf_format(out, "${COMP_WORDS[1]} == %s || ", c->name);
    buf_text(out, "${COMP_WORDS[1]} == help ]]; then\n"
                  "        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n    else\n"
                  "        COMPREPLY=($(compgen -f -- \"$word\"))\n    fi\n}\n"
                  "complete -o filenames -F _neap neap\n");
}

/* Text inside single quotes of zsh's or fish's, in zsh also inside [] and before a colon. */
static void put_quoted(struct buf *out, const char *text, bool zsh)
{
    for (; *text; text++) {
        if (*text == '\'')
            buf_text(out, zsh ? "'\\''" : "\\'");
        else if (zsh && strchr("[]:\\", *text))
            buf_format(out, "\\%c", *text);
        else
            buf_byte(out, (uint8_t)*text);
    }
}

static void put_zsh_argument(struct buf *out, const struct cli_option *o)
{
    if (!o->arg)
        return;
    buf_format(out, cli_needs_word(o) ? ":%s:" : "::%s:", cli_needs_word(o) ? o->arg : "value");
    if (o->values)
        buf_format(out, "(%s)", o->values);
    else if (strcmp(o->arg, "FILE") == 0)
        buf_text(out, "_files");
    else if (strcmp(o->arg, "DIR") == 0)
        buf_text(out, "_files -/");
    else
        buf_byte(out, ' ');
}

static void put_zsh_option(struct buf *out, const struct cli_option *o)
{
    if (o->letter)
        buf_format(out, "                '*'{-%c%s,--%s%s}'[", o->letter,
                   cli_needs_word(o) ? "+" : "", o->name,
                   cli_needs_word(o) ? "="
                   : o->arg          ? "=-"
                                     : "");
    else if (o->arg && !cli_needs_word(o))
        buf_format(out, "                '*--%s=-[", o->name);
    else
        buf_format(out, "                '*--%s%s[", o->name, o->arg ? "=" : "");
    put_quoted(out, o->help, true);
    buf_byte(out, ']');
    put_zsh_argument(out, o);
    buf_text(out, "' \\\n");
}

static void put_zsh(struct buf *out)
{
    buf_text(out, "#compdef neap\n# made by: neap help --completion zsh\n_neap() {\n"
                  "    local -a commands=(\n");
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        buf_format(out, "        '%s:", c->name);
        put_quoted(out, c->summary, false);
        buf_text(out, "'\n");
    }
    buf_text(out, "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n"
                  "        return\n    fi\n    local command=$words[2]\n    shift words\n"
                  "    (( CURRENT-- ))\n    case $command in\n");
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        buf_format(out, "        %s)\n            _arguments \\\n", c->name);
        for (const struct cli_option *o = c->options; o && o->name; o++)
            if (!o->hidden)
                put_zsh_option(out, o);
        buf_text(out, "                '(-h --help)'{-h,--help}'[explain the command]' \\\n");
        if (operand_words(c))
            buf_format(out, "                ':what:(%s)' '*:name: ' ;;\n", operand_words(c));
        else if (strcmp(c->name, "help") == 0) {
            buf_text(out, "                ':command:(");
            put_command_names(out);
            buf_text(out, ")' ;;\n");
        } else
            buf_format(out, "                %s ;;\n", c->most ? "'*:file:_files'" : "");
    }
    buf_text(out, "    esac\n}\n_neap \"$@\"\n");
}

static void put_fish(struct buf *out)
{
    buf_text(out, "# fish completion for neap; made by: neap help --completion fish\n");
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        buf_format(out, "complete -c neap -f -n __fish_use_subcommand -a %s -d '", c->name);
        put_quoted(out, c->summary, false);
        buf_text(out, "'\n");
    }
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        for (const struct cli_option *o = c->options; o && o->name; o++) {
            if (o->hidden)
                continue;
            buf_format(out, "complete -c neap -n '__fish_seen_subcommand_from %s' -l %s", c->name,
                       o->name);
            if (o->letter)
                buf_format(out, " -s %c", o->letter);
            if (o->values)
                buf_format(out, " -x -a '%s'", o->values);
            else if (cli_needs_word(o))
                buf_text(out,
                         strcmp(o->arg, "FILE") == 0 || strcmp(o->arg, "DIR") == 0 ? " -r" : " -x");
            buf_text(out, " -d '");
            put_quoted(out, o->help, false);
            buf_text(out, "'\n");
        }
        if (operand_words(c))
            buf_format(out, "complete -c neap -f -n '__fish_seen_subcommand_from %s' -a '%s'\n",
                       c->name, operand_words(c));
    }
}

int cli_completion(struct buf *out, const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        put_bash(out);
    else if (strcmp(shell, "zsh") == 0)
        put_zsh(out);
    else if (strcmp(shell, "fish") == 0)
        put_fish(out);
    else
        return 0;
    return 1;
}
