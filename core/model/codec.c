/* The codec runs on the thread of its lua_State. No call in the encoder can raise: it only reads
 * (lua_next, raw gets) and pushes into slots that lua_checkstack gave. In the decoder creating
 * strings and tables can, so it holds nothing. */
#include "model/codec.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <lauxlib.h>

#include "base/error.h"
#include "model/msgpack.h"

static const char
    marks[2]; /* addresses only: of neap.null, and of the array metatable in the registry */
#define NULL_MARK ((void *)(uintptr_t)&marks[0])
#define ARRAY_MARK ((const void *)&marks[1])

/* A table being encoded; the chain upwards finds cycles and writes paths. Lives on the C stack. */
struct level {
    const struct level *up;
    const void *table;
    int depth;
    int key;          /* stack index of the key in hand; 0: `item` */
    lua_Integer item; /* 0: none yet */
};

struct encoder {
    lua_State *L;
    struct buf *out;
    size_t limit; /* of out->len */
    const char *name;
    struct neap_error *err;
};

static int put_value(struct encoder *e, int index, const struct level *up);

void codec_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, NULL_MARK);
}

bool codec_is_null(lua_State *L, int index)
{
    return lua_type(L, index) == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == NULL_MARK;
}

void codec_push_array_mark(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, ARRAY_MARK) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, "neap.array");
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, ARRAY_MARK);
}

/* Paths: only on the way to an error. */

static bool is_word(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool letter = c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return len > 0 && len <= 40;
}

static void put_quoted(struct buf *path, const char *text, size_t len)
{
    buf_text(path, "[\"");
    for (size_t i = 0; i < len && i < 40; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            buf_format(path, "\\%03u", c);
        else
            buf_byte(path, c);
    }
    buf_text(path, len > 40 ? "...\"]" : "\"]");
}

static void put_step(struct buf *path, lua_State *L, const struct level *level)
{
    size_t len;
    const char *text;
    if (!level->key) {
        if (level->item)
            buf_format(path, "[%" PRId64 "]", (int64_t)level->item);
        return;
    }
    switch (lua_type(L, level->key)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, level->key, &len);
        if (!is_word(text, len)) {
            put_quoted(path, text, len);
        } else {
            buf_byte(path, '.');
            buf_put(path, text, len);
        }
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, level->key))
            buf_format(path, "[%" PRId64 "]", (int64_t)lua_tointeger(L, level->key));
        else
            buf_format(path, "[%.14g]", lua_tonumber(L, level->key));
        break;
    case LUA_TBOOLEAN:
        buf_text(path, lua_toboolean(L, level->key) ? "[true]" : "[false]");
        break;
    default:
        break;
    }
}

/* The path from the root to the value in hand at `level`; its middle is left out where it is long.
 */
static void put_path(struct buf *path, const struct encoder *e, const struct level *level)
{
    const struct level *chain[NEAP_DEPTH_MAX + 1];
    int n = 0;
    for (; level && n <= NEAP_DEPTH_MAX; level = level->up)
        chain[n++] = level;
    buf_text(path, e->name);
    for (int i = n - 1; i >= 0; i--) {
        if (n > 14 && i == n - 8) {
            buf_text(path, " ... ");
            i = 6;
        }
        put_step(path, e->L, chain[i]);
    }
}

__attribute__((format(printf, 3, 4))) static int
refuse(const struct encoder *e, const struct level *level, const char *format, ...)
{
    struct buf text = {0};
    put_path(&text, e, level);
    buf_text(&text, ": ");
    char what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    buf_text(&text, what);
    error_set(e->err, NEAP_EINVAL, "%s", buf_string(&text));
    buf_close(&text);
    return NEAP_EINVAL;
}

static int refuse_size(const struct encoder *e)
{
    return refuse(e, NULL, "larger than %d KiB", NEAP_VALUE_MAX / 1024);
}

static int refuse_type(const struct encoder *e, const struct level *level, int type,
                       const char *what)
{
    const char *name = type == LUA_TTHREAD          ? "coroutine"
                       : type == LUA_TLIGHTUSERDATA ? "userdata"
                                                    : lua_typename(e->L, type);
    return refuse(e, level, "a %s cannot %s", name, what);
}

static int refuse_cycle(const struct encoder *e, const struct level *level,
                        const struct level *target)
{
    struct buf path = {0};
    put_path(&path, e, target->up);
    int code = refuse(e, level, "refers back to %.120s", buf_string(&path));
    buf_close(&path);
    return code;
}

