-- Code that wants more than there is: memory, jobs, fibers, text. `codes`: how its attempt may end,
-- killed for its memory, at its deadline, or refused. Driver: tests/unit/attack_hold.c.
-- luacheck: ignore 212 241 331 542
local cases = require "cases"
local neap = require "neap"
local case = cases.new()

local function each(name, f, codes) case(name, "dead", codes or "memory timeout", f) end

local function grow()
  local t = {}
  while true do t[#t + 1] = {} end
end

-- --- memory ------------------------------------------------------------------------------------

each("a string of 1 GB", function() return #("x"):rep(1 << 30) end, "memory timeout")
each("a string of 1 GB, caught", function()
  while true do pcall(string.rep, "x", 1 << 30) end
end, "timeout")
each("a string with separators", function() return #("x"):rep(1 << 29, "y") end, "memory timeout")
each("a table", grow)
each("a table, caught", function() while true do pcall(grow) end end)
each("a table of numbers", function()
  local t = {}
  for i = 1, math.huge do t[i] = i end
end)
each("a hash", function()
  local t = {}
  for i = 1, math.huge do t[i + 0.5] = i end
end)
each("a string, piece by piece", function()
  local s = ""
  while true do s = s .. "x" end
end)
each("a string, doubled", function()
  local s = "x"
  while true do s = s .. s end
end)
each("strings", function()
  local t = {}
  for i = 1, math.huge do t[i] = ("x"):rep(1000) .. i end
end)
each("closures", function()
  local f
  while true do
    local g = f
    f = function() return g end
  end
end)
each("in a comparator", function() table.sort({ 3, 2, 1 }, grow) end)
each("in a comparator, caught", function()
  table.sort({ 3, 2, 1 }, function() while true do pcall(grow) end end)
end)
each("in gsub", function() ("x"):gsub(".", grow) end)
each("in a handler", function() xpcall(error, grow) end)
each("in __close", function()
  local _ <close> = setmetatable({}, { __close = grow })
  grow()
end)
each("in a coroutine", function() coroutine.wrap(grow)() end)
each("in coroutines", function()
  local function nest(n) if n == 0 then grow() else coroutine.wrap(nest)(n - 1) end end
  nest(50)
end)
each("coroutines", function()
  local t = {}
  while true do
    t[#t + 1] = coroutine.create(print)
    coroutine.resume(t[#t])
  end
end)
each("coroutines that wait", function()
  local t = {}
  while true do
    t[#t + 1] = coroutine.wrap(function() coroutine.yield() end)
    t[#t]()
  end
end)
each("a stack", function()
  local function more(...) return more(1, 2, 3, 4, 5, 6, 7, 8, ...) end
  more()
end, "error memory timeout")
each("stacks", function()
  local function deep(n)
    if n == 0 then coroutine.yield() end
    return 1 + deep(n - 1)
  end
  local t = {}
  while true do
    t[#t + 1] = coroutine.wrap(deep)
    t[#t](10000)
  end
end)
each("gsub", function()
  return #("x"):rep(1 << 16):gsub("x", ("y"):rep(1 << 16))
end, "memory timeout")
each("format", function() return ("%s"):rep(99):format(table.unpack((function()
  local t = {}
  for i = 1, 99 do t[i] = ("x"):rep(1 << 20) end
  return t
end)())) end, "memory timeout")
each("concat", function()
  local t = {}
  for i = 1, 1000 do t[i] = ("x"):rep(1 << 20) end
  return #table.concat(t)
end, "memory timeout")
each("concat of the same", function()
  local s, t = ("x"):rep(1 << 20), {}
  for i = 1, 10000 do t[i] = s end
  return #table.concat(t)
end, "memory timeout")
each("pack", function()
  return table.pack(("x"):rep(1 << 20):byte(1, -1))
end, "error timeout")
each("unpack", function() return table.unpack({}, 1, 1 << 24) end, "error")
each("move", function() return table.move({}, 1, math.maxinteger, 2) end, "error timeout")
each("load of endless text that is kept", function()
  local n = 0
  load(function()
    n = n + 1
    return ("local x%d = 'y%d' "):format(n, n)
  end)
  while true do end
end)
each("load of an endless string", function()
  local first = true
  load(function()
    if first then
      first = false
      return "return '"
    end
    return ("x"):rep(1 << 16)
  end)
  while true do end
end)
each("json", function()
  local t = {}
  for i = 1, 100 do t = { t, t, n = i } end
  return neap.json.encode(t)
end, "error memory timeout")
each("json of much", function()
  local t, s = {}, ("x"):rep(1 << 20)
  for i = 1, 1000 do t[i] = s end
  return neap.json.encode(t)
end, "error memory timeout")
each("a result of 20 MB", function() return ("x"):rep(20 << 20) end, "error timeout")
each("an error of 20 MB", function() error(("x"):rep(20 << 20)) end, "error timeout")
each("async", function()
  while true do neap.async(function() neap.sleep("1h") end) end
end)
each("async that waits", function()
  while true do
    neap.async(function() neap.sleep("1h") end)
    neap.sleep(0)
  end
end)
each("async of async", function()
  local function two()
    neap.async(two)
    neap.async(two)
  end
  two()
  neap.sleep("1h")
end)
each("races", function()
  local list = {}
  for i = 1, math.huge do
    list[i] = function() neap.sleep("1h") end
    if i % 1000 == 0 then neap.async(neap.race, list) end
  end
end)

-- --- what is not Lua's memory ------------------------------------------------------------------

each("shared values", function()
  local map, s = neap.shared("floods"), ("x"):rep(1 << 20)
  local i = 0
  while true do
    i = i + 1
    local ok, why = map:set("k" .. i, s, 1)
    if not ok then error(why) end
  end
end, "error timeout")
each("shared maps", function()
  for i = 1, math.huge do neap.shared("flood" .. i):set("x", 1) end
end, "error timeout")
each("jobs", function()
  while true do
    local ok, why = neap.submit("floods.task", { case = "a table" },
      { queue = "narrow", delay = "1h" })
    if not ok then error(why) end
  end
end, "error timeout")
each("jobs, caught", function()
  while true do pcall(neap.submit, "floods.task", nil, { queue = "narrow", delay = "1h" }) end
end, "timeout")
each("jobs with this one", function(_, ctx)
  local s = ("x"):rep((1 << 20) - 1000)
  while true do ctx:submit("floods.task", s, { queue = "narrow", delay = "1h" }) end
end, "error timeout")
each("jobs with this one, much", function(_, ctx)
  local s = ("x"):rep(1000000)
  while true do ctx:submit("probe.task", s, { delay = "1h" }) end
end, "error timeout")
each("progress", function(_, ctx)
  local s = ("x"):rep(1 << 20)
  while true do ctx:progress(1, s) end
end, "timeout")
each("print", function() while true do print("flood") end end, "timeout")
each("print of much", function()
  local s = ("x"):rep(1 << 20)
  while true do print(s) end
end, "timeout")
each("io.write", function() while true do io.write("flood ") end end, "timeout")
each("the log", function() while true do neap.log.info("flood", { x = ("x"):rep(10000) }) end end,
  "timeout")

return case.task
