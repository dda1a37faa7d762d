-- What could crash or bend the process: refused, or harmless. In both sandboxes.
-- luacheck: ignore 122 143 512 (fields of the libraries set; loops that end at once)
local cases = require "cases"
local neap = require "neap"
local case = cases.new()

local function refused(name, text, f) case(name, "dead", text, f) end
local function harmless(name, f)
  case(name, "completed", "harmless", function(...) f(...) return "harmless" end)
end

-- --- the process and the state ---------------------------------------------------------------

refused("os.exit", "os.exit is not available", function() os.exit(0) end)
harmless("os.exit caught", function() for _ = 1, 100 do assert(not pcall(os.exit, true, true)) end
  end)
refused("os.setlocale", "os.setlocale is not available", function() os.setlocale("C", "all") end)
refused("package.loadlib", "package.loadlib is not available", function()
  package.loadlib("/usr/lib/x86_64-linux-gnu/lua/5.4/lfs.so", "luaopen_lfs")
end)
harmless("no C function by the back door of package", function()
  package.cpath = "/usr/lib/x86_64-linux-gnu/lua/5.4/?.so"
  assert(package.searchers == nil and package.loaders == nil)
  package.preload["made.here"] = function(...) return { ... } end
  assert(require("made.here")[1] == "made.here")
  package.preload.endless = function() return require("endless") end
  assert(not pcall(require, "endless"))
  package.preload.failing = function() error({}) end
  assert(type(select(2, pcall(require, "failing"))) == "table")
  package.loaded.string, package.loaded._G = nil, nil
  assert(not pcall(require, "string") and not pcall(require, "_G"))
end)
harmless("most of debug is not there", function()
  for _, name in ipairs {
    "debug", "gethook", "getlocal", "getmetatable", "getregistry", "getupvalue", "getuservalue",
    "sethook", "setlocal", "setmetatable", "setupvalue", "setuservalue", "upvalueid",
    "upvaluejoin", "setcstacklimit",
  } do assert(debug[name] == nil, name) end
end)
harmless("debug.traceback", function()
  local t = setmetatable({}, { __tostring = error })
  assert(rawequal(debug.traceback(t), t) and debug.traceback(nil) ~= false)
  assert(type(debug.traceback("x", 1 << 31)) == "string")
  assert(type(debug.traceback(("x"):rep(1 << 20), -5)) == "string")
  assert(not pcall(debug.traceback, coroutine.create(print), "x", {}))
  debug.traceback(coroutine.create(print), "x", -1)
end)
for _, what in ipairs { "stop", "restart", "generational", "incremental", "setpause",
  "isrunning" } do
  refused("collectgarbage " .. what, "is not available", function() collectgarbage(what, 1, 1, 1)
    end)
end
harmless("collectgarbage", function()
  assert(collectgarbage() == 0 and collectgarbage("collect") == 0 and collectgarbage("count") > 1)
  collectgarbage("step", 1 << 40)
  assert(not pcall(collectgarbage, {}) and not pcall(collectgarbage, "no"))
  assert(not pcall(collectgarbage, setmetatable({}, { __tostring = error })))
end)
refused("a finalizer", "__gc is not available", function()
  setmetatable({}, { __gc = coroutine.wrap(function() while true do coroutine.yield() end end) })
end)
harmless("finalizers set later", function()
  for _ = 1, 1000 do
    local meta = {}
    setmetatable({}, meta)
    meta.__gc = coroutine.wrap(function() error("ran") end)
  end
  for _ = 1, 1000 do collectgarbage() end
end)

-- --- code ------------------------------------------------------------------------------------

