/* neap.mail: mails that are sent while others run (smtp.c speaks with the server, mail.c writes
 * what it gets). */
#include "runtime/lua_core.h"

#include "base/clock.h"
#include "base/mem.h"
#include "model/mail.h"
#include "runtime/lua_options.h"
#include "runtime/smtp.h"
#include "runtime/vm.h"
#include "runtime/worker_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>

#define WHO "neap.mail.send"
#define BOX "neap.mail"
#define RECIPIENTS_MAX 1000
#define FILES_MAX 100
#define HEADERS_MAX 100
#define BYTES_MAX ((size_t)64 << 20) /* of all texts and files of a mail */

struct letter {
    struct mail mail;
    struct mail_address *bcc;
    size_t n_bcc, bytes;
    struct smtp_options o;
    char id[MAIL_ADDRESS_MAX + 64], boundary[33];
    const char *problem; /* a word: what is wrong is at PROBLEM on the stack */
};

#define PROBLEM 2

/* The first one counts. Takes the text on top of the stack. */
static void set_problem(lua_State *L, struct letter *letter, const char *word)
{
    if (letter->problem) {
        lua_pop(L, 1);
        return;
    }
    letter->problem = word;
    lua_replace(L, PROBLEM);
}

/* --- people ----------------------------------------------------------------------------------- */

/* Memory that lives as long as this call: a userdata left on the stack. */
static void *scratch(lua_State *L, size_t count, size_t size)
{
    return lua_newuserdatauv(L, (count ? count : 1) * size, 0);
}

static void parse_address(lua_State *L, struct letter *letter, const char *option, const char *text,
                          size_t len, struct mail_address *out)
{
    if (mail_address_parse(text, len, out))
        return;
    lua_pushfstring(L, "%s: '%s' is not one mail address", option, text);
    set_problem(L, letter, "address");
}

static void one_address(lua_State *L, struct letter *letter, const char *option,
                        struct mail_address *out)
{
    size_t len = 0;
    const char *text = lua_option_text(L, 1, WHO, option, &len);
    if (text)
        parse_address(L, letter, option, text, len, out);
}

/* A string, or a list of strings. */
static struct mail_address *addresses(lua_State *L, struct letter *letter, const char *option,
                                      size_t *count)
{
    const int type = lua_option(L, 1, option);
    const int at = lua_gettop(L);
    *count = type == LUA_TTABLE ? lua_rawlen(L, at) : type == LUA_TSTRING;
    if (type != LUA_TTABLE && type != LUA_TSTRING && type != LUA_TNIL)
        luaL_error(L, WHO ": %s is an address or a list of addresses, got %s", option,
                   luaL_typename(L, at));
    if (*count > RECIPIENTS_MAX)
        luaL_error(L, WHO ": more than %d recipients in %s", RECIPIENTS_MAX, option);
    struct mail_address *list = scratch(L, *count, sizeof *list);
    for (size_t i = 0; i < *count; i++) {
        size_t len;
        if (type == LUA_TTABLE)
            lua_rawgeti(L, at, (lua_Integer)i + 1);
        else
            lua_pushvalue(L, at);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, WHO ": %s[%d] is a string, got %s", option, (int)i + 1,
                       luaL_typename(L, -1));
        const char *text = lua_tolstring(L, -1, &len);
        parse_address(L, letter, option, text, len, &list[i]);
        lua_pop(L, 1); /* the table holds it */
    }
    return list;
}

static void check_people(lua_State *L, struct letter *letter)
{
    one_address(L, letter, "from", &letter->mail.from);
    one_address(L, letter, "reply_to", &letter->mail.reply_to);
    letter->mail.to = addresses(L, letter, "to", &letter->mail.n_to);
    letter->mail.cc = addresses(L, letter, "cc", &letter->mail.n_cc);
    letter->bcc = addresses(L, letter, "bcc", &letter->n_bcc);
    if (lua_option(L, 1, "from") == LUA_TNIL)
        luaL_error(L, WHO ": from is missing");
    if (letter->mail.n_to + letter->mail.n_cc + letter->n_bcc == 0)
        luaL_error(L, WHO ": there is no recipient: give to, cc or bcc");
    lua_pop(L, 1);
}

