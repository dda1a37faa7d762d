-- The world a plugin sees: its own globals, its own copy of every library table, its own require.
-- What a task changes in here is seen by the tasks of its own plugin in this worker, and by nobody else.
local core = ...

local type, pairs, ipairs, select, error, tostring = type, pairs, ipairs, select, error, tostring
local load, pcall, setmetatable, getmetatable, rawget = load, pcall, setmetatable, getmetatable, rawget
local concat, format, find, gsub, sub = table.concat, string.format, string.find, string.gsub, string.sub
local io, os, debug, package, collectgarbage = io, os, debug, package, collectgarbage

local sandbox = {}

local COPIED = { "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawlen", "rawset",
  "select", "tonumber", "tostring", "type", "xpcall", "_VERSION" }
local LIBRARIES = { "coroutine", "string", "table", "math", "utf8" }

local function copy(t)
  local new = {}
  for k, v in pairs(t) do new[k] = v end
  return new
end

-- A function that only says why it is not there.
local function refuse(name, why)
  return function() error(name .. " is not available in a task: " .. why, 2) end
end

-- What reaches the outside world waits until the files have loaded.
local function acting(name, f)
  return function(...)
    if core.loading() then error(name .. " cannot be called while a file loads: call it inside run or setup", 2) end
    return f(...)
  end
end

local function print_to(out)
  return function(...)
    local n = select("#", ...)
    local parts = { ... }
    for i = 1, n do parts[i] = tostring(parts[i]) end
    out(concat(parts, "\t", 1, n) .. "\n")
  end
end

-- Standard output and error are the job's log; standard input is empty.
local function stream(name)
  local file = {}
  function file:write(...)
    for i = 1, select("#", ...) do
      local v = select(i, ...)
      if type(v) ~= "string" and type(v) ~= "number" then
        error("bad argument #" .. i .. " to 'write' (string expected, got " .. type(v) .. ")", 2)
      end
      core.print(tostring(v))
    end
    return self
  end
  function file:flush() return self end
  function file:setvbuf() return true end
  function file:close() return nil, "cannot close " .. name end
  function file:read() return nil end
  function file:lines() return function() return nil end end
  function file:seek() return nil, "Illegal seek", 29 end
  return setmetatable(file, { __name = "FILE*", __metatable = false, __tostring = function() return "file (" .. name .. ")" end })
end

local function new_io()
  local stdin, stdout, stderr = stream("stdin"), stream("stdout"), stream("stderr")
  return {
    stdin = stdin, stdout = stdout, stderr = stderr,
    open = acting("io.open", io.open),
    tmpfile = acting("io.tmpfile", io.tmpfile),
    lines = acting("io.lines", function(path, ...)
      if path == nil then return function() return nil end end
      return io.lines(path, ...)
    end),
    close = function(file) return (file or stdout):close() end,
    type = function(v)
      if v == stdin or v == stdout or v == stderr then return "file" end
      return io.type(v)
    end,
    read = function() return nil end,
    write = function(...) return stdout:write(...) end,
    input = function(file) if file then error("io.input cannot be changed in a task: use io.open", 2) end return stdin end,
    output = function(file) if file then error("io.output cannot be changed in a task: use io.open", 2) end return stdout end,
    popen = refuse("io.popen", "it would block the worker (neap.exec will run programs)"),
  }
end

local function new_os()
  return {
    clock = os.clock, date = os.date, difftime = os.difftime, getenv = os.getenv, time = os.time,
    tmpname = acting("os.tmpname", os.tmpname),
    remove = acting("os.remove", os.remove),
    rename = acting("os.rename", os.rename),
    execute = refuse("os.execute", "it would block the worker (neap.exec will run programs)"),
    exit = refuse("os.exit", "return, raise an error, or call ctx:fail"),
    setlocale = refuse("os.setlocale", "the locale belongs to the whole process"),
  }
end

local function new_debug()
  return {
    traceback = debug.traceback,
    getinfo = function(where, what)
      if type(where) == "number" then where = where + 1 end
      local ok, info = pcall(debug.getinfo, where, what)
      if not ok then error(info, 2) end
      if info then info.func = nil end
      return info
    end,
  }
end

-- Finalizers would run with no deadline and no job to blame.
local function checked_setmetatable(t, meta)
  if type(meta) == "table" and rawget(meta, "__gc") ~= nil then
    error("__gc is not available in a task: use a to-be-closed variable (local x <close>)", 2)
  end
  return setmetatable(t, meta)
end

local function checked_getmetatable(v)
  local kind = type(v)
  if kind == "table" then return getmetatable(v) end
  if kind == "string" then return false end
  return nil -- of userdata: shared by all plugins
end

local function checked_collectgarbage(what)
  if what == "count" then return collectgarbage("count") end
  if what == "collect" or what == nil or what == "step" then
    collectgarbage("step")
    return 0
  end
  error("collectgarbage(" .. format("%q", tostring(what)) .. ") is not available in a task: the state is shared", 2)
end

-- Text only: bytecode can crash the process.
local function text_load(env)
  return function(chunk, name, mode, own)
    if mode ~= nil and not find(tostring(mode), "t", 1, true) then
      return nil, "attempt to load a binary chunk: a task loads text only"
    end
    if own == nil then own = env end
    return load(chunk, name, "t", own)
  end
end