static int put_text(struct encoder *e, int index)
{
    size_t len;
    const char *text = lua_tolstring(e->L, index, &len);
    if (len <= MSGPACK_SHORT) { /* the limit is looked at after each value */
        msgpack_text(e->out, text, len);
        return NEAP_OK;
    }
    if (e->out->len > e->limit || len > e->limit - e->out->len)
        return refuse_size(e); /* before it is copied */
    msgpack_text(e->out, text, len);
    return NEAP_OK;
}

static void put_number(lua_State *L, int index, struct buf *out)
{
    if (lua_isinteger(L, index))
        msgpack_integer(out, lua_tointeger(L, index));
    else
        msgpack_float(out, lua_tonumber(L, index));
}

static int put_key(struct encoder *e, const struct level *level)
{
    int type = lua_type(e->L, level->key);
    if (type == LUA_TSTRING)
        return put_text(e, level->key);
    if (type == LUA_TNUMBER)
        put_number(e->L, level->key, e->out);
    else if (type == LUA_TBOOLEAN)
        msgpack_bool(e->out, lua_toboolean(e->L, level->key));
    else
        return refuse_type(e, level->up, type, "be a key");
    return NEAP_OK;
}

/* Its first key, at `key`, and value are on top. */
static int put_pairs(struct encoder *e, int index, struct level *level, int key)
{
    lua_State *L = e->L;
    size_t where = msgpack_map_open(e->out), pairs = 0;
    level->key = key;
    do {
        int rc = put_key(e, level);
        if (rc || (rc = put_value(e, key + 1, level)))
            return rc;
        lua_settop(L, key);
        pairs++;
    } while (lua_next(L, index));
    msgpack_map_close(e->out, where, pairs);
    return NEAP_OK;
}

static int put_map(struct encoder *e, int index, struct level *level)
{
    const int key = lua_gettop(e->L) + 1;
    lua_pushnil(e->L);
    if (lua_next(e->L, index))
        return put_pairs(e, index, level, key);
    msgpack_map(e->out, 0);
    return NEAP_OK;
}

static int put_items(struct encoder *e, int index, struct level *level, lua_Integer first,
                     lua_Integer last)
{
    int item = lua_gettop(e->L) + 1, rc;
    level->key = 0;
    for (lua_Integer i = first; i <= last; i++) {
        level->item = i;
        lua_rawgeti(e->L, index, i);
        if ((rc = put_value(e, item, level)))
            return rc;
        lua_settop(e->L, item - 1);
    }
    return NEAP_OK;
}

static bool is_marked(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, ARRAY_MARK);
    bool marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return marked;
}

/* Whether the keys are exactly 1..len, where `len` is the border that Lua gave. */
static bool is_sequence(lua_State *L, int index, lua_Integer len)
{
    int top = lua_gettop(L);
    lua_Integer count = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_settop(L, top + 1);
        lua_Integer key = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        if (key < 1 || key > len) {
            lua_settop(L, top);
            return false;
        }
        count++;
    }
    return count == len;
}

/* A table with a border: most are arrays, and one pass both sees that and writes the items, as long
 * as the keys come as 1, 2, 3... and no item is a table. Else the keys are looked at before any
 * table in it is encoded: to encode twice at each level of a nested table would take for ever. */
static int put_sequence(struct encoder *e, int index, struct level *level, lua_Integer len)
{
    lua_State *L = e->L;
    size_t before = e->out->len;
    int key = lua_gettop(L) + 1, rc;
    msgpack_array(e->out, (size_t)len);
    lua_pushnil(L);
    for (level->item = 1; lua_next(L, index); level->item++) {
        if (!lua_isinteger(L, key) || lua_tointeger(L, key) != level->item || level->item > len ||
            lua_type(L, key + 1) == LUA_TTABLE) {
            lua_settop(L, key - 1);
            if (is_sequence(L, index, len))
                return put_items(e, index, level, level->item, len);
            e->out->len = before;
            return put_map(e, index, level);
        }
        if ((rc = put_value(e, key + 1, level)))
            return rc;
        lua_settop(L, key);
    }
    return NEAP_OK;
}

