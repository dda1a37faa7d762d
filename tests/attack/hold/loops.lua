-- Code that does not end by itself. `codes`: how its attempt may end, killed at its deadline.
-- Driver: tests/unit/attack_hold.c.
-- luacheck: ignore 212 512 542 561 (arguments not used; loops that end at once, empty bodies)
local cases = require "cases"
local neap = require "neap"
local case = cases.new()

local function loop() while true do end end
local function closing(f) return setmetatable({}, { __close = f }) end
local function calls(f) while true do pcall(f) end end
local function each(name, f) case(name, "dead", "timeout", f) end

each("a loop", loop)
each("a for loop", function() for _ = 1, math.maxinteger do end end)
each("goto", function() ::again:: goto again end)
each("tail calls", function()
  local function again() return again() end
  return again()
end)
each("a loop over a table", function()
  local t = { 1, 2, 3 }
  while true do for _ in pairs(t) do end end
end)
each("calls of C", function() while true do math.abs(1) end end)
each("iterating with C", function() for _ in os.time do end end)

-- --- what catches errors -----------------------------------------------------------------------

each("pcall of a loop", function() calls(loop) end)
each("pcall of an error", function() calls(error) end)
each("pcall in pcall", function() calls(function() pcall(calls, loop) end) end)
each("pcall of pcall of nothing", function() while true do pcall(pcall, pcall, pcall) end end)
each("a handler that loops", function() xpcall(error, loop) end)
each("a handler that catches", function() xpcall(error, function() calls(error) end) end)
each("a loop with a handler that loops", function() while true do xpcall(loop, loop) end end)
each("handlers that fail", function() while true do xpcall(error, error) end end)
each("a handler that loops in a sort", function()
  table.sort({ 3, 2, 1 }, function() xpcall(error, loop) end)
end)
each("a loop with a handler in a sort", function()
  table.sort({ 3, 2, 1 }, function() while true do xpcall(loop, loop) end end)
end)
each("an error whose text loops", function() error(setmetatable({}, { __tostring = loop })) end)
each("an error whose name loops", function()
  error(setmetatable({}, { __tostring = function() calls(loop) end }))
end)
each("returned with a text that loops", function()
  return nil, setmetatable({}, { __tostring = loop })
end)

-- --- to-be-closed variables --------------------------------------------------------------------

each("__close", function() local _ <close> = closing(loop) end)
each("__close of a loop", function() local _ <close> = closing(loop) loop() end)
each("five of them", function()
  local _ <close>, _ = closing(loop)
  local _ <close>, _ = closing(function() calls(loop) end)
  local _ <close>, _ = closing(loop)
  local _ <close>, _ = closing(function() xpcall(error, loop) end)
  local _ <close>, _ = closing(loop)
  loop()
end)
each("a hundred, nested", function()
  local function nest(n)
    local _ <close> = closing(loop)
    if n > 0 then nest(n - 1) else loop() end
  end
  nest(100)
end)
each("__close that catches", function() local _ <close> = closing(function() calls(loop) end) loop()
  end)
each("__close after an error", function()
  pcall(function() local _ <close> = closing(loop) error("x") end)
end)
each("__close in a coroutine", function()
  coroutine.wrap(function() local _ <close> = closing(loop) loop() end)()
end)
each("__close in nested coroutines", function()
  local function nest(n)
    local _ <close> = closing(function() calls(loop) end)
    if n > 0 then coroutine.wrap(nest)(n - 1) else loop() end
  end
  nest(10)
end)
each("__close in a coroutine in a sort", function()
  table.sort({ 3, 2, 1 }, function()
    coroutine.wrap(function() local _ <close> = closing(function() calls(loop) end) loop() end)()
  end)
end)
each("__close in a sort", function()
  table.sort({ 3, 2, 1 }, function() local _ <close> = closing(loop) loop() end)
end)
each("__close with a coroutine", function()
  local _ <close> = closing(function() while true do coroutine.wrap(function() end)() end end)
  loop()
end)
each("__close with coroutines that catch", function()
  local _ <close> = closing(function()
    while true do pcall(coroutine.wrap(function() calls(loop) end)) end
  end)
  loop()
end)
each("__close of coroutine.close", function()
  local co = coroutine.create(function() local _ <close> = closing(loop) coroutine.yield() end)
  coroutine.resume(co)
  coroutine.close(co)
end)
each("__close of coroutine.close in __close", function()
  local co = coroutine.create(function() local _ <close> = closing(loop) coroutine.yield() end)
  coroutine.resume(co)
  local _ <close> = closing(function() while true do pcall(coroutine.close, co) end end)
  loop()
end)
each("__close that waits", function()
  local _ <close> = closing(function() while true do pcall(neap.sleep, 0.001) end end)
  loop()
end)
each("__close that starts more", function()
  local function more() neap.async(more) while true do pcall(neap.async, more) end end
  local _ <close> = closing(more)
  loop()
end)
each("__close of a generic for", function()
  for _ in function() return 1 end, nil, nil, closing(loop) do break end
end)
each("__close ends it for good", function(_, ctx)
  local _ <close> = closing(function() while true do pcall(ctx.fail, ctx, "no") end end)
  loop()
end)