local function read_file(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text = file:read("a")
  file:close()
  return text
end

-- A #! line is for the shell; its line number stays.
local function without_shebang(text)
  if sub(text, 1, 1) == "#" then return (gsub(text, "^[^\n]*", "", 1)) end
  return text
end

function sandbox.compile(text, path, env)
  return load(without_shebang(text), "@" .. path, "t", env)
end

local function text_loadfile(env)
  return acting("loadfile", function(path, _, own)
    local text, message = read_file(path)
    if not text then return nil, message end
    return sandbox.compile(text, path, own == nil and env or own)
  end)
end

-- What a C module would let a task do to the whole process.
local function tame(name, module)
  if name == "lfs" and type(module) == "table" then
    module.chdir = refuse("lfs.chdir", "the directory belongs to the whole process")
  end
  return module
end

local REFUSED = { posix = true, ["posix.unistd"] = true, ["posix.stdlib"] = true, luv = true }

local function search_helpers(plugin, name)
  local path = gsub(name, "%.", "/")
  for _, candidate in ipairs { "lib/" .. path .. ".lua", "lib/" .. path .. "/init.lua", path .. ".lua", path .. "/init.lua" } do
    local file = plugin.by_path[candidate]
    if file and (not file.task or plugin.single) and file ~= plugin.files.main then return file, candidate end
  end
end

local function search_system(env, name)
  local path, tried = package.searchpath(name, package.path)
  if path then return path, "lua" end
  local native, tried_too = package.searchpath(name, package.cpath)
  if native then return native, "c" end
  return nil, nil, tried .. tried_too
end

local function open_native(path, name)
  local open, message = package.loadlib(path, "luaopen_" .. gsub(gsub(name, "^.-%-", ""), "%.", "_"))
  if not open then error("require '" .. name .. "': " .. message, 0) end
  return open
end

-- The function that makes module `name`, and what to hand it.
local function find_module(plugin, env, name)
  local preloaded = env.package.preload[name]
  if preloaded then return preloaded, ":preload:" end
  local helper, where = search_helpers(plugin, name)
  if helper then
    where = plugin.dir .. "/" .. where
    local chunk, message = sandbox.compile(helper.data, where, env)
    if not chunk then error(message, 0) end
    return chunk, where
  end
  local native = core.preload(name)
  if native then return native, ":preload:" end
  if REFUSED[name] then error("require '" .. name .. "' is not available in a task", 0) end
  local path, kind, tried = search_system(env, name)
  if not path then
    error("module '" .. name .. "' not found:\n\tno file 'lib/" .. gsub(name, "%.", "/") .. ".lua' in plugin " .. plugin.name .. tried, 0)
  end
  if kind == "c" then return open_native(path, name), path end
  local chunk, message = sandbox.compile(read_file(path), path, env)
  if not chunk then error(message, 0) end
  return chunk, path
end

local function new_require(plugin, env)
  local loaded = env.package.loaded
  local busy = {}
  return function(name)
    if type(name) ~= "string" then error("bad argument #1 to 'require' (string expected, got " .. type(name) .. ")", 2) end
    local module = loaded[name]
    if module ~= nil then return module end
    if busy[name] then error("require '" .. name .. "': a loop: it requires itself", 2) end
    busy[name] = true
    local ok, made, where = pcall(function()
      local make, from = find_module(plugin, env, name)
      return make(name, from), from
    end)
    busy[name] = nil
    if not ok then error(made, 0) end
    made = tame(name, made)
    if made ~= nil then loaded[name] = made end
    if loaded[name] == nil then loaded[name] = true end
    return loaded[name], where
  end
end

local function deep_copy(t)
  local new = {}
  for k, v in pairs(t) do new[k] = type(v) == "table" and deep_copy(v) or v end
  return new
end

-- plugin: {name=, dir=, single=, files=, by_path=}
function sandbox.new(plugin)
  local env = {}
  for _, name in ipairs(COPIED) do env[name] = _G[name] end
  env.package = { loaded = {}, preload = {}, path = package.path, cpath = package.cpath, config = package.config,
    searchpath = acting("package.searchpath", package.searchpath) }
  local loaded = env.package.loaded
  for _, name in ipairs(LIBRARIES) do
    env[name] = copy(_G[name])
    loaded[name] = env[name]
  end
  env.string.dump = refuse("string.dump", "tasks are text")
  env.io, env.os, env.debug = new_io(), new_os(), new_debug()
  loaded.io, loaded.os, loaded.debug, loaded.package, loaded._G = env.io, env.os, env.debug, env.package, env
  loaded.neap = deep_copy(core.neap)
  env._G = env
  env.print = print_to(core.print)
  env.setmetatable, env.getmetatable = checked_setmetatable, checked_getmetatable
  env.collectgarbage = checked_collectgarbage
  env.load, env.loadfile = text_load(env), text_loadfile(env)
  env.dofile = acting("dofile", function(path)
    local chunk, message = env.loadfile(path)
    if not chunk then error(message, 0) end
    return chunk()
  end)
  env.require = new_require(plugin, env)
  core.methods(env.string)
  return env
end

-- After the files have loaded, a new global is a mistake.
function sandbox.seal(env)
  setmetatable(env, {
    __metatable = false,
    __newindex = function(_, name)
      error("global '" .. tostring(name) .. "' is not declared: use local, or declare it at the top of the file", 2)
    end,
  })
end

return sandbox