/* A marked table: its highest index, which may leave holes but not many. */
static int marked_len(struct encoder *e, int index, struct level *level, lua_Integer *out)
{
    lua_State *L = e->L;
    lua_Integer count = 0, highest = 0;
    int top = lua_gettop(L);
    level->key = top + 1;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_settop(L, top + 1);
        lua_Integer key = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        if (key < 1)
            return refuse(e, level, "not an index of an array");
        if (++count > NEAP_VALUE_MAX)
            return refuse_size(e);
        highest = key > highest ? key : highest;
    }
    if (highest > 2 * count + 8)
        return refuse(e, level->up,
                      "an array with too many holes (%" PRId64 " values, highest index %" PRId64
                      ")",
                      (int64_t)count, (int64_t)highest);
    *out = highest;
    return NEAP_OK;
}

/* Where the first key that Lua comes to is a string it is a map, and nobody need ask for a length.
 */
static int put_unmarked(struct encoder *e, int index, struct level *level)
{
    lua_State *L = e->L;
    const int key = lua_gettop(L) + 1;
    lua_pushnil(L);
    if (!lua_next(L, index)) {
        msgpack_map(e->out, 0);
        return NEAP_OK;
    }
    const lua_Unsigned len = lua_type(L, key) == LUA_TSTRING ? 0 : lua_rawlen(L, index);
    if (!len)
        return put_pairs(e, index, level, key);
    lua_settop(L, key - 1);
    return len > NEAP_VALUE_MAX ? refuse_size(e) : put_sequence(e, index, level, (lua_Integer)len);
}

static int put_table(struct encoder *e, int index, const struct level *up)
{
    lua_State *L = e->L;
    struct level level = {
        .up = up, .table = lua_topointer(L, index), .depth = up ? up->depth + 1 : 1};
    for (const struct level *a = up; a; a = a->up)
        if (a->table == level.table)
            return refuse_cycle(e, up, a);
    if (level.depth > NEAP_DEPTH_MAX)
        return refuse(e, up, "nested deeper than %d", NEAP_DEPTH_MAX);
    if (!lua_checkstack(L, 4))
        return error_set(e->err, NEAP_EIO, "%s: no memory for Lua's stack", e->name);
    if (is_marked(L, index)) {
        lua_Integer len = 0;
        int rc = marked_len(e, index, &level, &len);
        if (rc)
            return rc;
        msgpack_array(e->out, (size_t)len);
        return put_items(e, index, &level, 1, len);
    }
    return put_unmarked(e, index, &level);
}

static int put_value(struct encoder *e, int index, const struct level *up)
{
    int type = lua_type(e->L, index), rc = NEAP_OK;
    switch (type) {
    case LUA_TSTRING:
        rc = put_text(e, index);
        break;
    case LUA_TNUMBER:
        put_number(e->L, index, e->out);
        break;
    case LUA_TTABLE:
        rc = put_table(e, index, up);
        break;
    case LUA_TBOOLEAN:
        msgpack_bool(e->out, lua_toboolean(e->L, index));
        break;
    case LUA_TNIL:
        msgpack_nil(e->out);
        break; /* a hole of a marked array */
    default:
        if (!codec_is_null(e->L, index))
            return refuse_type(e, up, type, "cross");
        msgpack_nil(e->out);
    }
    if (!rc && e->out->len > e->limit)
        rc = refuse_size(e);
    return rc;
}

int codec_encode(lua_State *L, int index, const char *name, struct buf *out, struct neap_error *err)
{
    if (lua_isinteger(L, index)) { /* often it is all that there is */
        msgpack_integer(out, lua_tointeger(L, index));
        return NEAP_OK;
    }
    const int type = lua_type(L, index);
    if (type <= LUA_TNIL)
        return NEAP_OK;
    struct encoder e = {L, out, out->len + NEAP_VALUE_MAX, name, err};
    size_t before = out->len;
    int top = lua_gettop(L);
    index = lua_absindex(L, index);
    int rc = type == LUA_TTABLE ? put_table(&e, index, NULL) : put_value(&e, index, NULL);
    if (!rc && out->len > e.limit)
        rc = refuse_size(&e);
    if (rc) {
        out->len = before;
        lua_settop(L, top);
    }
    return rc;
}

/* What is left to read, and the state it goes to. Lives on the C stack. */
struct decoder {
    lua_State *L;
    struct msgpack_reader in;
};

#define STRING(x) #x
#define STRING_OF(x) STRING(x)
static const char no_stack[] = "no memory for Lua's stack";

static const char *push_value(struct decoder *d, int depth);

/* Lua would keep the last of two equal keys in silence. `seen` has a bit for each kind of string
 * met in this map, so that most keys need no look into the table. */