-- --- coroutines --------------------------------------------------------------------------------

each("nested coroutines", function()
  local function nest(n) if n == 0 then loop() else coroutine.wrap(nest)(n - 1) end end
  nest(50)
end)
each("resuming", function()
  local co = coroutine.create(function() while true do coroutine.yield() end end)
  while true do coroutine.resume(co) end
end)
each("resuming the dead", function()
  local co = coroutine.create(function() end)
  while true do coroutine.resume(co) end
end)
each("wrapping", function()
  while true do coroutine.wrap(function() coroutine.yield() end)() end
end)
each("wrapping errors", function() while true do pcall(coroutine.wrap(error)) end end)
each("a generator", function()
  for _ in coroutine.wrap(function() while true do coroutine.yield(1) end end) do end
end)
each("resuming each other", function()
  local a, b
  a = coroutine.create(function() while true do coroutine.resume(b) coroutine.yield() end end)
  b = coroutine.create(function() while true do coroutine.resume(a) coroutine.yield() end end)
  while true do coroutine.resume(a) end
end)
each("resuming one that loops", function()
  while true do coroutine.resume(coroutine.create(loop)) end
end)
each("resuming one that catches", function()
  while true do coroutine.resume(coroutine.create(calls), loop) end
end)
each("closing", function()
  while true do
    local co = coroutine.create(function() coroutine.yield() end)
    coroutine.resume(co)
    coroutine.close(co)
  end
end)

-- --- inside of C -------------------------------------------------------------------------------

each("a comparator", function() table.sort({ 3, 2, 1 }, loop) end)
each("a comparator that catches", function()
  table.sort({ 3, 2, 1 }, function() calls(loop) end)
end)
each("sorting", function()
  while true do table.sort({ 3, 2, 1 }, function(a, b) return a < b end) end
end)
each("sorting what cannot be sorted", function()
  while true do pcall(table.sort, { 3, 1, 2, 5, 4 }, function() return true end) end
end)
each("a coroutine in a comparator", function()
  table.sort({ 3, 2, 1 }, function() coroutine.wrap(calls)(loop) end)
end)
each("coroutines in a comparator", function()
  table.sort({ 3, 2, 1 }, function()
    while true do coroutine.wrap(function() coroutine.yield() end)() end
  end)
end)
each("a comparator in a comparator", function()
  table.sort({ 3, 2, 1 }, function() table.sort({ 3, 2, 1 }, function() calls(loop) end) end)
end)
each("gsub", function() ("x"):gsub(".", loop) end)
each("gsub that catches", function() ("x"):gsub(".", function() calls(loop) end) end)
each("gmatch", function() while true do for _ in ("abc"):gmatch(".") do end end end)
each("gsub by a table", function()
  ("x"):gsub(".", setmetatable({}, { __index = loop }))
end)
each("load", function() load(loop) end)
each("load of empty pieces", function() load(function() calls(loop) end) end)
case("load of endless text", "dead", "timeout memory", function()
  load(function() return " " end)
end)
case("load of an endless line", "dead", "timeout memory error", function()
  assert(load(function() return "x = x + 1 " end)) -- which may be refused for its size
end)
each("load in a comparator", function()
  table.sort({ 3, 2, 1 }, function() while true do load(loop) end end)
end)
each("a text that loops in a comparator", function()
  local t = setmetatable({}, { __tostring = loop })
  table.sort({ 3, 2, 1 }, function()
    while true do
      neap.log.info("x", { t = t })
      pcall(error, t)
    end
  end)
end)
each("loading", function() while true do load("return 1")() end end)
each("concat", function()
  table.concat(setmetatable({}, { __index = function() return "" end, __len = function()
    return math.maxinteger
  end }))
end)
each("unpack", function()
  table.unpack(setmetatable({}, { __index = loop }), 1, 2)
end)
case("require of what is not there", "dead", "error", function() require("loops") end)
each("collecting", function() while true do collectgarbage() end end)
each("dates", function() while true do os.date() end end)
each("json", function() while true do neap.json.decode(neap.json.encode({ { 1 } })) end end)

-- --- metamethods -------------------------------------------------------------------------------