/* --- headers and texts ------------------------------------------------------------------------ */

static void check_header(lua_State *L, struct mail_header *out) /* on top: value, below: name */
{
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, WHO ": headers is a table of strings by name");
    const char *name = lua_tostring(L, -2);
    size_t len;
    if (strlen(name) != lua_rawlen(L, -2) || !mail_header_name(name))
        luaL_error(L, WHO ": the header '%s' cannot be set here", name);
    const char *value = lua_tolstring(L, -1, &len);
    if (!mail_header_text(value, len) || len > MAIL_SUBJECT_MAX)
        luaL_error(L, WHO ": the header %s has a line break or control character in it", name);
    *out = (struct mail_header){name, value};
}

static void check_headers(lua_State *L, struct letter *letter)
{
    const int type = lua_option(L, 1, "headers");
    const int at = lua_gettop(L);
    if (type == LUA_TNIL)
        return;
    if (type != LUA_TTABLE)
        luaL_error(L, WHO ": headers is a table of strings by name, got %s", luaL_typename(L, at));
    struct mail_header *list = scratch(L, HEADERS_MAX, sizeof *list);
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1)) {
        if (letter->mail.n_headers == HEADERS_MAX)
            luaL_error(L, WHO ": more than %d headers", HEADERS_MAX);
        check_header(L, &list[letter->mail.n_headers++]);
    }
    letter->mail.headers = list;
}

static void check_texts(lua_State *L, struct letter *letter)
{
    struct mail *mail = &letter->mail;
    size_t len = 0;
    mail->subject = lua_option_text(L, 1, WHO, "subject", &len);
    if (mail->subject && (!mail_header_text(mail->subject, len) || len > MAIL_SUBJECT_MAX))
        luaL_error(L, WHO ": subject has a line break or control character in it, or is too long");
    mail->text.data = lua_option_text(L, 1, WHO, "text", &mail->text.len);
    mail->html.data = lua_option_text(L, 1, WHO, "html", &mail->html.len);
    letter->bytes += mail->text.len + mail->html.len;
}

/* --- attachments ------------------------------------------------------------------------------ */

static void unreadable(lua_State *L, struct letter *letter, const char *path, const char *why)
{
    lua_pushfstring(L, "%s: %s", path, why);
    set_problem(L, letter, "io");
}

/* Into a userdata left on the stack; taken before the file is open, as it may raise. */
static void read_file(lua_State *L, struct letter *letter, const char *path, struct mail_text *out)
{
    struct stat st;
    if (stat(path, &st)) {
        unreadable(L, letter, path, strerror(errno));
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        unreadable(L, letter, path, "not a file");
        return;
    }
    out->len = (size_t)st.st_size;
    if (out->len > BYTES_MAX)
        return; /* said where all bytes are counted */
    char *data = scratch(L, out->len, 1);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 0;
    size_t have = 0;
    while (fd >= 0 && have < out->len && (n = read(fd, data + have, out->len - have)) > 0)
        have += (size_t)n;
    const char *why = n < 0 ? strerror(errno) : NULL;
    if (fd >= 0)
        close(fd);
    if (why)
        unreadable(L, letter, path, why);
    out->data = data;
    out->len = have;
}

