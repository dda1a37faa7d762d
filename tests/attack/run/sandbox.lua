-- What a task must not reach, and what it may change of its own without anyone else seeing it
-- (tests/attack/probe.lua looks, in another plugin of the same state, after each case).
local cases = require "cases"
local neap = require "neap"
local any = cases.new()

local function case(name, state, text, f) any(name, state, text, f, "standard") end
local function refused(name, text, f) case(name, "dead", text, f) end

case("random numbers seeded", "completed", "", function() math.randomseed(42) return "" end)
case("the methods of strings", "dead", "attempt to index a boolean value", function()
  getmetatable("").__index = function() return "EVIL" end
end)
case("metatables of shared objects", "completed", "locked", function(_, ctx)
  local job = neap.submit("probe.task")
  job:wait()
  for _, object in ipairs { ctx, job, neap.shared("x"), io.stdout, neap.array {}, neap.null } do
    assert(type(getmetatable(object)) ~= "table", tostring(object))
    assert(not pcall(setmetatable, object, { __index = print }))
  end
  local file <close> = io.open("/dev/null")
  assert(getmetatable(file) == nil and not pcall(setmetatable, file, {}))
  return "locked"
end)
refused("the metatable of the globals", "cannot change a protected metatable", function()
  setmetatable(_G, nil)
end)
refused("neap.array over it", "neap.array: the table has a metatable", function()
  neap.array(_G)
end)
refused("methods of a handle", "", function()
  neap.submit("probe.task").wait = print
end)
refused("methods of ctx", "", function(_, ctx) ctx.fail = print end)

refused("__gc", "__gc is not available", function() setmetatable({}, { __gc = print }) end)
case("__gc set later", "completed", "never", function()
  local meta = {}
  local t = setmetatable({}, meta)
  rawset(meta, "__gc", function() ran = true end) -- luacheck: ignore
  assert(not pcall(setmetatable, {}, meta))
  assert(not pcall(setmetatable, t, meta))
  t, meta = nil, nil -- luacheck: ignore
  for _ = 1, 1000 do collectgarbage() end
  return "never"
end)
case("a metatable with __index for __gc", "completed", "never", function()
  setmetatable({}, setmetatable({}, { __index = function() error("asked") end }))
  return "never"
end)

local chunk = "\27Lua" .. ("\0"):rep(100)
case("bytecode in load", "completed", "attempt to load a binary chunk", function()
  return (select(2, load(chunk)))
end)
case("bytecode in load, mode b", "completed", "attempt to load a text chunk", function()
  return (select(2, load(chunk, "x", "b")))
end)
case("bytecode in load, mode bt", "completed", "attempt to load a binary chunk", function()
  return (select(2, load(chunk, "x", "bt")))
end)
case("bytecode in pieces", "completed", "attempt to load a binary chunk", function()
  local n = 0
  return (select(2, load(function() n = n + 1 return chunk:sub(n, n) end)))
end)
case("bytecode in loadfile", "completed", "attempt to load a binary chunk", function()
  local path = os.tmpname()
  local file = io.open(path, "wb")
  file:write(chunk)
  file:close()
  local _, e = loadfile(path, "b")
  assert(not pcall(dofile, path))
  os.remove(path)
  return e
end)
refused("string.dump", "string.dump is not available", function() string.dump(print) end)
refused("os.exit", "os.exit is not available", function() os.exit() end)
case("os.execute", "completed", "exit 3", function()
  local _, how, number = os.execute("exit 3")
  return how .. " " .. number
end)
refused("io.popen", "io.popen is not available", function() io.popen("true") end)
refused("os.setlocale", "os.setlocale is not available", function() os.setlocale("C") end)
refused("package.loadlib", "package.loadlib is not available", function()
  package.loadlib("x", "*")
end)
refused("collectgarbage stop", "is not available", function() collectgarbage("stop") end)
refused("collectgarbage generational", "is not available", function()
  collectgarbage("generational")
end)
case("debug", "completed", "getinfo traceback", function()
  local names = {}
  for name in pairs(debug) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, " ")
end)
case("debug.getinfo", "completed", "no functions", function()
  local function look(...)
    local info = debug.getinfo(...)
    assert(not info or info.func == nil)
    return info ~= nil
  end
  for level = 0, 30 do look(level) look(level, "f") look(level, "flnSrtu") end
  look(print)
  look(coroutine.running(), 0)
  look(coroutine.running(), 1, "f")
  return "no functions"
end)
case("stdin is empty", "completed", "nothing", function()
  assert(io.read() == nil and io.read("a") == "" and io.read("n", "a") == nil)
  assert(io.stdin:read("a") == "" and io.stdin:read("l") == nil)
  assert(select("#", io.read("a", "a", "l", "a")) == 3)
  for _ in io.lines() do error("a line") end
  for _ in io.stdin:lines() do error("a line") end
  assert(loadfile()() == nil and dofile() == nil)
  return "nothing"
end)
case("the real globals", "completed", "not reached", function()
  local mine = _G
  for _, get in ipairs {
    function() return package.loaded._G end,
    function() return load("return _G")() end,
    function() return load("return _ENV", "x", "t")() end,
    function() return require "_G" end,
    function() return coroutine.wrap(function() return _G end)() end,
    function() return select(2, pcall(function() return _G end)) end,
    function() return dofile("/dev/null") or mine end,
  } do assert(rawequal(get(), mine)) end
  return "not reached"
end)
refused("lfs.chdir", "", function() require "lfs".chdir("/") end)
case("C modules are the plugin's own", "completed", "done", function()
  for _, name in ipairs { "cjson", "lpeg", "lfs" } do
    local ok, module = pcall(require, name)
    if ok then
      for key in pairs(module) do module[key] = function() return "EVIL" end end
    end
  end
  return "done"
end)
case("an environment of its own for load", "completed", "nil 1", function()
  local f = load("x = 1 return tostring(string) .. ' ' .. x", "n", "t", { tostring = tostring })
  return f()
end)
case("a ctx in the result", "dead", "result.ctx: a userdata cannot cross", function(_, ctx)
  return { ctx = ctx }
end)
return any.task
