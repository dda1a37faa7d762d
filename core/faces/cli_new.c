/* neap new: the beginnings of a plugin or a task, with a test and with editor and linter set up. */
#include "faces/cli.h"

#include "base/buf.h"
#include "base/embedded.h"
#include "base/mem.h"
#include "base/text.h"
#include "faces/cli_output.h"
#include "neap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* @TASK@ is the full name, @FILE@ the name of the file without .lua. */
static const char task_template[] =
    "---@type neap.Task\n"
    "return {\n"
    "  summary = \"Greets somebody\",\n"
    "  args = {\n"
    "    name = { \"string\", default = \"world\", help = \"who is greeted\" },\n"
    "  },\n"
    "  run = function(args)\n"
    "    return \"hello \" .. args.name\n"
    "  end,\n"
    "}\n";

static const char test_template[] = "-- Run by: neap test   (or busted)\n"
                                    "local test = require \"neap.test\"\n"
                                    "\n"
                                    "describe(\"@TASK@\", function()\n"
                                    "  local t\n"
                                    "\n"
                                    "  before_each(function()\n"
                                    "    t = test.load(\"@FILE@\")\n"
                                    "  end)\n"
                                    "\n"
                                    "  it(\"greets by name\", function()\n"
                                    "    local job = t:run({ name = \"Ada\" })\n"
                                    "    assert.equal(\"completed\", job.state)\n"
                                    "    assert.equal(\"hello Ada\", job.result)\n"
                                    "  end)\n"
                                    "\n"
                                    "  it(\"greets the world\", function()\n"
                                    "    assert.equal(\"hello world\", t:run().result)\n"
                                    "  end)\n"
                                    "end)\n";

static const char luarc[] = "{\n"
                            "  \"runtime.version\": \"Lua 5.4\",\n"
                            "  \"workspace.library\": [\".neap\"],\n"
                            "  \"workspace.ignoreDir\": [],\n"
                            "  \"diagnostics.globals\": [\"describe\", \"it\", \"pending\", "
                            "\"before_each\", \"after_each\", \"setup\", \"teardown\", "
                            "\"finally\"]\n"
                            "}\n";

static const char luacheckrc[] = "std = \"lua54\"\n"
                                 "exclude_files = { \".neap\" }\n"
                                 "files[\"**/*_test.lua\"] = { std = \"+busted\" }\n";

static const char bustedrc[] = "return {\n"
                               "  default = {\n"
                               "    lua = \"lua5.4\", pattern = \"_test\", ROOT = { \"@DIR@\" },\n"
                               "    lpath = \".neap/?.lua;.neap/?/init.lua\",\n"
                               "  },\n"
                               "}\n";

struct scaffold {               /* main thread */
    const char *dir;            /* of plugins */
    char *task, *plugin, *file; /* mail.send, mail (NULL: none), send */
    char *base;                 /* the directory of the files */
    struct output output;       /* the paths of what was made */
};

static int fail_path(int status, const char *path)
{
    return cli_fail(status, "new", "%s: %s", path, strerror(errno));
}

static int make_directories(const char *path)
{
    char *copy = mem_text(path);
    int status = CLI_OK;
    for (char *at = copy + 1; status == CLI_OK && at[-1]; at++) {
        if (*at != '/' && *at != 0)
            continue;
        const char was = *at;
        *at = 0;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            status = fail_path(CLI_OUTPUT, copy);
        *at = was;
    }
    free(copy);
    return status;
}

static void put_template(struct buf *out, const char *text, const struct scaffold *s)
{
    const struct {
        const char *mark, *value;
    } marks[] = {{"@TASK@", s->task}, {"@FILE@", s->file}, {"@DIR@", s->dir}};
    while (*text) {
        size_t i = 0;
        while (i < 3 && strncmp(text, marks[i].mark, strlen(marks[i].mark)) != 0)
            i++;
        if (i == 3) {
            buf_byte(out, (uint8_t)*text++);
            continue;
        }
        buf_text(out, marks[i].value);
        text += strlen(marks[i].mark);
    }
}