for _, name in ipairs { "__add", "__concat", "__unm", "__len", "__eq", "__lt", "__le", "__call",
  "__index", "__newindex", "__tostring", "__pairs", "__band" } do
  each(name, function()
    local t, other = setmetatable({}, { [name] = loop }), setmetatable({}, { [name] = loop })
    local ways = {
      __add = function() return t + 1 end, __concat = function() return t .. "x" end,
      __unm = function() return -t end, __len = function() return #t end,
      __eq = function() return t == other end, __lt = function() return t < other end,
      __le = function() return t <= other end, __call = function() t() end,
      __index = function() return t.x end, __newindex = function() t.x = 1 end,
      __tostring = function() return tostring(t) end, __pairs = function() pairs(t) end,
      __band = function() return t & 1 end,
    }
    ways[name]()
  end)
end
case("a chain of __index", "dead", "error", function()
  local t = {}
  setmetatable(t, { __index = t })
  return t.x
end)
each("__index that is asked for ever", function()
  local t = setmetatable({}, { __index = function(_, k) return k end })
  local i = 1
  while true do i = t[i] end
end)

-- --- recursion ---------------------------------------------------------------------------------

local function deep() return 1 + deep() end
case("recursion, caught", "dead", "timeout memory", function() calls(deep) end)
each("recursion through pcall", function()
  local function nest() pcall(nest) end
  while true do nest() end
end)
each("recursion through pcall, twice", function()
  local function nest() pcall(nest) pcall(nest) end
  nest()
end)
each("recursion through metamethods", function()
  local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end })
  calls(function() return t[1] end)
end)
each("recursion through coroutines", function()
  local function nest() coroutine.wrap(nest)() end
  calls(nest)
end)
each("recursion through sort", function()
  local function nest() table.sort({ 3, 2, 1 }, nest) end
  calls(nest)
end)
each("recursion in a handler", function()
  local function nest() xpcall(error, nest) end
  calls(nest)
end)
each("doubling", function()
  local function nest(n) if n > 0 then nest(n - 1) nest(n - 1) end end
  nest(60)
end)

-- --- waiting -----------------------------------------------------------------------------------

each("sleeping", function() neap.sleep("1h") end)
each("sleeping, caught", function() while true do pcall(neap.sleep, 3600) end end)
each("sleeping no time", function() while true do neap.sleep(0) end end)
each("sleeping in coroutines", function()
  coroutine.wrap(function() coroutine.wrap(function() neap.sleep("1h") end)() end)()
end)
each("waiting for one like it", function(_, ctx)
  neap.submit(ctx.task, { case = "sleeping" }, { timeout = "10ms", delay = "1h" }):wait()
end)
each("waiting for itself", function()
  local h
  h = neap.async(function() neap.sleep(0.001) h:wait() end)
  while true do pcall(h.wait, h) end
end)
each("async that loops", function() neap.async(loop):wait() end)
each("async that catches", function() neap.async(function() calls(loop) end):wait() end)
each("a race nobody wins", function()
  neap.race { function() neap.sleep("1h") end, function() neap.sleep("1h") end }
end)
each("a race with a loop", function() neap.race { loop, loop } end)
each("async in async", function()
  local function nest() neap.async(nest):wait() end
  local function more() neap.async(loop) neap.async(loop) neap.sleep("1h") end
  neap.async(more)
  neap.async(function() neap.sleep(3600) nest() end)
  neap.sleep("1h")
end)
each("asking", function() while true do pcall(neap.stats) end end)

-- --- callbacks of luv --------------------------------------------------------------------------

local function every_ms(f)
  return function()
    local uv = require "luv"
    uv.new_timer():start(0, 1, f)
    neap.sleep("1h")
  end
end
case("a callback", "dead", "timeout error", every_ms(loop))
case("a callback that catches", "dead", "timeout error", every_ms(function() calls(loop) end))
case("a callback with coroutines", "dead", "timeout error", every_ms(function()
  while true do pcall(coroutine.wrap(function() calls(loop) end)) end
end))
case("a callback with __close", "dead", "timeout error", every_ms(function()
  local _ <close> = closing(loop)
  loop()
end))
case("a timer that starts itself", "dead", "timeout", function()
  local t = require "luv".new_timer()
  local function again() t:start(0, 0, again) end
  again()
  neap.sleep("1h")
end)
case("timers that take each other's time", "dead", "timeout", function()
  local uv = require "luv"
  local function busy()
    local until_ns = uv.hrtime() + 3000000
    while uv.hrtime() < until_ns do uv.update_time() end
  end
  uv.new_timer():start(0, 1, busy)
  uv.new_timer():start(0, 1, function() busy() end)
  neap.sleep("1h")
end)
case("callbacks without end", "dead", "timeout error", function()
  local uv = require "luv"
  local function again()
    local t = uv.new_timer()
    t:start(0, 0, again)
    t:start(0, 0, function() again() again() end)
  end
  again()
  neap.sleep("1h")
end)

return case.task