static void check_file(lua_State *L, struct letter *letter, int at, struct mail_file *file)
{
    static const char *const known[] = {"name", "type", "data", "path"};
    static const char who[] = WHO ": attachments";
    lua_options_check(L, at, who, known, 4);
    const char *path = lua_option_string(L, at, who, "path");
    file->name = lua_option_string(L, at, who, "name");
    file->type = lua_option_string(L, at, who, "type");
    file->data.data = lua_option_text(L, at, who, "data", &file->data.len);
    if (!path == !file->data.data)
        luaL_error(L, "%s: each has data or a path", who);
    if (!file->name && path)
        file->name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    if (!file->name || !*file->name) {
        luaL_error(L, "%s: a name is missing", who);
        return;
    }
    if (!mail_header_text(file->name, strlen(file->name)) || strlen(file->name) > MAIL_NAME_MAX)
        luaL_error(L, "%s: a name has a line break in it, or is too long", who);
    if (file->type && !mail_type(file->type))
        luaL_error(L, "%s: '%s' is no type such as application/pdf", who, file->type);
    if (path)
        read_file(L, letter, path, &file->data);
    letter->bytes += file->data.len;
}

static void check_files(lua_State *L, struct letter *letter)
{
    const int type = lua_option(L, 1, "attachments");
    const int at = lua_gettop(L);
    if (type == LUA_TNIL)
        return;
    if (type != LUA_TTABLE)
        luaL_error(L, WHO ": attachments is a list of tables, got %s", luaL_typename(L, at));
    const size_t count = lua_rawlen(L, at);
    if (count > FILES_MAX)
        luaL_error(L, WHO ": more than %d attachments", FILES_MAX);
    luaL_checkstack(L, (int)count * 2 + 20, NULL);
    struct mail_file *list = scratch(L, count, sizeof *list);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, at, (lua_Integer)i + 1);
        check_file(L, letter, lua_gettop(L), &list[i]);
    }
    letter->mail.files = list;
    letter->mail.n_files = count;
}

/* --- the server ------------------------------------------------------------------------------- */

static void check_server(lua_State *L, struct letter *letter)
{
    struct smtp_options *o = &letter->o;
    o->url = lua_option_string(L, 1, WHO, "server");
    if (!o->url)
        luaL_error(L, WHO ": server is missing");
    const char *tls = lua_option_string(L, 1, WHO, "tls");
    if (!tls || strcmp(tls, "auto") == 0)
        o->tls = SMTP_TLS_AUTO;
    else if (strcmp(tls, "starttls") == 0)
        o->tls = SMTP_TLS_NEEDED;
    else if (strcmp(tls, "none") == 0)
        o->tls = SMTP_TLS_NONE;
    else
        luaL_error(L, WHO ": tls is auto, starttls or none, not '%s'", tls);
    o->user = lua_option_string(L, 1, WHO, "user");
    o->password = lua_option_string(L, 1, WHO, "password");
    if (!o->user && o->password)
        luaL_error(L, WHO ": a password without user");
    o->ca = lua_option_string(L, 1, WHO, "ca");
    o->verify = lua_option_flag(L, 1, WHO, "verify", true);
    o->timeout_ms = lua_option_timeout(L, 1, WHO, "timeout", 60000);
}

static bool good_url(const char *url)
{
    return (strncasecmp(url, "smtp://", 7) == 0 || strncasecmp(url, "smtps://", 8) == 0) &&
           !strpbrk(url, "@ \r\n");
}

/* --- sending ---------------------------------------------------------------------------------- */

static void name_it(struct letter *letter)
{
    unsigned char random[16] = {0};
    const struct mail_address *from = &letter->mail.from;
    const char *host = (const char *)memrchr(from->spec, '@', from->spec_len) + 1;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        memcpy(random, &(int64_t){clock_mono_ns()}, sizeof(int64_t));
    for (int i = 0; i < 16; i++)
        snprintf(letter->boundary + 2 * i, 3, "%02x", random[i]);
    letter->mail.date_s = clock_unix_ms() / 1000;
    snprintf(letter->id, sizeof letter->id, "<%llx.%s@%.*s>",
             (unsigned long long)letter->mail.date_s, letter->boundary,
             (int)(from->spec + from->spec_len - host), host);
    letter->mail.id = letter->id;
    letter->mail.boundary = letter->boundary;
}