static int write_all(int fd, const struct buf *content)
{
    for (size_t at = 0; at < content->len;) {
        const ssize_t n = write(fd, content->data + at, content->len - at);
        if (n < 0 && errno != EINTR)
            return -1;
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Makes a file that must not be there yet. */
static int make_file(struct scaffold *s, const char *path, const struct buf *content)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_path(CLI_OUTPUT, path);
    const int rc = write_all(fd, content);
    if (close(fd) != 0 || rc != 0)
        return fail_path(CLI_OUTPUT, path);
    buf_format(output_buf(&s->output), "%s\n", path);
    return CLI_OK;
}

static int make_from(struct scaffold *s, char *path, const char *template)
{
    struct buf content = {0};
    put_template(&content, template, s);
    const int status = make_file(s, path, &content);
    buf_close(&content);
    free(path);
    return status;
}

/* What belongs to the project, not to the task: left as it is where it exists. */
static int make_once(struct scaffold *s, const char *path, const char *template)
{
    return access(path, F_OK) == 0 ? CLI_OK : make_from(s, mem_text(path), template);
}

/* What editors and busted need of neap itself, and where it goes below .neap. */
static char *support_path(const char *embedded)
{
    static const char scripts[] = "scripts/neap/test/";
    static const char *const shared[] = {"scripts/async.lua",  "scripts/groups.lua",
                                         "scripts/signal.lua", "scripts/schema.lua",
                                         "scripts/task.lua",   NULL};
    if (strstr(embedded, "/test/run.lua") || strstr(embedded, "/test/assert.lua"))
        return NULL; /* busted has its own */
    if (strcmp(embedded, "share/neap.d.lua") == 0)
        return mem_text(".neap/neap.d.lua");
    for (const char *const *name = shared; *name; name++)
        if (strcmp(embedded, *name) == 0)
            return mem_format(".neap/neap/test/%s", embedded + strlen("scripts/"));
    if (strncmp(embedded, scripts, strlen(scripts)) == 0)
        return mem_format(".neap/neap/test/%s", embedded + strlen(scripts));
    return NULL;
}

static int make_support(struct scaffold *s)
{
    struct output *shown = &s->output;
    const size_t before = output_buf(shown)->len;
    int status = make_directories(".neap/neap/test");
    for (const struct embedded_file *f = embedded_files; f->path && status == CLI_OK; f++) {
        char *path = support_path(f->path);
        if (path)
            status = make_once(s, path, (const char *)f->data);
        free(path);
    }
    if (output_buf(shown)->len > before) { /* one line for all of it */
        output_buf(shown)->len = before;
        buf_text(output_buf(shown), ".neap\n");
    }
    return status;
}

static int refuse_existing(const struct scaffold *s, bool plugin)
{
    char *path = plugin ? mem_text(s->base) : mem_format("%s/%s.lua", s->base, s->file);
    int status = CLI_OK;
    if (access(path, F_OK) == 0)
        status = cli_fail(CLI_OUTPUT, "new", "%s is there already; nothing was changed", path);
    free(path);
    return status;
}

static int make_all(struct scaffold *s)
{
    int status = make_directories(s->base);
    if (status == CLI_OK)
        status = make_from(s, mem_format("%s/%s.lua", s->base, s->file), task_template);
    if (status == CLI_OK)
        status = make_from(s, mem_format("%s/%s_test.lua", s->base, s->file), test_template);
    if (status == CLI_OK)
        status = make_once(s, ".luarc.json", luarc);
    if (status == CLI_OK)
        status = make_once(s, ".luacheckrc", luacheckrc);
    if (status == CLI_OK)
        status = make_once(s, ".busted", bustedrc);
    return status == CLI_OK ? make_support(s) : status;
}

/* mail.send -> plugin mail, file send; send -> no plugin. For a plugin the task is hello. */
static int take_name(struct scaffold *s, const char *name, bool plugin)
{
    const char *dot = plugin ? NULL : strchr(name, '.');
    const size_t head = dot ? (size_t)(dot - name) : strlen(name);
    const char *file = plugin ? "hello" : dot ? dot + 1 : name;
    if (!text_name(name, head, NEAP_TASK_MAX) || !text_name(file, strlen(file), NEAP_TASK_MAX))
        return cli_fail(CLI_USAGE, "new", "\"%s\" is no name for a %s: letters, digits, _ and -%s",
                        name, plugin ? "plugin" : "task", plugin ? "" : "; at most one dot");
    if (file[0] == '_' || (strlen(file) > 5 && strcmp(file + strlen(file) - 5, "_test") == 0))
        return cli_fail(CLI_USAGE, "new", "files called _* and *_test are no tasks");
    s->file = mem_text(file);
    s->plugin = plugin || dot ? mem_format("%.*s", (int)head, name) : NULL;
    s->task = s->plugin ? mem_format("%s.%s", s->plugin, file) : mem_text(file);
    s->base = s->plugin ? mem_format("%s/%s", s->dir, s->plugin) : mem_text(s->dir);
    if (strlen(s->task) > NEAP_TASK_MAX)
        return cli_fail(CLI_USAGE, "new", "%s: a task's full name has at most %d bytes", s->task,
                        NEAP_TASK_MAX);
    return refuse_existing(s, plugin);
}

int cli_new(const struct cli_args *args)
{
    struct scaffold s = {.dir = cli_value(args, "plugins")};
    const bool plugin = args->n_operands == 2 && strcmp(args->operands[0], "plugin") == 0;
    if (args->n_operands != 2 || (!plugin && strcmp(args->operands[0], "task") != 0))
        return cli_fail(CLI_USAGE, "new", "what? (usage: neap new %s)", args->command->operands);
    if (!s.dir)
        s.dir = "plugins";
    output_open(&s.output, NULL);
    int status = take_name(&s, args->operands[1], plugin);
    if (status == CLI_OK)
        status = make_all(&s);
    const int written = output_end(&s.output, "new");
    if (status == CLI_OK)
        cli_fail(0, "new", "try: neap run %s%s", s.task,
                 strcmp(s.dir, "plugins") == 0 ? "" : " --plugins ...");
    free(s.file);
    free(s.plugin);
    free(s.task);
    free(s.base);
    return written ? written : status;
}