local head = "\27Lua\x54\0\x19\x93\r\n\x1a\n\4\8\8"
harmless("bytecode", function()
  for n = 1, 200 do
    local text = head .. ("\1"):rep(n)
    for _, mode in ipairs { "t", "b", "bt", "" } do assert(not load(text, "x", mode)) end
    assert(not load(text) and not load(coroutine.wrap(function()
      for i = 1, #text do coroutine.yield(text:sub(i, i)) end
    end)))
  end
  local meta = setmetatable({}, { __tostring = function() return "b" end })
  assert(not pcall(load, head, "x", meta) or not load(head, "x", meta))
end)
refused("string.dump", "string.dump is not available", function() string.dump(function() end) end)
refused("string.dump as a method", "string.dump is not available", function() ("").dump(print) end)
harmless("odd readers of load", function()
  assert(not load(function() return {} end) and not load(function() error({}) end))
  assert(load(function() return nil end) and load(function() return "" end))
  assert(not pcall(load) and not pcall(load, 1 == 1) and not pcall(load, {}))
  local f = load("x = 1 return _ENV", "x", "t", false)
  assert(not pcall(f))
end)
harmless("what the compiler cannot take", function()
  for _, text in ipairs {
    ("local a "):rep(300), "local " .. ("a,"):rep(300) .. "a", "goto x", "::x:: ::x::", "break",
    "for i = 1, 2 do local x <const> = 1 x = 2 end", "return ...", "\0", ("\n"):rep(100000),
    "return " .. ("not "):rep(10000) .. "1", "return " .. ("-"):rep(10000) .. "1",
    "return " .. ("{"):rep(10000), ("do "):rep(10000), ("function f() "):rep(10000),
    ("if x then "):rep(10000), "x" .. (".x"):rep(10000), "x" .. ("()"):rep(10000),
    "x = " .. ("a .. "):rep(10000) .. "a", "x = " .. ("a ^ "):rep(10000) .. "a",
    "return " .. ("("):rep(10000), ("a = "):rep(10000), "return '" .. ("\\z "):rep(10000),
    "return '\\u{7FFFFFFF}\\u{80000000}'", "return 0x" .. ("f"):rep(10000) .. "p99999",
    "return " .. ("9"):rep(100000), "return 1e" .. ("9"):rep(1000), "[" .. ("="):rep(10000) .. "[",
    "local function f(" .. ("a, "):rep(300) .. "a) end", "return {" .. ("1,"):rep(100000) .. "}",
    "do local x <close> = 1 end", "local x <odd> = 1", "goto continue do ::continue:: end",
    "while true do goto done end ::done:: local a ::done2::",
  } do
    local f, e = load(text)
    assert(f or type(e) == "string")
    if f then pcall(f) end
  end
end)
case("jumps", "completed", "10000", function()
  local n = 0
  ::again::
  n = n + 1
  do
    local _ <close> = setmetatable({}, { __close = function() end })
    if n < 10000 then goto again end
  end
  return n
end)

-- --- coroutines, pcall and the libraries, replaced -------------------------------------------

harmless("coroutine functions replaced", function()
  local kept = {}
  for name, f in pairs(coroutine) do kept[name] = f end
  for name in pairs(kept) do coroutine[name] = function() return true, "EVIL" end end
  assert(kept.wrap(function() neap.sleep(0) return 1 end)() == 1)
  for name, f in pairs(kept) do coroutine[name] = f end
end)
harmless("pcall and error replaced", function()
  local kept, raise = pcall, error
  rawset(_G, "pcall", function(f) while true do return f() end end)
  rawset(_G, "error", print)
  neap.sleep(0)
  rawset(_G, "pcall", kept)
  rawset(_G, "error", raise)
end)
case("string methods replaced", "completed", "EVIL", function()
  local kept = string.rep
  string.rep = function() return "EVIL" end
  local got = ("x"):rep(2)
  string.rep = kept
  return got
end)
harmless("a coroutine resumes itself, its parent, the dead", function()
  local base = coroutine.running()
  local co
  co = coroutine.create(function()
    assert(not coroutine.resume(co) and not coroutine.resume(base))
    assert(not pcall(coroutine.close, co) and not pcall(coroutine.close, base))
    assert(not pcall(coroutine.wrap(function() coroutine.wrap(coroutine.close)(co) end)))
  end)
  assert(coroutine.resume(co) and not coroutine.resume(co) and coroutine.close(co))
  assert(not pcall(coroutine.yield) and not coroutine.isyieldable())
  assert(not pcall(coroutine.resume, print) and not pcall(coroutine.wrap, {}))
end)
harmless("10,000 coroutines left suspended", function()
  for _ = 1, 10000 do coroutine.wrap(function() coroutine.yield() end)() end
end)
harmless("many values through a coroutine", function()
  local co = coroutine.wrap(function(...) while true do coroutine.yield(...) end end)
  assert(select("#", co(table.unpack({}, 1, 100000))) == 100000)
  local ok = pcall(co, table.unpack({}, 1, 200000))
  assert(ok ~= nil)
end)
case("20,000 nested coroutine.close", "completed", "ended", function()
  local function nest(n)
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function() if n > 0 then nest(n - 1) end end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    coroutine.close(co)
  end
  pcall(nest, 20000)
  return "ended"
end)
harmless("a close that errs, again and again", function()
  local function bad() return setmetatable({}, { __close = function(_, e) error({ e }) end }) end
  for _ = 1, 100 do
    assert(not pcall(function()
      local _ <close>, _ <const>, _ <const> = bad(), 1, 2
      local _ <close> = bad()
      local _ <close> = bad()
      error("x")
    end))
  end
end)

