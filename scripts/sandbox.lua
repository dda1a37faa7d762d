-- The world a plugin sees: its own globals, its own copy of every library table, its own require.
-- What a task changes in here is seen by the tasks of its own plugin in this worker, and by nobody
-- else. Functions may be shared between plugins, tables may not.
local core = ...

local type, ipairs, select, error, tostring = type, ipairs, select, error, tostring
local load, next, pcall = load, next, pcall
local setmetatable = setmetatable
local concat, unpack, math_type = table.concat, table.unpack, math.type
local format, find, sub = string.format, string.find, string.sub
local gsub, gmatch = string.gsub, string.gmatch
local io, os, debug, package, collectgarbage = io, os, debug, package, collectgarbage
local system = _G

-- Under their names in the real globals, where Lua looks for the name of a function in a message.
for _, name in ipairs { "print", "setmetatable", "getmetatable" } do system[name] = core[name] end

local sandbox = {}

local COPIED = {
  "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawlen", "rawset",
  "select", "tonumber", "tostring", "type", "xpcall", "_VERSION",
  "print", "setmetatable", "getmetatable",
}
local LIBRARIES = { "coroutine", "string", "table", "utf8" }

-- A copy with the tables in it and their metatables; a table met twice is copied once.
local function deep_copy(t, seen)
  seen = seen or {}
  local new, meta = seen[t], debug.getmetatable(t)
  if not new then
    new = {}
    seen[t] = new
    for k, v in next, t do new[k] = type(v) == "table" and deep_copy(v, seen) or v end
    if meta then
      local own = deep_copy(meta, seen)
      own.__gc = nil
      debug.setmetatable(new, own)
    end
  end
  return new
end

-- A function that only says why it is not there.
local function refuse(name, why)
  local refusal = name .. " is not available in a task: " .. why
  return function() error(refusal, 2) end
end

-- sandbox = strict: code computes with its arguments. No files, programs, network, environment or C
-- modules, and no way to have a job run elsewhere.
local STRICT = "in a strict sandbox"

local function withheld(name)
  local refusal = name .. " is not available " .. STRICT
  return function() error(refusal, 2) end
end

local function withhold(library, t, ...)
  for _, name in ipairs { ... } do t[name] = withheld(library .. "." .. name) end
  return t
end

-- What reaches the outside world waits until the files have loaded. core.acting does it for C.
local function acting(name, f)
  return function(...)
    if core.loading() then
      error(name .. " cannot be called while a file loads: call it inside run or setup", 2)
    end
    return f(...)
  end
end

-- --- io and os -------------------------------------------------------------------------------

-- warn(...): a line of the log. "@on" and the like control the stock one: no such thing here.
local function safe_warn(...)
  local n = select("#", ...)
  local parts = { ... }
  for i = 1, n == 0 and 1 or n do
    if type(parts[i]) ~= "string" and type(parts[i]) ~= "number" then
      error(format("bad argument #%d to 'warn' (string expected, got %s)", i,
                   n == 0 and "no value" or type(parts[i])), 2)
    end
  end
  if n == 1 and sub(parts[1], 1, 1) == "@" then return end
  core.neap.log.warn(concat(parts, "", 1, n))
end

-- What reading gives at the end of a file, by format.
local function read_nothing(...)
  local out, n = {}, select("#", ...)
  for i = 1, n do
    local what = select(i, ...)
    if type(what) ~= "string" or not find(what, "^%*?a") then return unpack(out, 1, i) end
    out[i] = ""
  end
  return unpack(out, 1, n == 0 and 1 or n)
end

local function written(v)
  if math_type(v) == "float" then return format("%.14g", v) end -- as the stock one: 1.0 is 1
  return tostring(v)
end

-- Standard output and error are the job's log; standard input is empty.
local function stream(name, readable)
  local file = {}
  function file.write(self, ...)
    if readable then return nil, "Bad file descriptor", 9 end
    for i = 1, select("#", ...) do
      local v = select(i, ...)
      if type(v) ~= "string" and type(v) ~= "number" then
        error(format("bad argument #%d to 'write' (string expected, got %s)", i, type(v)), 2)
      end
      core.write(written(v))
    end
    return self
  end
  function file.read(_, ...)
    if not readable then return nil, "Bad file descriptor", 9 end
    return read_nothing(...)
  end
  function file.flush(self) return self end
  function file.setvbuf() return true end
  function file.lines() return function() return nil end end
  function file.seek() return nil, "Illegal seek", 29 end
  function file.close() return nil, "cannot close " .. name end
  return setmetatable(file, {
    __name = "FILE*", __metatable = false,
    __tostring = function() return "file (" .. name .. ")" end,
  })
