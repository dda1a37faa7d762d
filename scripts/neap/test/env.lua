-- The globals of a task under test: neap's own sandbox in `neap test`, or what comes near it where
-- there is only plain Lua (under busted); with the clock, the programs and the output of its world.
local sandbox = ...

local type, ipairs, pairs, error, tostring, select = type, ipairs, pairs, error, tostring, select
local load, next, setmetatable, require = load, next, setmetatable, require
local format, math_type = string.format, math.type
local os_date, os_time = os.date, os.time

local env = {}

-- --- plain Lua -----------------------------------------------------------------------------------

local COPIED = {
  "assert", "collectgarbage", "error", "getmetatable", "ipairs", "next", "pairs", "pcall",
  "rawequal", "rawget", "rawlen", "rawset", "select", "setmetatable", "tonumber", "tostring",
  "type", "xpcall", "_VERSION", "load", "warn",
}

local function copy(t)
  local new = {}
  for k, v in next, t do
    new[k] = v
  end
  return new
end

local function refuse(name, why)
  return function() error(name .. " is not available in a task: " .. why, 2) end
end

local function plain_require(plugin, own)
  local loaded = own.package.loaded
  return function(name)
    if loaded[name] ~= nil then
      return loaded[name]
    end
    if own.package.preload[name] then
      return own.package.preload[name](name)
    end
    local path = name:gsub("%.", "/")
    for _, candidate in ipairs { "lib/" .. path .. ".lua", "lib/" .. path .. "/init.lua",
                                 path .. ".lua", path .. "/init.lua" } do
      local file = plugin.by_path[candidate]
      if file and not file.task then
        local where = plugin.dir .. "/" .. candidate
        local chunk, message = env.compile(file.data, where, own)
        if not chunk then
          error(message, 0)
        end
        local made = chunk(name, where)
        loaded[name] = made == nil and (loaded[name] or true) or made
        return loaded[name]
      end
    end
    return require(name)
  end
end

local function plain_env(plugin)
  local own = {}
  for _, name in ipairs(COPIED) do
    own[name] = _G[name]
  end
  for _, name in ipairs { "coroutine", "debug", "io", "math", "os", "string", "table", "utf8" } do
    own[name] = copy(_G[name])
  end
  own._G = own
  own.package = { loaded = copy(package.loaded), path = package.path, cpath = package.cpath,
                  config = package.config, searchpath = package.searchpath, preload = {} }
  own.package.loaded._G = own
  own.os.exit = refuse("os.exit", "return, raise an error, or call ctx:fail")
  own.os.setlocale = refuse("os.setlocale", "the locale belongs to the whole process")
  own.io.popen = refuse("io.popen", "it would block the worker: neap.exec runs programs")
  own.require = plain_require(plugin, own)
  return own
end

local function plain_seal(own)
  setmetatable(own, { __newindex = function(_, name)
    error("global '" .. tostring(name)
      .. "' is not declared: use local, or declare it at the top of the file", 2)
  end })
end

function env.compile(text, path, own)
  if sandbox then
    return sandbox.compile(text, path, own)
  elseif text:sub(1, 1) == "#" then
    text = text:gsub("^[^\n]*", "", 1)
  end
  return load(text, "@" .. path, "t", own)
end

-- --- both ----------------------------------------------------------------------------------------

local function follow_clock(own, world)
  local clock = world.clock
  function own.os.time(...)
    if select("#", ...) > 0 and (...) ~= nil then
      return os_time(...)
    end
    return clock:unix_ms() // 1000
  end
  function own.os.date(form, time)
    return os_date(form or "%c", time or clock:unix_ms() // 1000)
  end
  function own.os.clock()
    return clock.now_ms / 1000
  end
end

-- As the stock one: true or nil, "exit" or "signal", and the number.
local function run_programs(own, world)
  function own.os.execute(command)
    if command == nil then
      return true
    end
    local done, message = world.neap.exec(tostring(command))
    if not done then
      return nil, "exit", 127, message
    elseif done.signal then
      return nil, "signal", done.signal
    end
    return done.code == 0 or nil, "exit", done.code
  end
end

local function capture_output(own, world)
  local function put(text)
    if world.out then
      world.out.printed = world.out.printed .. text
    end
  end
  local stream = {}
  local function write(self, ...)
    for i = 1, select("#", ...) do
      local v = select(i, ...)
      if type(v) ~= "string" and type(v) ~= "number" then
        error(format("bad argument #%d to 'write' (string expected, got %s)", i, type(v)), 2)
      end
      put(math_type(v) == "float" and format("%.14g", v) or tostring(v))
    end
    return self
  end
  stream.write = write
  function stream.flush(self) return self end
  function stream.setvbuf() return true end
  function own.print(...)
    local parts = {}
    for i = 1, select("#", ...) do
      parts[i] = tostring((select(i, ...)))
    end
    put(table.concat(parts, "\t") .. "\n")
  end
  function own.io.write(...) return write(stream, ...) end
  own.io.stdout, own.io.stderr = stream, stream
  function own.warn(...) world.neap.log.warn(table.concat({ ... })) end
end

-- What `require` gives instead of the real thing. luv has no loop here.
local function stand_in(own, modules)
  function own.package.preload.luv()
    error("require 'luv': there is no loop under test: give test.load a stand-in, "
          .. "modules = { luv = ... }", 0)
  end
  for name, module in pairs(modules or {}) do
    own.package.loaded[name] = module
  end
end

-- plugin: {name=, dir=, single=, files=, by_path=}; modules: by name, for require.
function env.new(world, plugin, modules)
  local own = sandbox and sandbox.new(plugin) or plain_env(plugin)
  local coroutines
  coroutines, own.pcall, own.xpcall = world.clock:coroutines()
  for name, f in pairs(coroutines) do
    own.coroutine[name] = f
  end
  own.package.loaded.neap = world.neap
  stand_in(own, modules)
  follow_clock(own, world)
  run_programs(own, world)
  capture_output(own, world)
  return own
end

env.seal = sandbox and sandbox.seal or plain_seal

return env