-- --- recursion in C --------------------------------------------------------------------------

refused("nested gsub with pcall", "overflow", function()
  local function again() return assert(pcall(string.gsub, "x", ".", again)) end
  local function deep() again() return 1 + deep() end
  return deep()
end)
harmless("nested metamethods of every kind", function()
  local meta = {}
  local t = setmetatable({}, meta)
  local ops = {
    __add = function(a) return a + 1 end, __concat = function(a) return a .. "x" end,
    __lt = function(a, b) return a < b end, __le = function(a, b) return a <= b end,
    __eq = function(a) return a == setmetatable({}, meta) end, __unm = function(a) return -a end,
    __len = function(a) return #a end, __call = function(a) return a() + 1 end,
    __index = function(a, k) return a[k .. "x"] .. "" end, __tostring = function(a) return
      tostring(a) end,
    __newindex = function(a, k, v) a[k .. "x"] = v end, __name = ("n"):rep(1 << 16),
  }
  for name, f in pairs(ops) do meta[name] = f end
  for _, f in ipairs {
    function() return t + 1 end, function() return t .. "x" end, function() return t < t end,
    function() return t <= t end, function() return t == setmetatable({}, meta) end,
    function() return -t end, function() return #t end, function() return t() end,
    function() return t.x end, function() return tostring(t) end, function() t.x = 1 end,
    function() return table.concat({ t }) end, function() return ("%s"):format(t) end,
    function() for _ in pairs(setmetatable({}, { __pairs = function(x) return pairs(x) end })) do
      break
    end end,
  } do pcall(f) end
end)
harmless("a loop of __index tables", function()
  local a, b = {}, {}
  setmetatable(a, { __index = b, __newindex = b })
  setmetatable(b, { __index = a, __newindex = a })
  assert(not pcall(function() return a.x end) and not pcall(function() a.x = 1 end))
end)
harmless("__call chains", function()
  local f = print
  for _ = 1, 1000 do f = setmetatable({}, { __call = f }) end
  assert(not pcall(f) or true)
end)
harmless("a value nested deep", function()
  local t, text = {}, ("["):rep(100000)
  for _ = 1, 10000 do t = { t } end
  assert(not pcall(neap.json.encode, t) and not neap.json.decode(text))
  local circle = {}
  circle[1] = circle
  assert(not pcall(neap.json.encode, circle))
end)
case("a circle as result", "dead", "", function()
  local circle = {}
  circle.again = circle
  return circle
end)
harmless("a long chain of concatenations", function()
  local s = ""
  for i = 1, 2000 do s = s .. i .. "," .. i * 0.5 end
  local parts = {}
  for i = 1, 150 do parts[i] = "s" end
  assert(load("local s = 'x' return " .. table.concat(parts, " .. "))())
end)

-- --- numbers out of range --------------------------------------------------------------------

