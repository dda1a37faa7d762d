-- Small programs whose output must not depend on where they run: tests/unit/same.c runs each in
-- stock Lua and in a job, there with a real wait wherever it calls wait().
local programs = {}

local function program(name, f) programs[#programs + 1] = { name = name, run = f } end

local function closing(f) return setmetatable({}, { __close = f }) end

-- --- coroutines ----------------------------------------------------------------------------------

program("values through resume and yield", function(out, wait)
  local co = coroutine.create(function(...)
    out("in", ...)
    wait()
    out("in", coroutine.yield(1, nil, 3))
    wait()
    out("in", coroutine.yield())
    return nil, "end", nil
  end)
  out(coroutine.status(co), coroutine.resume(co, "a", nil))
  out(coroutine.status(co), coroutine.resume(co, "b", nil, nil))
  out(coroutine.status(co), coroutine.resume(co))
  out(coroutine.status(co), coroutine.resume(co))
  out(coroutine.status(co), coroutine.resume(co, 1, 2))
  out(select("#", coroutine.resume(co)))
end)

program("status from inside and from a child", function(out, wait)
  local co
  co = coroutine.create(function()
    wait()
    out(coroutine.status(co), coroutine.isyieldable(), select(2, coroutine.running()))
    coroutine.wrap(function()
      wait()
      out(coroutine.status(co), coroutine.resume(co))
      out(pcall(coroutine.close, co))
    end)()
    out(coroutine.resume(co))
    out(coroutine.running() == co)
  end)
  out(coroutine.status(co))
  out(coroutine.resume(co))
  out(coroutine.status(co), coroutine.isyieldable(co))
end)

program("the main one", function(out, wait)
  local main, is_main = coroutine.running()
  wait()
  out(type(main), is_main, coroutine.running() == main)
  out(coroutine.isyieldable(), coroutine.status(main))
  out(pcall(coroutine.yield, 1))
  out(pcall(coroutine.close, main))
  out(coroutine.resume(main))
  coroutine.wrap(function()
    wait()
    out(coroutine.status(main), coroutine.resume(main))
    out(pcall(coroutine.close, main))
    out(coroutine.isyieldable(main), coroutine.isyieldable())
  end)()
end)

program("errors of resume", function(out, wait)
  local co = coroutine.create(function() wait() error("plain") end)
  out(coroutine.resume(co))
  out(coroutine.status(co), coroutine.resume(co))
  co = coroutine.create(function() wait() error({ 7 }) end)
  local ok, e = coroutine.resume(co)
  out(ok, type(e), e[1])
  co = coroutine.create(function() wait() error(nil) end)
  out(coroutine.resume(co))
  co = coroutine.create(function() wait() local x = nil; return x.y end)
  out(coroutine.resume(co))
  out(pcall(coroutine.resume, 1))
  out(pcall(coroutine.resume))
  out(pcall(coroutine.create, 1))
  out(pcall(coroutine.create))
  out(pcall(coroutine.wrap, {}))
  out(pcall(coroutine.status, nil))
  out(pcall(coroutine.close, "x"))
end)

program("errors of wrap", function(out, wait)
  out(pcall(coroutine.wrap(function() wait() error("plain") end)))
  out(pcall(coroutine.wrap(function() wait() error("bare", 0) end)))
  local ok, e = pcall(coroutine.wrap(function() wait() error({ 7 }) end))
  out(ok, type(e), e[1])
  out(pcall(coroutine.wrap(function() wait() error() end)))
  local f = coroutine.wrap(function() wait() return 1 end)
  out(f())
  out(pcall(f))
  out(pcall(f))
  local g = coroutine.wrap(function() wait() error("first") end)
  out(pcall(g))
  out(pcall(g))
  local function nest(n)
    if n == 0 then wait() error("deep") end
    return coroutine.wrap(function() wait() return nest(n - 1) end)()
  end
  out(pcall(nest, 4))
end)

program("resuming itself", function(out, wait)
  local co
  co = coroutine.create(function() wait() return coroutine.resume(co) end)
  out(coroutine.resume(co))
  local f
  f = coroutine.wrap(function() wait() return pcall(f) end)
  out(f())
end)

program("a generator in for", function(out, wait)
  local function range(n)
    return coroutine.wrap(function() for i = 1, n do wait() coroutine.yield(i, i * i) end end)
  end
  for i, square in range(4) do
    wait()
    out(i, square)
    if i == 3 then break end
  end
end)

program("producer, filter, consumer", function(out, wait)
  local function producer()
    return coroutine.create(function()
      for _, line in ipairs { "one", "two", "three" } do wait() coroutine.yield(line) end
    end)
  end
  local function filter(from)
    return coroutine.create(function()
      for n = 1, math.huge do
        local _, x = coroutine.resume(from)
        wait()
        if not x then return end
        coroutine.yield(n .. " " .. x)
      end
    end)
  end
  local from = filter(producer())
  repeat
    local ok, x = coroutine.resume(from)
    out(ok, x)
    wait()
  until not x
end)

program("permutations", function(out, wait)
  local function permgen(a, n)
    n = n or #a
    if n <= 1 then
      coroutine.yield(a)
    else
      for i = 1, n do
        a[n], a[i] = a[i], a[n]
        permgen(a, n - 1)
        a[n], a[i] = a[i], a[n]
      end
    end
  end
  for p in coroutine.wrap(function() permgen { "a", "b", "c" } end) do
    wait()
    out(table.concat(p, " "))
  end
end)

program("yields across pcall", function(out, wait)
  local co = coroutine.wrap(function()
    local ok, e = pcall(function()
      wait()
      local x = coroutine.yield("inside")
      wait()
      error("with " .. x, 0)
    end)
    coroutine.yield(ok, e)
    out(pcall(pcall, function() wait() return coroutine.yield("two deep") end))
    out(select("#", pcall(function() wait() return coroutine.yield("none") end)))
    return "end"
  end)
  out(co())
  out(co("value"))
  out(co())
  out(co("a", "b"))
  out(co())
end)

program("yields across metamethods", function(out, wait)
  local mt = {}
  local function op(name)
    mt[name] = function(a, b)
      wait()
      return coroutine.yield(name, type(a), type(b))
    end
  end
  for _, name in ipairs { "__add", "__concat", "__index", "__eq", "__lt", "__le", "__len", "__unm",
    "__call", "__idiv", "__band", "__shl", "__bnot" } do op(name) end
  mt.__newindex = function(_, k, v) wait() coroutine.yield("__newindex", k, v) end
  local a, b = setmetatable({}, mt), setmetatable({}, mt)
  local steps = {
    function() return a + 1 end, function() return 1 + a end, function() return a .. "x" end,
    function() return "x" .. a .. "y" end, function() return a.key end,
    function() return a == b end,
    function() return a ~= b end, function() return a < b end, function() return a <= b end,
    function() return a >= b end, function() return #a end, function() return -a end,
    function() return a(1) end, function() a.key = 2 return "set" end, function() return a // 2 end,
    function() return a & 1 end, function() return a << 1 end, function() return ~a end,
  }
  for i, step in ipairs(steps) do
    local co = coroutine.create(step)
    out(i, coroutine.resume(co))
    out(i, coroutine.resume(co, "answer"))
  end
end)

program("yields across iterators and close", function(out, wait)
  local function iter(_, i)
    wait()
    i = coroutine.yield("iter", i) or i + 1
    if i < 3 then return i end
  end
  local co = coroutine.wrap(function()
    local last = closing(function() wait() out("closed", coroutine.yield("closing")) end)
    for i in iter, nil, 0, last do
      out("body", i)
    end
    return "end"
  end)
  for _ = 1, 6 do
    local ok, a, b = pcall(co)
    out(ok, a, b)
  end
end)

program("no yield across sort, gsub and tostring", function(out, wait)
  local function yields(...) wait() return coroutine.yield(...) end
  local co = coroutine.wrap(function()
    out(pcall(table.sort, { 3, 2, 1 }, yields))
    out(pcall(string.gsub, "abc", "b", yields))
    out(pcall(tostring, setmetatable({}, { __tostring = yields })))
    return "end"
  end)
  out(co())
end)

program("coroutines inside sort and gsub", function(out, wait)
  local t = { 5, 2, 9, 1 }
  table.sort(t, function(a, b)
    return coroutine.wrap(function() wait() coroutine.yield(a < b) end)()
  end)
  out(table.concat(t, ","))
  out((string.gsub("abc", "%w", function(c)
    local co = coroutine.wrap(function() wait() coroutine.yield(1) return c:upper() end)
    co()
    return co()
  end)))
end)

program("close", function(out, wait)
  local co = coroutine.create(function()
    local _ <close> = closing(function(_, e) out("first", e) end)
    local _ <close> = closing(function(_, e) out("second", e) end)
    wait()
    coroutine.yield(1)
    out("not reached")
  end)
  out(coroutine.close(coroutine.create(type)))
  out(coroutine.resume(co))
  wait()
  out(coroutine.close(co))
  out(coroutine.status(co), coroutine.close(co), coroutine.resume(co))
  co = coroutine.create(function()
    local _ <close> = closing(function(_, e) out("gets", e) error("second", 0) end)
    wait()
    error("first", 0)
  end)
  out(coroutine.resume(co))
  out(coroutine.close(co))
  out(coroutine.close(co))
  co = coroutine.create(function()
    local _ <close> = closing(function() error({ "odd" }) end)
    wait()
    coroutine.yield()
  end)
  coroutine.resume(co)
  local ok, e = coroutine.close(co)
  out(ok, type(e), e[1], coroutine.status(co))
end)

program("close methods around errors and yields", function(out, wait)
  local function f()
    local _ <close> = closing(function(_, e) wait() out("c1", e) coroutine.yield("from c1") end)
    local _ <close> = closing(function(_, e) wait() out("c2", e) error("of c2", 0) end)
    wait()
    coroutine.yield("from f")
    error("of f", 0)
  end
  local co = coroutine.wrap(function() return pcall(f) end)
  out(co())
  out(co())
  out(co())
  local w = coroutine.wrap(function()
    local _ <close> = closing(function(_, e) out("w", e) end)
    wait()
    error("of w")
  end)
  out(pcall(w))
end)

program("close in a close", function(out, wait)
  local function make(n)
    local co = coroutine.create(function()
      local _ <close> = closing(function()
        if n > 0 then out(n, coroutine.close(make(n - 1))) end
      end)
      wait()
      coroutine.yield()
    end)
    coroutine.resume(co)
    return co
  end
  out(coroutine.close(make(10)))
end)

program("closing the running and the normal", function(out, wait)
  local co
  co = coroutine.create(function()
    wait()
    out(pcall(coroutine.close, co))
    coroutine.wrap(function() wait() out(pcall(coroutine.close, co)) end)()
  end)
  out(coroutine.resume(co))
end)

program("many values", function(out, wait)
  local function many(n) return table.unpack({}, 1, n) end
  local co = coroutine.wrap(function(...)
    wait()
    local n = select("#", ...)
    local m = select("#", coroutine.yield(many(n)))
    wait()
    return many(m)
  end)
  out(select("#", co(many(5000))))
  out(select("#", co(many(100000))))
  out(pcall(coroutine.resume, coroutine.create(function(...) wait() return select("#", ...) end),
            many(200000)))
end)

program("deep nesting of coroutines", function(out, wait)
  local function nest(n)
    if n == 0 then wait() return "bottom" end
    local co = coroutine.create(nest)
    local ok, e = coroutine.resume(co, n - 1)
    if not ok then error(e, 0) end
    return e
  end
  out(nest(100))
  local ok, e = pcall(nest, 400)
  out(ok, (string.gsub(tostring(e), "^.*(C stack overflow).*$", "%1")))
end)

-- --- pcall and xpcall ----------------------------------------------------------------------------

program("pcall", function(out, wait)
  out(pcall(function(...) wait() return ... end, 1, nil, 3))
  out(select("#", pcall(function() wait() end)))
  out(pcall(error))
  out(pcall(error, nil))
  out(pcall(error, "text", 0))
  out(pcall(error, "text", 1))
  out(pcall(error, "text", 2))
  out(pcall(1))
  out(pcall(nil))
  out(pcall(pcall))
  out(pcall(pcall, error, "x", 0))
  out(pcall(select, 0))
  out(pcall(string.rep))
  out(pcall(setmetatable, 1, {}))
  out(pcall(getmetatable))
  out(pcall(function() local t = nil; return t.x end))
  out(pcall(function() return {} .. "x" end))
  out(pcall(function() return 1 < "x" end))
  out(pcall(function() return #nil end))
  out(pcall(next, {}, "nokey"))
end)

program("error with levels, through waits", function(out, wait)
  local function level(n) wait() error("here", n) end
  for n = 0, 3 do out(pcall(function() wait() level(n) end)) end
  out(pcall(assert, false))
  out(pcall(assert, nil, "why"))
  out(pcall(assert, false, { 1 }) and 1, select("#", pcall(assert, false, { 1 })))
  out(assert(1, 2, 3))
end)

program("xpcall", function(out, wait)
  local function handler(...) return "handled", select("#", ...), ... end
  out(xpcall(function(...) wait() return ... end, handler, 1, nil, 3, nil))
  out(xpcall(function(...) wait() error("e" .. select("#", ...), 0) end, handler, nil, nil))
  out(xpcall(error, handler))
  out(xpcall(error, handler, nil))
  out(pcall(xpcall))
  out(pcall(xpcall, type))
  out(pcall(xpcall, type, nil))
  out(pcall(xpcall, type, setmetatable({}, { __call = type })))
  out(xpcall(nil, handler))
  out(xpcall(pcall, handler, error, "x"))
  out(xpcall(function() wait() return xpcall(error, handler, "inner", 0) end, handler))
  out(xpcall(function() wait() xpcall(error, handler, "inner", 0) error("outer", 0) end, handler))
end)

program("handlers that fail", function(out, wait)
  local count = 0
  local function bad(m)
    count = count + 1
    if count < 5 then error(m, 0) end
    return "at last " .. m
  end
  out(xpcall(function() wait() error("x", 0) end, bad))
  out(count)
  out(xpcall(function() wait() error("x", 0) end, function(m) error(m, 0) end))
  out(xpcall(function() wait() error("x", 0) end, function(m)
    return select(2, xpcall(error, function(inner) return inner .. "!" end, m .. "?", 0))
  end))
  out(xpcall(function() wait() error("x", 0) end, function(m)
    return coroutine.wrap(function() coroutine.yield(m .. " in a coroutine") end)()
  end))
end)

program("tracebacks", function(out, wait)
  local function where(text) return (text:gsub("\n.*$", "")) end
  local function three() wait() error("oops") end
  local function two() wait() three() return 1 end
  local function lines(trace)
    local kept = {}
    for line in trace:gmatch "[^\n]+" do
      local at = line:match("programs%.lua:%d+")
      if at then kept[#kept + 1] = at end
    end
    return table.concat(kept, " ", 1, math.min(#kept, 4))
  end
  local _, trace = xpcall(two, debug.traceback)
  out(where(trace), lines(trace))
  _, trace = xpcall(two, function(e) return debug.traceback(e, 2) end)
  out(where(trace), lines(trace))
  _, trace = xpcall(two, function(e) return debug.traceback(e, 1) end)
  out(lines(trace))
  local co = coroutine.create(function() wait() coroutine.yield() two() end)
  coroutine.resume(co)
  out(lines(debug.traceback(co)))
  out(coroutine.resume(co))
  out(lines(debug.traceback(co)))
  out(debug.traceback("text", 0):match("^text\nstack traceback:\n%s+(.-)\n"))
  out(type(debug.traceback({})), debug.traceback(nil) == nil)
  out(debug.traceback(12):match("^12\n") ~= nil)
end)

program("getinfo", function(out, wait)
  local function here(level)
    wait()
    local info = debug.getinfo(level, "Sl")
    return info and info.currentline, info and info.short_src:match("[^/]*$"), info and info.what
  end
  out(here(1))
  local line, src, what = here(2)
  out(line, src, what)
  out(debug.getinfo(here, "S").linedefined, debug.getinfo(string.rep, "S").what)
  out(debug.getinfo(1, "n").namewhat, debug.getinfo(1000))
  out(pcall(debug.getinfo, 1, "?"))
  out(debug.getinfo(here, "u").nparams, debug.getinfo(here, "u").isvararg)
end)

program("stack overflow", function(out, wait)
  local function deep(n) return 1 + deep(n + 1) end
  wait()
  local ok, e = pcall(deep, 1)
  out(ok, tostring(e):match("stack overflow"))
  local depth = 0
  local function count() depth = depth + 1 count() end
  ok = pcall(count)
  out(ok, depth > 100000, depth < 1000000)
  ok, e = pcall(coroutine.wrap(function() wait() return deep(1) end))
  out(ok, tostring(e):match("stack overflow"))
  ok, e = xpcall(deep, function(m) return #m > 0 and "handled" end, 1)
  out(ok, e)
end)

program("C stack overflow", function(out, wait)
  local function kind(ok, e) return ok, (tostring(e):match("C stack overflow")) end
  wait()
  local function nested() return select(2, pcall(nested)) or pcall(nested) end
  out((pcall(nested)))
  local function gsub(s) return (string.gsub(s, ".", gsub)) end
  out(kind(pcall(gsub, "x")))
  local t = setmetatable({}, { __index = function(self, k) return self[k + 1] end })
  out(kind(pcall(function() return t[1] end)))
  local s = setmetatable({}, { __tostring = function(self) return tostring(self) end })
  out(kind(pcall(tostring, s)))
  local function sort() table.sort({ 2, 1 }, sort) end
  out(kind(pcall(sort)))
  out(kind(pcall(load, ("("):rep(300) .. "1" .. (")"):rep(300))))
  out((load("return " .. ("("):rep(300) .. "1" .. (")"):rep(300))) == nil)
end)

program("goto continue with pcall in loops", function(out, wait)
  for i = 1, 4 do
    local ok = pcall(function() wait() if i % 2 == 0 then error() end end)
    if not ok then goto continue end
    out(i)
    ::continue::
  end
end)

-- --- load ----------------------------------------------------------------------------------------

program("load", function(out, wait)
  wait()
  out(load("return 1 + 1")())
  out(load("x =", "=name"))
  out(load("x =", "@file.lua"))
  out(load("return x", "n", "t", { x = 7 })())
  out(load("return x", "n", "t", nil))
  out(pcall(load("return x", "n", "t", nil)))
  out(load("return ...", "n")(1, 2))
  local parts = { "return ", "4", "2" }
  local i = 0
  out(load(function() i = i + 1 wait() return parts[i] end)())
  out(load(function() return {} end))
  out(load(function() error("reader", 0) end))
  out(load(function() return nil end))
  out(pcall(load, nil))
  out(pcall(load))
  out(load("\27Lua", "n", "t"))
  out(pcall(setmetatable, {}, 1))
  out(pcall(function() return setmetatable(1) end))
  out(pcall(function() return setmetatable({}) end))
  out(pcall(function() setmetatable(setmetatable({}, { __metatable = 1 }), {}) end))
  out(getmetatable(setmetatable({}, { __metatable = "mine" })), getmetatable({}))
  out(pcall(function() print(setmetatable({}, { __tostring = function() return {} end })) end))
  out(pcall(function() for _ in io.lines("/no/such/file") do out("line") end end))
  out(pcall(function() io.lines({}) end))
  out(pcall(function() io.open() end))
  out(io.open("/no/such/file"))
  out(pcall(function() warn() end))
  out(pcall(function() warn({}) end))
end)

program("text of numbers", function(out, wait)
  wait()
  for _, v in ipairs { 1, 1.0, -0.0, 1e15, 1e100, 2^53, 2^63, 0.1, 1 / 3, math.huge, -math.huge,
    math.maxinteger, math.mininteger, 3.14159265358979, 1e-300 } do
    out(v, "a" .. v, string.format("%s %d", v, 3), tostring(v))
  end
  out(tostring(0 / 0):gsub("^-", ""))
end)

-- --- at random -----------------------------------------------------------------------------------

-- A program made up as it runs, from `seed` alone.
local function made_up(seed, out, wait)
  local state, budget = seed * 2654435761 & 0xffffffff, 150
  local function draw(n)
    state = state * 1664525 + 1013904223 & 0xffffffff
    return (state >> 16) % n + 1
  end
  local act

  local function several(depth)
    for _ = 1, draw(3) do act(depth) end
    return draw(100)
  end

  local function drive(co, tell)
    for _ = 1, draw(4) do
      tell(coroutine.status(co), coroutine.resume(co, draw(100)))
      if coroutine.status(co) == "dead" then return end
      act(0)
    end
    if draw(2) == 1 then tell("close", coroutine.close(co)) end
  end

  local acts = {
    function() out(draw(100), coroutine.isyieldable()) end,
    function() wait() end,
    function(depth) out(pcall(several, depth)) end,
    function(depth)
      out(xpcall(several, function(e)
        if draw(3) == 1 then act(depth) end
        return type(e) == "string" and "handled " .. e or e
      end, depth))
    end,
    function(depth) drive(coroutine.create(function() return several(depth) end), out) end,
    function(depth)
      local f = coroutine.wrap(function() return several(depth) end)
      for _ = 1, draw(4) do out(pcall(f, draw(100))) end
    end,
    function() error(draw(3) == 1 and { draw(100) } or "e" .. draw(100), draw(3) - 1) end,
    function() if coroutine.isyieldable() then out("back", coroutine.yield(draw(100))) end end,
    function(depth)
      out(pcall(table.sort, { 3, 1, 2 }, function(a, b) act(depth) return a < b end))
    end,
    function(depth) out(pcall(string.gsub, "abc", "%w", function() act(depth) end)) end,
    function(depth)
      local name = draw(100)
      local _ <close> = closing(function(_, e)
        out("closing", name, type(e))
        act(depth)
        out("closed", name)
      end)
      act(depth)
    end,
    function(depth)
      local t = setmetatable({}, { __index = function() return several(depth) end })
      out(t[draw(100)])
    end,
    function(depth)
      for v in coroutine.wrap(function()
        for i = 1, draw(3) do
          act(depth)
          coroutine.yield(i)
        end
      end) do
        out("for", v)
        if draw(3) == 1 then break end
      end
    end,
    function(depth) several(depth) end,
  }

  function act(depth)
    budget = budget - 1
    if budget < 0 then return end
    if depth <= 0 then return acts[draw(2)](0) end
    acts[draw(#acts)](depth - 1)
  end

  for _ = 1, 3 do out("top", pcall(several, 6)) end
end

for part = 1, 10 do
  program("made up, " .. part, function(out, wait)
    for seed = part * 100, part * 100 + 99 do
      local lines, sum = 0, 0
      made_up(seed, function(...)
        for i = 1, select("#", ...) do
          local v = select(i, ...)
          local text = type(v) == "table" and "table " .. tostring(v[1]) or tostring(v)
          text = text:gsub("[%w/._-]*programs%.lua", "programs.lua")
          for c = 1, #text do sum = (sum * 31 + text:byte(c)) & 0xffffffff end
        end
        lines = lines + 1
      end, wait)
      out(seed, lines, sum)
    end
  end)
end

return {
  count = #programs,
  made_up = made_up, -- to look into one
  -- Runs program `i`: its name and what it put out.
  run = function(i, wait)
    local lines = {}
    local function out(...)
      local parts = table.pack(...)
      for n = 1, parts.n do parts[n] = tostring(parts[n]) end
      lines[#lines + 1] = table.concat(parts, " ")
    end
    local ok, e = pcall(programs[i].run, out, wait)
    out(ok and "ended" or "failed: " .. tostring(e))
    local text = table.concat(lines, "\n")
    text = text:gsub("0x%x+", "PTR"):gsub("[%w/._-]*programs%.lua", "programs.lua")
    return programs[i].name, text
  end,
}
