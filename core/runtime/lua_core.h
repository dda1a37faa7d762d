/* The C half of what scripts call. Each file below is one topic; lua_core_open gathers them into
 * the `core` table that scripts/ receive (never tasks), with core.neap, the functions of `require
 * "neap"`. */
#ifndef RUNTIME_LUA_CORE_H
#define RUNTIME_LUA_CORE_H

#include <stdint.h>

#include <lauxlib.h>
#include <lua.h>

struct run;
struct job;
struct job_error;

void lua_core_open(lua_State *L); /* pushes core */

/* Each adds its functions to the table on top of the stack. */
void lua_text_open(lua_State *L);   /* json, now, log, print, durations, did-you-mean */
void lua_safe_open(lua_State *L);   /* print, setmetatable... as tasks see them */
void lua_job_open(lua_State *L);    /* submit, job handles, sleep, stats */
void lua_shared_open(lua_State *L); /* neap.shared */
void lua_fs_open(lua_State *L);     /* neap.fs */
void lua_async_open(lua_State *L);  /* fibers, for neap.async and neap.race */
void lua_exec_open(lua_State *L);   /* neap.exec, os.execute */
void lua_luv_open(lua_State *L);    /* require "luv" */
void lua_ctx_open(lua_State *L);    /* nothing visible: makes the metatable */
void lua_http_open(lua_State *L);   /* neap.http */
void lua_mail_open(lua_State *L);   /* neap.mail */

/* Makes the locked metatable `name` of a userdata: `index` has the table of `methods` as its
 * upvalue. */
void lua_core_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction index,
                    lua_CFunction text);

/* Pushes the ctx of a run; it turns useless when the job ends. */
void lua_ctx_push(lua_State *L, struct run *run);

/* Builds a job from task name, args and opts at stack 1.. as neap.submit takes them, with room in
 * its queue not yet taken. Raises on bad ones. `opts` index may be none. */
struct job *lua_job_build(lua_State *L, int task, int args, int opts, const char *who);
/* Its queue is full: frees it, counts it and pushes what the submitter gets, two values. */
int lua_job_refused(lua_State *L, struct job *job);
/* Pushes the handle of a job. */
void lua_job_push(lua_State *L, uint64_t id);

/* Pushes nil, message, code, what I/O gives in place of a value; returns 3. */
int lua_failed(lua_State *L, const char *message, const char *code);

/* Pushes what tasks see of a failed job: {code=, message=, traceback=, attempt=}, as text its
 * message. `error` may be NULL: no more is known than code and message. */
void lua_error_push(lua_State *L, const char *code, const char *message,
                    const struct job_error *error);

/* A duration at `index`: seconds as a number, or text like "1m30s". Raises naming `what`. */
int64_t lua_check_duration(lua_State *L, int index, const char *what);
/* Likewise where no limit may be asked for: 0, also for "none". */
int64_t lua_check_timeout(lua_State *L, int index, const char *what);

/* A size at `index`: bytes as a whole number, or text like "16M". Raises naming `what`. */
int64_t lua_check_size(lua_State *L, int index, const char *what);

/* Raises "WHO: unknown WHAT 'KEY'", with the one that was meant. */
_Noreturn void lua_unknown_option(lua_State *L, const char *who, const char *what, const char *key,
                                  const char *const *known, size_t count);

/* Pushes the value at `index` as JSON. Raises on what cannot cross; its path begins with `name`. */
void lua_push_json(lua_State *L, int index, const char *name);
/* neap.json.decode(text) */
int lua_json_decode(lua_State *L);

#endif