harmless("string.format", function()
  for _, f in ipairs {
    "%999d", "%.999f", "%99.99999f", "%", "%y", "%-+ #0999s", "%" .. ("0"):rep(1000) .. "d",
    "%q%q", "%c%c%c", "%i%i", "%a", "%.99a", "%p", "%1$s", "%*d", "%n", "%ld", "%5%", "%\0d",
  } do pcall(string.format, f, 1, 2, 3) end
  assert(#("%99.99f"):format(1e308) == 409 and #("%.99f"):format(-1e308) == 410)
  for _, v in ipairs { 0 / 0, 1 / 0, -1 / 0, math.mininteger, math.maxinteger, 1e308, -0.0 } do
    for _, f in ipairs { "%d", "%f", "%.99g", "%99.99e", "%x", "%q", "%s", "%a", "%c", "%i" } do
      pcall(string.format, f, v)
    end
  end
  assert(not pcall(string.format, "%s", setmetatable({}, { __tostring = function() return {} end
    })))
  assert(not pcall(string.format, "%q", {}) and not pcall(string.format, "%10q", "x"))
  assert(#("%s"):format(setmetatable({}, { __name = ("x"):rep(1 << 20) })) > 1 << 20)
  assert(not pcall(string.format, "%d", "1.5") and ("%d"):format("3") == "3")
end)
harmless("string.rep", function()
  for _, n in ipairs { 1 << 62, math.maxinteger } do
    assert(not pcall(string.rep, "xxxx", n) and not pcall(string.rep, "x", n, "yyyy"))
    assert(string.rep("", n) == "" and (""):rep(n, "") == "" and not pcall(string.rep, "", n, "yy"))
  end
  assert(("ab"):rep(3, ",") == "ab,ab,ab" and string.rep(5, 2) == "55")
  assert(table.concat(table.move({ 1, 2, 3 }, 2, 3, 1), ",") == "2,3,3")
  assert(("x"):rep(math.mininteger) == "" and ("x"):rep(-1, "y") == "")
end)
harmless("table functions over absurd ranges", function()
  local t = { 1, 2, 3 }
  local huge, least = math.maxinteger, math.mininteger
  for _, f in ipairs {
    function() return table.unpack(t, 1, huge) end, function() return table.unpack(t, least, huge)
      end,
    function() return table.unpack(t, least, least + 1e7) end,
    function() return table.concat(t, "", 1, huge) end, function() return table.concat(t,
    "", huge) end,
    function() return table.concat(t, "", least, 1) end, function() table.insert(t, huge, 1) end,
    function() table.insert(t, 1 << 40, 1) end, function() return table.remove(t, huge) end,
    function() return table.remove(t, least) end, function() table.move(t, 1, huge, 2) end,
    function() table.move(t, least, huge, 1) end, function() table.move(t, 1, 10, huge) end,
    function() table.move(t, 1, 1 << 61, 2) end, function() table.move(t, -huge, 0, 1) end,
    function() table.insert(t) end, function() table.insert(t, 1, 2, 3) end,
    function() table.sort(setmetatable({}, { __len = function() return huge end })) end,
    function() table.sort({ 3, 2, 1, 0 / 0, 5, 4 }, function() return true end) end,
    function() table.sort({ 1, "x", {} }) end, function() table.sort(t, print, 1, 2) end,
    function() return select(huge, 1) end, function() return select(least, 1) end,
    function() return table.pack(table.unpack({}, 1, 1e5)) end,
    function() return #setmetatable({}, { __len = function() return 0 / 0 end }) end,
    function() table.concat(setmetatable({}, { __len = function() return {} end })) end,
    function() return rawlen(1) end, function() return next({}, 1) end,
    function() t[0 / 0] = 1 end, function() t[nil] = 1 end, function() t[huge] = 1 return #t end,
    function() for _ = huge - 1, huge, 2 do break end end, function() for _ = 1, 2, 0 do break end
      end,
    function() for i = least, huge, huge do t[1] = i end end,
  } do pcall(f) end
end)
harmless("a sort that lies", function()
  local n = 0
  for _, less in ipairs {
    function() return true end, function() return nil end, function(a, b) return a ~= b end,
    function() n = n + 1 return n % 3 == 0 end,
  } do
    local t = {}
    for i = 1, 1000 do t[i] = (i * 7919) % 1000 end
    pcall(table.sort, t, less)
  end
  local t = { 5, 4, 3, 2, 1 }
  pcall(table.sort, t, function(a, b) for i = 1, 5 do t[i] = nil end return (a or 0) < (b or 0) end)
end)
harmless("string.pack and unpack", function()
  for _, f in ipairs {
    "i16", "i17", "i0", "!17i4", "s16", "s1", "Xi4", "X", "XX", "c", "c9999999999", "c2147483647",
    "z", "!i16", "<>=!", "xxxx", "j", "T", "n", "d", " ", "i" .. ("9"):rep(100), "\0", "!3i4",
  } do
    if not f:find("c%d") then -- that pads, up to 2 GB
      pcall(string.pack, f, 1)
      pcall(string.pack, f, "x")
    end
    pcall(string.packsize, f)
    pcall(string.unpack, f, "\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255")
    pcall(string.unpack, f, "", 1)
    pcall(string.unpack, f, "x", math.maxinteger)
    pcall(string.unpack, f, "x", math.mininteger)
  end
  assert(not pcall(string.packsize, "c2147483647c2147483647") or true)
  assert(not pcall(string.unpack, "s8", ("\255"):rep(8)))
end)
harmless("utf8", function()
  for _, f in ipairs {
    function() return utf8.char(1 << 31) end, function() return utf8.char(-1) end,
    function() return utf8.char(0x7FFFFFFF) end, function() return utf8.codepoint("\xff", 1) end,
    function() return utf8.codepoint("abc", 1, math.maxinteger) end,
    function() return utf8.codepoint("abc", math.mininteger, 3) end,
    function() return utf8.len("\xf8\x88\x80\x80\x80", 1, -1, true) end,
    function() return utf8.len("abc", 5) end, function() return utf8.offset("abc",
      math.mininteger) end,
    function() return utf8.offset("abc", 1, 99) end, function() return utf8.offset("\x80", 1) end,
    function() for _ in utf8.codes("ab\xff") do neap.now() end end,
    function() for _ in utf8.codes("\xf8\x88\x80\x80\x80", true) do neap.now() end end,
    function() return utf8.char(table.unpack({}, 1, 100000)) end,
  } do pcall(f) end
end)
harmless("patterns", function()
  for _, p in ipairs {
    "%", "[", "[^", "[a", "[]", "[%", "(", ")", "(()", "%1", "%0", "%9", "%f", "%f[", "%b", "%bx",
    "%bxy", ("("):rep(40), ("(x)"):rep(33), "[a-]", "[-a]", "[z-a]", "^*", "$*", ".-*", "%z",
    ("%w"):rep(300), "()()()()", "(.)%1", "\0", "[\0-\255]",
  } do
    for _, f in ipairs { string.find, string.match, string.gsub } do
      pcall(f, "some (x) text\0 xyxy", p, "%1")
      pcall(f, "", p, "%9")
    end
    pcall(function() for _ in ("some text"):gmatch(p) do neap.now() end end)
  end
  assert(not pcall(string.find, ("x"):rep(300000), (".-"):rep(300000) .. "y"))
  pcall(string.gsub, "x", ".", "%")
  pcall(string.gsub, "x", ".", { x = {} })
  pcall(string.gsub, "x", ".", function() return {} end)
  pcall(string.gsub, "x", "", "y", math.mininteger)
  for _, i in ipairs { math.maxinteger, math.mininteger, 0, -1 } do
    pcall(string.find, "abc", "b", i)
    pcall(string.find, "abc", "b", i, true)
    pcall(string.gmatch("abc", "b", i))
    pcall(string.byte, "abc", i, -i)
    pcall(string.sub, "abc", i, -i)
  end
  pcall(string.byte, ("x"):rep(1 << 22), 1, -1)
  pcall(string.char, table.unpack({}, 1, 10))
end)
harmless("numbers", function()
  local huge, least = math.maxinteger, math.mininteger
  for _, f in ipairs {
    function() return math.random(0) end, function() return math.random(huge, least) end,
    function() return math.random(least, huge) end, function() return math.random(1, 2, 3) end,
    function() return math.random(0 / 0) end, function() return math.random(1.5) end,
    function() math.randomseed(0 / 0) end, function() math.randomseed(huge, least) end,
    function() math.randomseed({}) end, function() return least // -1 end,
    function() return least % -1 end, function() return 1 // 0 end, function() return 1 % 0 end,
    function() return math.fmod(least, -1) end, function() return math.fmod(1, 0) end,
    function() return math.tointeger(2 ^ 63) end, function() return 1 << 64, 1 >> -64, 1 << least
      end,
    function() return math.abs(least), math.ult(-1, 1) end, function() return 2 ^ 53 | 0 end,
    function() return 1e100 | 0 end, function() return "0x" .. 1 | 2 end,
    function() return tonumber("1e1000"), tonumber(("1"):rep(1000), 36) end,
    function() return tonumber("z", 37) end, function() return tonumber("z", 1) end,
    function() return tonumber("10", least) end, function() return math.floor(1e308) end,
    function() return -least, least * least, huge + 1 end, function() return math.max() end,
    function() return ("10" + 1) // ("0" + 0) end,
  } do pcall(f) end
  assert(least // -1 == least and least % -1 == 0)
end)
harmless("times", function()
  local huge, least = math.maxinteger, math.mininteger
  for _, f in ipairs {
    "%Ez", "%", "%E", "%O", "%Ex", "%Q", "*t", "!*t", "%c%", ("%c"):rep(1000), "%\0", "!%Od", "%5d",
    "%_d", "%-d", "%^a", "%#Z", "%s", "%N", "%P", "%+", "%1", "*", "!", "",
  } do
    pcall(os.date, f)
    for _, t in ipairs { 0, -1, 1 << 31, 1 << 40, huge, least, 0.5, 1e300, 0 / 0 } do
      pcall(os.date, f, t)
    end
  end
  for _, v in ipairs { huge, least, 1 << 31, -1, 0, 0.5, 1e300, 0 / 0, "x", "5", {}, true } do
    for _, field in ipairs { "year", "month", "day", "hour", "min", "sec" } do
      local t = { year = 2000, month = 1, day = 1, isdst = true }
      t[field] = v
      pcall(os.time, t)
    end
  end
  pcall(os.time, setmetatable({}, { __index = function() return 1 end }))
  pcall(os.time, setmetatable({}, { __index = error, __newindex = error }))
  pcall(os.difftime, huge, least)
  pcall(os.date, "*t", { })
  assert(not pcall(os.date, "%Ez"))
end)
harmless("tostring and its like", function()
  for _, v in ipairs {
    setmetatable({}, { __tostring = function() error("in it") end }),
    setmetatable({}, { __tostring = function() return nil end }),
    setmetatable({}, { __tostring = 1 }), setmetatable({}, { __name = 1 }),
    setmetatable({}, { __name = ("%s"):rep(100) }), setmetatable({}, { __name = "a\0b" }),
    setmetatable({}, { __metatable = setmetatable({}, { __index = error }) }),
    setmetatable({}, { __name = setmetatable({}, { __tostring = error }) }),
  } do
    pcall(tostring, v)
    pcall(print, v)
    pcall(error, v)
    pcall(string.rep, v)
    pcall(neap.log.info, v)
    pcall(neap.log.info, "x", v)
    pcall(neap.log.info, "x", { [v] = v })
    pcall(neap.json.encode, v)
    pcall(getmetatable, v)
    pcall(warn, v)
    pcall(io.write, v)
    pcall(math.floor, v)
    pcall(ipairs(v), v, 0)
    pcall(xpcall, error, tostring, v)
  end
end)
for name, v in pairs {
  ["__tostring fails"] = setmetatable({}, { __tostring = function() error("in it") end }),
  ["__tostring gives none"] = setmetatable({}, { __tostring = function() end }),
  ["__tostring is none"] = setmetatable({}, { __tostring = {} }),
  ["an odd __name"] = setmetatable({}, { __name = {} }),
  ["a huge __name"] = setmetatable({}, { __name = ("n"):rep(1 << 20) }),
} do
  refused("an error whose " .. name, "", function() error(v) end)
end
harmless("the arguments that a task gets", function(args, ctx)
  assert(args.case and not pcall(setmetatable, ctx, {}) and getmetatable(ctx) ~= {})
  for _, key in ipairs { "", "x", ("x"):rep(1 << 16), 1, 1.5, true, print } do
    pcall(function() return ctx[key] end)
    pcall(function() ctx[key] = 1 end)
  end
  for _, f in ipairs { "fail", "retry", "snooze", "cancel", "progress", "submit" } do
    assert(not pcall(ctx[f]) and not pcall(ctx[f], {}) and not pcall(ctx[f], io.stdout))
  end
  pcall(ctx.progress, ctx, 0 / 0)
  pcall(ctx.progress, ctx, 1, ("x"):rep(1 << 20))
  pcall(ctx.snooze, ctx, -1)
  pcall(ctx.retry, ctx, {})
end)
harmless("handles of async functions", function()
  for _, key in ipairs { "fiber", "born", "results", "waiters", "stray" } do
    for _, v in ipairs { neap.null, 5, "x", {}, { neap.null, 1 }, print } do
      local handle = neap.async(function() neap.sleep(0) return "mine" end)
      assert(handle[key] == nil)
      handle[key] = v
      pcall(neap.race, { handle, function() end })
      handle:cancel()
      assert(select(2, handle:wait()).code == "cancelled")
      tostring(handle)
      assert(not pcall(handle.wait, { [key] = v }) and not pcall(handle.cancel, { [key] = v }))
      assert(not pcall(neap.race, { { [key] = v } }))
    end
  end
end)
harmless("misuse of neap", function()
  local odd = {
    nil, true, 0, -1, 0 / 0, 1e308, math.mininteger, "", "x", ("x"):rep(1 << 16), {}, { 1 }, print,
    coroutine.create(print), neap.null,
  }
  local function try(f, depth)
    if type(f) == "table" and depth < 3 then
      for _, one in pairs(f) do try(one, depth + 1) end
    elseif type(f) == "function" and f ~= neap.sleep then
      pcall(f)
      for i = 1, 15 do
        pcall(f, odd[i])
        pcall(f, "t", odd[i], odd[16 - i])
        pcall(f, odd[i], odd[16 - i], odd[i])
      end
    end
  end
  for name, f in pairs(neap) do
    if name ~= "submit" and name ~= "exec" and name ~= "http" and name ~= "mail" and name ~= "fs"
      then
      try(f, 1)
    end
  end
  for i = 1, 15 do if type(odd[i]) ~= "number" then pcall(neap.sleep, odd[i]) end end
end)
harmless("streams that are none", function()
  for _, s in ipairs { io.stdin, io.stdout, io.stderr } do
    for name, f in pairs(s) do
      if name ~= "write" then
        pcall(f)
        pcall(f, s, "n", "l", "L", "a", 1 << 40, -1, "x")
        pcall(f, nil, {}, print)
      end
    end
  end
  for _, f in ipairs { "n", "l", "L", "a", "*n", "*all", 0, 1 << 62, -1, "", "x", {} } do
    pcall(io.read, f)
  end
  pcall(io.close)
  pcall(io.type)
end)
case("printing", "completed", "printed", function()
  print("one", 2, 3.0, nil, true)
  print()
  print("two\nlines")
  io.write("a", 1, " ", 1.5, " ", 2.0, "\n", "b")
  io.stdout:write("c"):write("\n")
  io.stderr:write("to stderr\n")
  io.write("no newline")
  return "printed"
end)

return case.task
