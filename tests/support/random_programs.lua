-- luacheck: no max line length
-- Random programs for tests/unit/preempt*.c: run(seed, wait) writes one, loads it, runs it and
-- returns a digest of all it did. What a seed gives must be the same in stock Lua and in a job,
-- wherever that is interrupted and whatever wait() does. No addresses and no order of hashes get
-- into a digest.
local programs = {}

-- --- the writer ----------------------------------------------------------------------------------

local function random_of(seed)
  local x = (seed + 1) * 0x9E3779B97F4A7C15 | 1
  local function next_one(n) -- 1..n
    x = x ~ (x << 13)
    x = x ~ (x >> 7)
    x = x ~ (x << 17)
    return (x >> 33) % n + 1
  end
  for _ = 1, 8 do next_one(2) end
  return next_one
end

local write = {} -- statements, by name
local names = {}

local function statement(name, f)
  write[name] = f
  names[#names + 1] = name
end

local function writer(seed)
  local w = { n = { "N" }, s = { "S" }, count = 0, out = {}, random = random_of(seed), deep = 0, wraps = 0, times = 1 }

  function w.put(...) w.out[#w.out + 1] = string.format(...) end

  function w.name(kind)
    w.count = w.count + 1
    return kind .. w.count
  end

  function w.pick(list) return list[w.random(#list)] end

  -- A block of its own: what is declared inside is forgotten after it. It runs `times` times.
  function w.block(size, times)
    local n, s, before = #w.n, #w.s, w.times
    w.deep = w.deep + 1
    w.times = w.times * (times or 1)
    for _ = 1, w.random(size or 3) do
      local name = (w.deep > 5 or w.times > 100) and "digest" or w.pick(names)
      write[name](w)
    end
    w.deep = w.deep - 1
    w.times = before
    for i = #w.n, n + 1, -1 do w.n[i] = nil end
    for i = #w.s, s + 1, -1 do w.s[i] = nil end
  end

  -- Where a yield of the program's own would go to another coroutine than it means.
  function w.in_function(size, times)
    local wraps = w.wraps
    w.wraps = 0
    w.block(size, times)
    w.wraps = wraps
  end

  function w.num(deep)
    deep = deep or 0
    local r = w.random(deep > 2 and 4 or 14)
    if r <= 2 then return w.pick(w.n) end
    if r == 3 then return tostring(w.random(1000) - 500) end
    if r == 4 then return tostring((w.random(4000) - 2000) / 16) end
    local a, b = w.num(deep + 1), w.num(deep + 1)
    if r <= 8 then return ("(%s %s %s)"):format(a, w.pick { "+", "-", "*", "/" }, b) end
    if r == 9 then return ("(%s // (I(%s) | 1))"):format(a, b) end
    if r == 10 then return ("(%s %% (I(%s) | 1))"):format(a, b) end
    if r == 11 then return ("(I(%s) %s I(%s))"):format(a, w.pick { "&", "|", "~", "<<", ">>" }, b) end
    if r == 12 then return ("#%s"):format(w.pick(w.s)) end
    if r == 13 then return ("((V(%s) %s %s).v or 0)"):format(a, w.pick { "+", "-", "*", "//", "%", "<<", ".." }, b) end
    return ("(%s < %s and %s or %s)"):format(a, b, b, w.num(deep + 1))
  end

  function w.str(deep)
    deep = deep or 0
    local r = w.random(deep > 2 and 2 or 8)
    if r == 1 then return w.pick(w.s) end
    if r == 2 then return ("%q"):format(("abcxyz"):sub(w.random(6), w.random(6))) end
    if r == 3 then return ("T(%s)"):format(w.num(deep + 1)) end
    if r == 4 then return ("(%s .. %s)"):format(w.str(deep + 1), w.str(deep + 1)) end
    if r == 5 then return ("%s:sub(%d, %d)"):format(w.pick(w.s), w.random(9) - 5, w.random(30)) end
    if r == 6 then return ("%s:upper():rep(%d)"):format(w.pick(w.s), w.random(3)) end
    if r == 7 then return ("('%%d|%%5.2f'):format(I(%s), Q(%s))"):format(w.num(deep + 1), w.num(deep + 1)) end
    return ("%s:reverse()"):format(w.pick(w.s))
  end

  function w.cond()
    local r = w.random(5)
    if r == 1 then return ("V(%s) < V(%s)"):format(w.num(1), w.num(1)) end
    if r == 2 then return ("V(%s) == V(%s)"):format(w.num(2), w.num(2)) end
    if r == 3 then return ("%s:find('a', 1, true)"):format(w.pick(w.s)) end
    if r == 4 then return ("not (%s <= %s)"):format(w.num(1), w.num(1)) end
    return ("%s > %s and %s ~= %s"):format(w.num(1), w.num(1), w.str(2), w.str(2))
  end

  return w
end

statement("digest", function(w) w.put("D(%s, %s)", w.num(), w.str()) end)

statement("wait", function(w) w.put("W()") end)

statement("number", function(w)
  local name = w.name "n"
  w.put("local %s = %s", name, w.num())
  w.n[#w.n + 1] = name
end)

statement("text", function(w)
  local name = w.name "s"
  w.put("local %s = C(%s)", name, w.str())
  w.s[#w.s + 1] = name
end)

statement("assign", function(w)
  w.put("%s, %s = %s, C(%s)", w.pick(w.n), w.pick(w.s), w.num(), w.str())
end)

statement("choice", function(w)
  w.put("if %s then", w.cond())
  w.block()
  w.put("else")
  w.block()
  w.put("end")
end)

statement("numeric for", function(w)
  local i = w.name "i"
  w.put("for %s = %d, %d, %s do if F() then break end", i, w.random(5), w.random(20), w.pick { "1", "2", "1.5" })
  w.n[#w.n + 1] = i
  w.put("local %s = %s", i, i)
  w.block(3, 10)
  w.n[#w.n] = nil
  w.put("end")
end)

statement("while", function(w)
  local i = w.name "i"
  w.put("local %s = %d while %s > 0 do %s = %s - 1 if F() then break end", i, w.random(8), i, i, i)
  w.block(3, 4)
  w.put("end")
end)

statement("repeat and goto", function(w)
  local i, again = w.name "i", w.name "again"
  w.put("do local %s = 0 ::%s:: %s = %s + 1", i, again, i, i)
  w.put("repeat if F() then break end")
  w.block(2, 3)
  w.put("until %s or %s", w.cond(), "true")
  w.put("if %s < %d then goto %s end end", i, w.random(5), again)
end)

statement("pcall", function(w)
  w.put("D(pcall(function(...) D(...)")
  w.in_function()
  w.put("if %s then error(%s, %d) end return %s", w.cond(), w.pick { "'oops'", "{}", "nil", "42", w.str() },
    w.random(3) - 1, w.num())
  w.put("end, %s, %s))", w.num(), w.str())
end)

statement("a real error", function(w)
  w.put("D(pcall(function() local x = %s; return %s end))", w.pick { "nil", "'q'", "true" },
    w.pick { "x + 1", "x.y.z", "x()", "#x .. {}", "x < 1", "('x'):rep(-1) .. x", "V(1) & 1.5" })
end)

statement("xpcall", function(w)
  w.put("D(xpcall(function()")
  w.in_function(2)
  w.put("if %s then error(%s) end", w.cond(), w.str())
  w.put("return 1, nil, 3 end, function(e) D(e)")
  w.in_function(2, 4)
  w.put("return '<' .. tostring(e):sub(1, 40) .. '>' end))")
end)

statement("to be closed", function(w)
  w.put("D(pcall(function()")
  w.put("local c1 <close> = K(%d, function()", w.random(99))
  w.in_function(2)
  w.put("end)")
  w.put("local c2 <close> = K(%d, function() %s end)", w.random(99),
    w.random(4) == 1 and "error('in close')" or "")
  w.in_function(2)
  w.put("if %s then error('out') end", w.cond())
  w.put("for i, c in K3(%d) do D(i) if i > %d then break end", w.random(4), w.random(4))
  w.in_function(1)
  w.put("end return 'through' end))")
end)

statement("coroutine", function(w)
  if w.wraps >= 5 then return end
  local co = w.name "co"
  w.put("do local %s = coroutine.%s(function(a, b) D(a, b)", co, w.pick { "wrap", "wrap", "create" })
  local create = w.out[#w.out]:find("create", 1, true)
  w.wraps = w.wraps + 1
  w.block(2, 2)
  w.put("for i = 1, %d do a = coroutine.yield(i, a, C(%s)) D(a)", w.random(4), w.str())
  w.block(2, 4)
  w.put("end")
  w.wraps = w.wraps - 1
  if w.random(4) == 1 then w.put("error(%s)", w.pick { "'in a coroutine'", "{}" }) end
  w.put("return 'last', %s end)", w.num())
  local times = w.random(7)
  if create then
    w.put("for i = 1, %d do D(coroutine.status(%s), coroutine.resume(%s, i, %s)) W() end", times, co, co, w.num())
    w.put("D(coroutine.status(%s)) if coroutine.status(%s) ~= 'running' then D(coroutine.close(%s)) end", co, co, co)
  else
    w.put("for i = 1, %d do D(pcall(%s, i, %s)) end", times, co, w.num())
  end
  w.put("end")
end)

statement("generator", function(w)
  w.put("for a, b in coroutine.wrap(function() local x <close> = K(7, W) for i = 1, %d do", w.random(9))
  w.put("coroutine.yield(i, T(i * %s)) end end) do D(a, b)", w.num(1))
  w.block(1, 5)
  w.put("end")
end)

statement("sort", function(w)
  local t = w.name "t"
  w.put("do local %s = {} for i = 1, %d do %s[i] = (i * %d) %% 101 end", t, w.random(60), t, w.random(97))
  w.put("table.sort(%s, function(a, b) local x = 0 for i = 1, 3 do x = x + i end W() return a %s b end)", t,
    w.pick { "<", ">" })
  w.put("D(table.concat(%s, ',')) D(#%s) end", t, t)
end)

statement("sort that fails", function(w)
  w.put("D(pcall(table.sort, {5, 4, 3, 2, 1, 9}, function(a, b) if a == %d then error('cmp') end return a < b end))",
    w.random(9))
end)

statement("gsub", function(w)
  w.put("D(C((%s .. 'abcabc'):gsub('%s', function(c) local x = c for i = 1, 4 do x = x .. i end", w.pick(w.s),
    w.pick { "[abc]", "%w", "(.)(.)", "%d*" })
  w.put("W() return #x %% 2 == 0 and x or nil end)))")
end)

statement("gmatch", function(w)
  w.put("for word in (%s .. ' two three'):gmatch('%%a+') do D(word)", w.str())
  w.block(1, 4)
  w.put("end")
end)

statement("tables", function(w)
  local t = w.name "t"
  w.put("do local %s = table.pack(%s, %s, nil, %s) D(%s.n)", t, w.num(), w.str(), w.num(), t)
  w.put("table.insert(%s, 1, %s) D(table.remove(%s, 1)) D(table.unpack(%s, 1, 4))", t, w.num(), t, t)
  w.put("local u = table.move({1, 2, 3, %s}, 1, 4, %d, {}) D(u[%d], select('#', table.unpack(u, 1, 7)))", w.num(),
    w.random(4), w.random(5))
  w.put("end")
end)

statement("pairs with deletion", function(w)
  w.put("do local t, sum = {}, 0 for i = 1, %d do t[i * %d] = i end", w.random(50), w.random(9))
  w.put("for k, v in pairs(t) do t[k] = nil sum = sum + k * v end D(sum, next(t)) end")
end)

statement("proxies", function(w)
  w.put("do local p, log = P({ 1, 2, 3 }), {} p[4] = %s p.x = %s", w.num(), w.num())
  w.put("for k, v in pairs(p) do log[#log + 1] = T(v) end D(#p, p.x, p.y, p(3, nil, 4), table.concat(log, ' '))")
  w.put("for i, v in ipairs(p) do D(v) end D(table.concat(p, '-', 1, 3), table.unpack(p)) D(-p, -p.v, (~V(3)).v) end")
end)

statement("varargs", function(w)
  local f = w.name "f"
  w.put("do local function %s(...) local a, b = ... local n = select('#', ...)", f)
  w.in_function(2, 30)
  w.put("if n > 3 then return %s(select(2, ...)) end return n, a, b, ... end", f)
  w.put("D(%s(%s, nil, %s)) D((%s(1, 2, 3, 4, 5, nil))) D(%s(table.unpack({}, 1, %d))) end", f, w.num(), w.str(), f, f,
    w.random(150))
end)

statement("recursion", function(w)
  local f = w.name "f"
  w.put("do local function %s(n, a) if n <= 0 then return a end", f)
  w.put(w.random(2) == 1 and "return %s(n - 1, a + n) end" or "return %s(n - 1, a * 2 %% 1000003) + 1 end", f)
  w.put("D(%s(%d, I(%s))) end", f, w.random(300), w.num())
end)

statement("closures", function(w)
  w.put("do local fs = {} for i = 1, %d do local up = i * %d fs[i] = function(d) up = up + d N = N + 1 W() return up end end",
    w.random(8), w.random(9))
  w.put("for round = 1, 3 do for i = 1, #fs do D(fs[i](round)) end end end")
end)

statement("load", function(w)
  w.put("D(load('local a, b = ... local s = 0 for i = 1, ' .. %d .. ' do s = s + a * i end return s, b', '=l', 't', {})(%s, %s))",
    w.random(50), w.num(), w.str())
  w.put("D(load('x = = 1', '=bad')) D(load(coroutine.wrap(function() for c in ('return 1 + 1'):gmatch('.') do coroutine.yield(c) end end))())")
end)

statement("long computation", function(w)
  w.put("do local a, b = %s, 1 for i = 1, %d do a = (a * 31 + i) %% 65521 b = b ~ i end D(a, b) end", w.num(),
    w.random(2000))
end)

statement("string building", function(w)
  w.put("do local parts, s = {}, '' for i = 1, %d do parts[#parts + 1] = T(i) .. %s:sub(1, 5) s = s .. i %% 7 end", w.random(60),
    w.pick(w.s))
  w.put("D(table.concat(parts, ';'), s, #s) end")
end)

-- --- what the programs find ----------------------------------------------------------------------

local prelude = [[
local D, W, F, V, P, K, K3, I, Q, T, C = ...
local N, S = 1, "start"
]]

local function digester()
  local h = 17
  local function add(v)
    local kind = math.type(v) or type(v)
    if kind == "float" then
      v = v ~= v and "nan" or string.format("%.14g", v)
    elseif kind == "boolean" or kind == "nil" then
      v = tostring(v)
    elseif kind ~= "string" and kind ~= "integer" then
      v = kind
    end
    if kind == "integer" then
      h = h * 31 + v
    else
      h = h * 33 + #v
      for i = 1, #v < 64 and #v or 64 do h = (h << 5) - h + v:byte(i) end
    end
  end
  return function(...)
    for i = 1, select("#", ...) do add((select(i, ...))) end
    return ...
  end, function() return string.format("%016x", h) end
end

-- Metamethods that compute and wait, in Lua.
local function values(D, W, I)
  local meta = {}
  local function V(v) return setmetatable({ v = v }, meta) end
  local function plain(x) return type(x) == "table" and x.v or x end
  local function arithmetic(f)
    return function(a, b)
      local x, y = plain(a), plain(b)
      local sum = 0
      for i = 1, 3 do sum = sum + i end
      W()
      return V(f(x, y) + sum - 6)
    end
  end
  meta.__add = arithmetic(function(a, b) return a + b end)
  meta.__sub = arithmetic(function(a, b) return a - b end)
  meta.__mul = arithmetic(function(a, b) return a * b end)
  meta.__div = arithmetic(function(a, b) return a / b end)
  meta.__idiv = arithmetic(function(a, b) return a // (I(b) | 1) end)
  meta.__mod = arithmetic(function(a, b) return a % (I(b) | 1) end)
  meta.__shl = arithmetic(function(a, b) return I(a) << I(b) end)
  meta.__bnot = arithmetic(function(a) return ~I(a) end)
  meta.__concat = arithmetic(function(a, b) return I(a) * 10 + I(b) end)
  meta.__eq = function(a, b) W() return a.v == b.v end
  meta.__lt = function(a, b) W() return a.v < b.v end
  meta.__le = function(a, b) W() return a.v <= b.v end

  local proxy = {}
  local function P(t) return setmetatable({ real = t }, proxy) end
  proxy.__index = function(p, k)
    W()
    if k == "v" then return 9 end
    return rawget(p, "real")[k]
  end
  proxy.__unm = function(p) return p.v end
  proxy.__newindex = function(p, k, v) local x = 0 for i = 1, 5 do x = x + i end rawget(p, "real")[k] = v W() end
  proxy.__len = function(p) W() return #rawget(p, "real") end
  proxy.__call = function(_, ...) W() return select("#", ...), ... end
  proxy.__pairs = function(p)
    local i = 0
    return function()
      W()
      i = i + 1
      local v = rawget(p, "real")[i]
      if v ~= nil then return i, v end
    end
  end

  local function K(n, f)
    return setmetatable({}, { __close = function(_, e) D("close", n, e) f() W() D("closed", n) end })
  end
  local function K3(n) -- a generic for with something to be closed
    local i = 0
    return function()
      i = i + 1
      if i <= n then return i, V(i) end
    end, nil, nil, K(n, W)
  end
  return V, P, K, K3
end

local function text_of(seed)
  local w = writer(seed)
  w.put("%s", prelude)
  w.block(12)
  w.put("D(N, S)")
  return table.concat(w.out, "\n")
end

-- Runs the program `seed` until it has used its fuel: about a millisecond or a few.
function programs.run(seed, wait)
  local text = text_of(seed)
  local D, digest = digester()
  local fuel = 60
  local function F()
    fuel = fuel - 1
    return fuel <= 0
  end
  local function I(x)
    if math.type(x) == "integer" then return x end
    return x == x and x > -1e15 and x < 1e15 and math.floor(x) or 7
  end
  local function Q(x) return x == x and x > -1e15 and x < 1e15 and x or 0.5 end
  local function T(x) return math.type(x) == "integer" and tostring(x) or string.format("%.14g", Q(x)) end
  local function C(s) return s:sub(1, 200) end
  local V, P, K, K3 = values(D, wait, I)
  local env = {
    coroutine = coroutine, error = error, ipairs = ipairs, load = load, next = next, pairs = pairs, pcall = pcall,
    select = select, string = string, table = table, tostring = tostring, xpcall = xpcall,
  }
  local f, message = load(text, "=random", "t", env)
  if not f then error("seed " .. seed .. ": " .. message .. "\n" .. text) end
  D(pcall(f, D, wait, F, V, P, K, K3, I, Q, T, C))
  return digest()
end

programs.text = text_of

return programs