static void add_recipients(struct smtp *s, const struct mail_address *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        smtp_recipient(s, list[i].spec, list[i].spec_len);
}

/* The letter with its envelope; nothing here raises. NULL: no room for it. */
static struct smtp *written(struct transfers *transfers, const struct letter *letter)
{
    struct buf text = {0};
    const struct mail *mail = &letter->mail;
    struct smtp *s = smtp_new(transfers);
    mail_write(&text, mail);
    const bool fits = smtp_message(s, text.data, text.len);
    buf_close(&text);
    if (!fits) {
        smtp_free(s);
        return NULL;
    }
    smtp_sender(s, mail->from.spec, mail->from.spec_len);
    add_recipients(s, mail->to, mail->n_to);
    add_recipients(s, mail->cc, mail->n_cc);
    add_recipients(s, letter->bcc, letter->n_bcc);
    s->id = mem_text(letter->id);
    return s;
}

static int free_box(lua_State *L)
{
    struct smtp **box = luaL_testudata(L, 1, BOX);
    if (box) {
        smtp_free(*box);
        *box = NULL;
    }
    return 0;
}

static int sent(lua_State *L)
{
    struct smtp **box =
        lua_newuserdatauv(L, sizeof *box, 0); /* from here it frees whatever raises */
    *box = NULL;
    luaL_setmetatable(L, BOX);
    struct smtp *s = *box = (struct smtp *)op_current(L);
    op_close(&s->op);
    smtp_close(s); /* the box may outlive the worker's transfers */
    int count = 1;
    const char *message, *word = smtp_failure(s, &message);
    if (word) {
        count = lua_failed(L, message, word);
    } else {
        lua_createtable(L, 0, 1);
        lua_pushstring(L, s->id);
        lua_setfield(L, -2, "id");
    }
    smtp_free(s);
    *box = NULL;
    return count;
}

static void stop(struct op *op)
{
    smtp_free((struct smtp *)op);
}

static void check_all(lua_State *L, struct letter *letter)
{
    static const char *const known[] = {
        "server",  "tls",  "user", "password", "from",    "to",     "cc", "bcc",        "reply_to",
        "subject", "text", "html", "headers",  "timeout", "verify", "ca", "attachments"};
    lua_settop(L, PROBLEM);
    lua_options_check(L, 1, WHO, known, sizeof known / sizeof *known);
    check_server(L, letter);
    check_texts(L, letter);
    check_headers(L, letter);
    if (!good_url(letter->o.url)) {
        lua_pushliteral(L, "server is smtp://HOST:PORT or smtps://HOST:PORT");
        set_problem(L, letter, "url");
    }
    check_people(L, letter);
}

/* neap.mail.send{server=, from=, to=, ...} -> {id=} | nil, message, code */
static int mail_send(lua_State *L)
{
    struct neap_error err;
    struct letter letter = {0};
    check_all(L, &letter);
    if (!op_may_wait(L, WHO))
        return 2;
    check_files(L, &letter);
    if (!letter.problem && letter.bytes > BYTES_MAX)
        return lua_failed(L, "the mail is larger than 64 MiB", "too_large");
    if (letter.problem)
        return lua_failed(L, lua_tostring(L, PROBLEM), letter.problem);
    struct transfers *transfers = transfers_of(vm_of(L)->worker, &err);
    if (!transfers)
        return lua_failed(L, err.message, "unavailable");
    name_it(&letter);
    struct smtp *s = written(transfers, &letter);
    if (!s)
        return lua_failed(L, "this worker's mails are larger than its memory may be", "too_large");
    op_open(L, &s->op, stop);
    smtp_start(s, &letter.o);
    return op_wait(L, &s->op, sent);
}

void lua_mail_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"send", mail_send}, {NULL, NULL}};
    luaL_newmetatable(L, BOX);
    lua_pushcfunction(L, free_box);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_getfield(L, -1, "neap");
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "mail");
    lua_pop(L, 1);
}
