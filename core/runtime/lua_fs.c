/* neap.fs: the little of the file system that tasks need and Lua lacks. Symbolic links are never
 * followed. */
#include "runtime/lua_core.h"

#include "runtime/vm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>

static int failed(lua_State *L, const char *path)
{
    const int code = errno;
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(code));
    lua_pushinteger(L, code);
    return 3;
}

static const char *type_name(mode_t mode)
{
    return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "link" : "other";
}

static void push_stat(lua_State *L, const struct stat *st)
{
    lua_createtable(L, 0, 4);
    lua_pushstring(L, type_name(st->st_mode));
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, st->st_size);
    lua_setfield(L, -2, "size");
    lua_pushnumber(L, (double)st->st_mtim.tv_sec + (double)st->st_mtim.tv_nsec / 1e9);
    lua_setfield(L, -2, "mtime");
}

/* neap.fs.stat(path) -> {type=, size=, mtime=} | nil, message, code */
static int fs_stat(lua_State *L)
{
    struct stat st;
    const char *path = luaL_checkstring(L, 1);
    vm_check_acting(L, "neap.fs.stat");
    if (lstat(path, &st))
        return failed(L, path);
    push_stat(L, &st);
    return 1;
}

static int close_dir(lua_State *L) /* __gc and __close of the box below */
{
    DIR **dir = lua_touserdata(L, 1);
    if (*dir)
        closedir(*dir);
    *dir = NULL;
    return 0;
}

static DIR **dir_box(lua_State *L)
{
    DIR **dir = lua_newuserdatauv(L, sizeof *dir, 0);
    *dir = NULL;
    if (luaL_newmetatable(L, "neap.dir")) {
        lua_pushcfunction(L, close_dir);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return dir;
}

/* neap.fs.list(dir) -> {{name=, type=, size=, mtime=}...} in no order | nil, message, code */
static int fs_list(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    vm_check_acting(L, "neap.fs.list");
    DIR **dir = dir_box(L);
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failed(L, path);
    *dir = fdopendir(fd);
    if (!*dir) {
        close(fd);
        return failed(L, path);
    }
    lua_newtable(L);
    lua_Integer count = 0;
    for (struct dirent *entry; (entry = readdir(*dir));) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(dirfd(*dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        push_stat(L, &st);
        lua_pushstring(L, entry->d_name);
        lua_setfield(L, -2, "name");
        lua_rawseti(L, -2, ++count);
    }
    closedir(*dir);
    *dir = NULL;
    return 1;
}

/* neap.fs.remove(path): a file, a link or an empty directory -> true | nil, message, code */
static int fs_remove(lua_State *L)
{
    struct stat st;
    const char *path = luaL_checkstring(L, 1);
    vm_check_acting(L, "neap.fs.remove");
    if (lstat(path, &st) || (S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path)))
        return failed(L, path);
    lua_pushboolean(L, 1);
    return 1;
}

void lua_fs_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"stat", fs_stat}, {"list", fs_list}, {"remove", fs_remove}, {NULL, NULL}};
    lua_getfield(L, -1, "neap");
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "fs");
    lua_pop(L, 1);
}