end

local function new_io()
  local stdin, stdout, stderr = stream("stdin", true), stream("stdout"), stream("stderr")
  local function fixed(name, file)
    return function(other)
      if other ~= nil and other ~= file then
        error(name .. " cannot be changed in a task: use io.open", 2)
      end
      return file
    end
  end
  return {
    stdin = stdin, stdout = stdout, stderr = stderr,
    open = core.acting("io.open", io.open),
    tmpfile = core.acting("io.tmpfile", io.tmpfile),
    lines = core.lines(io.lines),
    close = function(file)
      if file == nil then file = stdout end
      return file:close()
    end,
    type = function(...)
      local v = ...
      if v ~= nil and (v == stdin or v == stdout or v == stderr) then return "file" end
      return io.type(...)
    end,
    read = function(...) return read_nothing(...) end,
    write = function(...) return stdout:write(...) end,
    input = fixed("io.input", stdin),
    output = fixed("io.output", stdout),
    popen = refuse("io.popen", "it would block the worker: neap.exec runs programs"),
  }
end

local function new_os()
  return {
    clock = os.clock, date = os.date, difftime = os.difftime, getenv = os.getenv, time = os.time,
    tmpname = core.acting("os.tmpname", os.tmpname),
    remove = core.acting("os.remove", os.remove),
    rename = core.acting("os.rename", os.rename),
    execute = core.execute,
    exit = refuse("os.exit", "return, raise an error, or call ctx:fail"),
    setlocale = refuse("os.setlocale", "the locale belongs to the whole process"),
  }
end

-- --- debug and the collector ---------------------------------------------------------------------

-- No function of another frame, no registry: it tells where, not what.
local function safe_getinfo(...)
  local where, what, more = ...
  local ok, info
  if type(where) == "thread" then
    ok, info = pcall(debug.getinfo, where, what, more)
  elseif type(where) == "number" then
    ok, info = pcall(debug.getinfo, where + 2, what) -- this frame and pcall's are not the caller's
  else
    ok, info = pcall(debug.getinfo, ...)
  end
  if not ok then error(info, 2) end
  if info then info.func = nil end
  return info
end

local function checked_collectgarbage(what)
  if what == "count" then return collectgarbage("count") end
  if what == "collect" or what == nil or what == "step" then
    collectgarbage("step")
    return 0
  end
  error("collectgarbage(" .. format("%q", tostring(what))
    .. ") is not available in a task: the state is shared", 2)
end

-- --- code ----------------------------------------------------------------------------------------