static bool is_duplicate(struct decoder *d, const struct msgpack_item *key, uint64_t *seen)
{
    uint64_t bit = 1;
    if (key->type == MSGPACK_TEXT && key->len)
        bit = (uint64_t)1 << ((key->len * 31 + (unsigned char)key->text[0] * 7 +
                               (unsigned char)key->text[key->len - 1]) &
                              63);
    if (!(*seen & bit)) {
        *seen |= bit;
        return false;
    }
    lua_pushvalue(d->L, -1);
    bool found = lua_rawget(d->L, -3) != LUA_TNIL;
    lua_pop(d->L, 1);
    return found;
}

static const char *push_key(struct decoder *d, uint64_t *seen)
{
    struct msgpack_item key;
    const char *problem = msgpack_read(&d->in, &key);
    if (problem)
        return problem;
    switch (key.type) {
    case MSGPACK_TEXT:
        lua_pushlstring(d->L, key.text, key.len);
        break;
    case MSGPACK_INTEGER:
        lua_pushinteger(d->L, key.integer);
        break;
    case MSGPACK_BOOL:
        lua_pushboolean(d->L, (int)key.integer);
        break;
    case MSGPACK_FLOAT:
        if (key.number != key.number)
            return "a key that is not a number (nan)";
        lua_pushnumber(d->L, key.number);
        break;
    case MSGPACK_NIL:
        return "a key that is nil";
    default:
        return "a key that is an array or a map";
    }
    return is_duplicate(d, &key, seen) ? "a key that came before" : NULL;
}

static const char *push_map(struct decoder *d, size_t pairs, int depth)
{
    const char *problem;
    uint64_t seen = 0;
    lua_createtable(d->L, 0, (int)pairs);
    for (; pairs; pairs--) {
        if ((problem = push_key(d, &seen)) || (problem = push_value(d, depth)))
            return problem;
        lua_rawset(d->L, -3);
    }
    return NULL;
}

static const char *push_array(struct decoder *d, size_t len, int depth)
{
    lua_createtable(d->L, (int)len, 0);
    for (size_t i = 1; i <= len; i++) {
        const char *problem = push_value(d, depth);
        if (problem)
            return problem;
        lua_rawseti(d->L, -2, (lua_Integer)i);
    }
    if (len == 0) { /* else it would come back as a map */
        codec_push_array_mark(d->L);
        lua_setmetatable(d->L, -2);
    }
    return NULL;
}

/* `depth`: of the tables around. */
static const char *push_value(struct decoder *d, int depth)
{
    struct msgpack_item item;
    const char *problem = msgpack_read(&d->in, &item);
    if (problem)
        return problem;
    switch (item.type) {
    case MSGPACK_NIL:
        codec_push_null(d->L);
        return NULL;
    case MSGPACK_BOOL:
        lua_pushboolean(d->L, (int)item.integer);
        return NULL;
    case MSGPACK_INTEGER:
        lua_pushinteger(d->L, item.integer);
        return NULL;
    case MSGPACK_FLOAT:
        lua_pushnumber(d->L, item.number);
        return NULL;
    case MSGPACK_TEXT:
        lua_pushlstring(d->L, item.text, item.len);
        return NULL;
    default:
        break;
    }
    if (depth == NEAP_DEPTH_MAX)
        return "nested deeper than " STRING_OF(NEAP_DEPTH_MAX);
    if (!lua_checkstack(d->L, 6))
        return no_stack;
    return item.type == MSGPACK_MAP ? push_map(d, item.len, depth + 1)
                                    : push_array(d, item.len, depth + 1);
}

int codec_decode(lua_State *L, const void *data, size_t len, struct neap_error *err)
{
    if (len > NEAP_VALUE_MAX)
        return error_set(err, NEAP_EINVAL, "a value larger than %d KiB", NEAP_VALUE_MAX / 1024);
    if (!lua_checkstack(L, 1))
        return error_set(err, NEAP_EIO, "%s", no_stack);
    if (len == 0) {
        lua_pushnil(L);
        return NEAP_OK;
    }
    struct decoder d = {L, msgpack_reader(data, len)};
    int top = lua_gettop(L);
    const char *problem = push_value(&d, 0);
    if (!problem && d.in.at != d.in.end)
        problem = "bytes after the end of the value";
    if (!problem)
        return NEAP_OK;
    lua_settop(L, top);
    if (problem == no_stack)
        return error_set(err, NEAP_EIO, "%s", no_stack);
    return error_set(err, NEAP_EINVAL, "malformed value: %s at byte %zu", problem,
                     (size_t)(d.in.at - (const uint8_t *)data));
}