-- The text that a reader function gives. Called from here, not from C: so the reader may wait, and
-- no error that ends the job is kept from ending it.
local function read_all(reader)
  local parts = {}
  while true do
    local part = reader()
    if part == nil or part == "" then return concat(parts) end
    if type(part) ~= "string" then error("reader function must return a string", 4) end
    parts[#parts + 1] = part
  end
end

-- Compiles text; bytecode can crash the process. The C stack can overflow in the compiler: then the
-- message handler of the job has seen the error and made a table of it.
local function compile(text, name, env)
  local chunk, message = load(text, name, "t", env)
  if chunk then return chunk end
  return nil, type(message) == "table" and message.message or message
end

local function text_load(env)
  return function(...)
    local chunk, name, mode, own = ...
    if type(chunk) ~= "string" and type(chunk) ~= "function" then
      error("bad argument #1 to 'load' (function expected, got "
        .. (select("#", ...) == 0 and "no value" or type(chunk)) .. ")", 2)
    end
    if mode ~= nil and not find(tostring(mode), "t", 1, true) then
      return nil, "attempt to load a text chunk (mode is '" .. tostring(mode) .. "')"
    end
    if type(chunk) == "function" then
      if name == nil then name = "=(load)" end
      local ok, text = pcall(read_all, chunk)
      if not ok then return nil, text end
      chunk = text
    end
    if select("#", ...) < 4 then own = env end
    return compile(chunk, name, own)
  end
end

local function read_file(path)
  if path == nil then return "" end -- standard input
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text
  text, message = file:read("a")
  file:close()
  return text, text == nil and path .. ": " .. message or nil
end

-- A #! line is for the shell; its line number stays. So is the mark some editors put in front.
local function without_shebang(text)
  if sub(text, 1, 3) == "\xEF\xBB\xBF" then text = sub(text, 4) end
  if sub(text, 1, 1) == "#" then return (gsub(text, "^[^\n]*", "", 1)) end
  return text
end

function sandbox.compile(text, path, env)
  return compile(without_shebang(text), "@" .. path, env)
end

local function text_loadfile(env)
  return acting("loadfile", function(...)
    local path, _, own = ...
    local text, message = read_file(path)
    if not text then return nil, message end
    if select("#", ...) < 3 then own = env end
    return sandbox.compile(text, path or "=stdin", own)
  end)
end

-- --- require -------------------------------------------------------------------------------------

-- What a C module would let a task do to the whole process.
local REFUSED = { posix = true, ["posix.unistd"] = true, ["posix.stdlib"] = true }

-- The table of a C module is the plugin's own, whatever the module keeps of it.
local function own_module(name, module)
  if type(module) ~= "table" then return module end
  local own = deep_copy(module)
  if name == "lfs" then
    own.chdir = refuse("lfs.chdir", "the directory belongs to the whole process")
  end
  return own
end

local function search_helpers(plugin, name)
  local path = gsub(name, "%.", "/")
  for _, candidate in ipairs {
    "lib/" .. path .. ".lua", "lib/" .. path .. "/init.lua", path .. ".lua", path .. "/init.lua",
  } do
    local file = plugin.by_path[candidate]
    if file and not file.task then return file.data, candidate end
    local data = plugin.single and core.helper(plugin.source, candidate) -- beside a FILE
    if data then return data, candidate end
  end
end

-- What lies in the current directory is nothing of a plugin's.
local function without_here(paths)
  local kept = {}
  for path in gmatch(paths, "[^;]+") do
    if sub(path, 1, 2) ~= "./" then kept[#kept + 1] = path end
  end
  return concat(kept, ";")
end

local function search_system(paths, name)
  local path, tried = package.searchpath(name, paths.path)
  if path then return path, "lua" end
  local native, tried_too = package.searchpath(name, paths.cpath)
  if native then return native, "c" end
  return nil, nil, "\n\t" .. tried .. "\n\t" .. tried_too
end

local function native_loader(open)
  return function(name, from)
    core.bind()
    return own_module(name, open(name, from))
  end
end

local function open_native(path, name)
  local symbol = "luaopen_" .. gsub(gsub(name, "^.-%-", ""), "%.", "_")
  local open, message = package.loadlib(path, symbol)
  if not open then error("require '" .. name .. "': " .. message, 0) end
  return native_loader(open)
end

-- luv, on the worker's own loop, and only what is harmless of it: see scripts/luv.lua.
local function open_luv()
  local path, tried = package.searchpath("luv", without_here(package.cpath))
  if not path then error("module 'luv' not found (Debian's package lua-luv):\n\t" .. tried, 0) end
  return core.luv(path, refuse)
end

local function compiled(text, path, env)
  local chunk, message = sandbox.compile(text, path, env)
  if not chunk then error(message, 0) end
  return chunk, path
end

-- The function that makes module `name`, and what to hand it. paths: the plugin's `package`. Errors
-- name the line that calls require, two levels up.
local function find_module(plugin, env, paths, name)
  local preloaded = paths.preload[name]
  if preloaded then return preloaded, ":preload:" end
  local helper, where = search_helpers(plugin, name)
  if helper then return compiled(helper, plugin.dir .. "/" .. where, env) end
  if core.strict() then
    error("require '" .. name .. "' is not available " .. STRICT .. ": it is no helper of plugin "
      .. plugin.name, 3)
  end
  local native = core.preload(name)
  if native then return native_loader(native), ":preload:" end
  if name == "luv" then return native_loader(open_luv), ":luv:" end
  if REFUSED[name] then error("require '" .. name .. "' is not available in a task", 3) end
  local path, kind, tried = search_system(paths, name)
  if not path then
    error("module '" .. name .. "' not found:\n\tno file 'lib/" .. gsub(name, "%.", "/")
      .. ".lua' in plugin " .. plugin.name .. tried, 3)
  end
  if kind == "c" then return open_native(path, name), path end
  return compiled(read_file(path), path, env)
end

local function new_require(plugin, env, paths)
  local loaded = paths.loaded
  local busy = {} -- name -> the job that loads it: another one loads it for itself
  return function(name)
    if type(name) ~= "string" then
      error("bad argument #1 to 'require' (string expected, got " .. type(name) .. ")", 2)
    end
    local module = loaded[name]
    if module ~= nil then return module end
    local job = core.job() or true
    if busy[name] == job then error("require '" .. name .. "': a loop: it requires itself", 0) end
    local make, where = find_module(plugin, env, paths, name)
    busy[name] = job
    local ok, made = pcall(make, name, where)
    busy[name] = nil
    if not ok then error(made, 0) end
    if made ~= nil then loaded[name] = made end
    if loaded[name] == nil then loaded[name] = true end
    return loaded[name], where
  end
end

-- --- the whole -----------------------------------------------------------------------------------

local function strict_package(env)
  local own = { loaded = { _G = env }, preload = {}, path = "", cpath = "" }
  own.config = package.config
  own.loaded.package = own
  return withhold("package", own, "searchpath", "loadlib")
end

local function new_package(env)
  local own = {
    loaded = { _G = env }, preload = {},
    path = without_here(package.path), cpath = without_here(package.cpath), config = package.config,
    searchpath = core.acting("package.searchpath", package.searchpath),
    loadlib = refuse("package.loadlib", "require loads C modules"),
  }
  own.loaded.package = own
  return own
end

local function new_libraries(env)
  for _, name in ipairs(LIBRARIES) do env[name] = deep_copy(system[name]) end
  env.math = core.math()
  env.string.rep, env.table.move = core.rep, core.move
  env.string.dump = refuse("string.dump", "tasks are text")
  env.io, env.os = new_io(), new_os()
  env.debug = { traceback = debug.traceback, getinfo = safe_getinfo }
  if core.strict() then
    withhold("io", env.io, "open", "tmpfile", "lines", "popen")
    withhold("os", env.os, "getenv", "tmpname", "remove", "rename", "execute")
    withhold("debug", env.debug, "getinfo")
  end
  for _, name in ipairs { "coroutine", "string", "table", "utf8", "math", "io", "os", "debug" } do
    env.package.loaded[name] = env[name]
  end
end

-- Of neap, in a strict sandbox. Everything else is withheld by its name, what is new, too.
local STRICT_NEAP = {
  array = true, json = true, log = true, now = true, null = true, sleep = true, signal = true,
}

local function withhold_all(name, value)
  if type(value) ~= "table" then return withheld(name) end
  local t = {}
  for key in next, value do t[key] = withheld(name .. "." .. key) end
  return t
end

local function strict_neap()
  local own = {}
  for name, value in next, core.neap do
    own[name] = not STRICT_NEAP[name] and withhold_all("neap." .. name, value)
      or type(value) == "table" and deep_copy(value) or value
  end
  return own
end

local function new_loaders(env)
  env.load = text_load(env)
  if core.strict() then
    env.loadfile, env.dofile = withheld("loadfile"), withheld("dofile")
    return
  end
  local loadfile = text_loadfile(env)
  env.loadfile = loadfile
  env.dofile = acting("dofile", function(path)
    local chunk, message = loadfile(path)
    if not chunk then error(message, 0) end
    return chunk()
  end)
end

-- plugin: {name=, dir=, single=, files=, by_path=}
function sandbox.new(plugin)
  local env = {}
  for _, name in ipairs(COPIED) do env[name] = system[name] end
  env._G = env
  env.package = core.strict() and strict_package(env) or new_package(env)
  new_libraries(env)
  env.package.loaded.neap = core.strict() and strict_neap() or deep_copy(core.neap)
  local neap = env.package.loaded.neap
  core.add_async(neap)
  core.add_groups(neap)
  if core.strict() then
    for _, name in ipairs { "submit_all", "chain", "group" } do
      neap[name] = withheld("neap." .. name)
    end
  end
  env.warn = safe_warn
  env.collectgarbage = checked_collectgarbage
  new_loaders(env)
  env.require = new_require(plugin, env, env.package)
  core.methods(env.string)
  return env
end

-- After the files have loaded, a new global is a mistake. Metamethods of the plugin's own stay.
function sandbox.seal(env)
  local meta = {}
  for k, v in next, debug.getmetatable(env) or {} do meta[k] = v end
  meta.__metatable = false
  if meta.__newindex == nil then
    meta.__newindex = function(_, name)
      error("global '" .. tostring(name)
        .. "' is not declared: use local, or declare it at the top of the file", 2)
    end
  end
  debug.setmetatable(env, meta)
end

return sandbox
