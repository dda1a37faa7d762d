-- Stacks without end.
local cases = require "cases"
local case = cases.new()

local function deep(n) return 1 + deep(n + 1) end

case("200,000 levels", "dead", "stack overflow", function() return deep(1) end)
case("caught, again and again", "completed", "20", function()
  local n = 0
  for _ = 1, 20 do
    local ok, e = pcall(deep, 1)
    if not ok and e:find("stack overflow") then n = n + 1 end
  end
  return n
end)
case("tail calls may go on", "completed", "done", function()
  local function loop(n)
    if n == 0 then return "done" end
    return loop(n - 1)
  end
  return loop(1000000)
end)
case("in a coroutine", "dead", "stack overflow", function()
  coroutine.wrap(deep)(1)
end)
case("nested pcall", "completed", "false", function()
  local function nest() return pcall(nest) end
  local result = { nest() }
  return result[#result - 1]
end)
case("nested metamethods", "dead", "C stack overflow", function()
  local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end })
  return t[1]
end)
case("nested gsub", "dead", "C stack overflow", function()
  local function again(s) return (s:gsub(".", again)) end
  return again("x")
end)
case("nested sort", "dead", "C stack overflow", function()
  local function again() table.sort({ 3, 2, 1 }, again) end
  again()
end)
case("nested tostring", "dead", "C stack overflow", function()
  local t = setmetatable({}, { __tostring = function(t) return tostring(t) .. "x" end })
  return tostring(t)
end)
case("nested coroutines", "dead", "C stack overflow", function()
  local function nest() return coroutine.wrap(nest)() end
  return nest()
end)
case("nested require of text", "dead", "C stack overflow", function()
  local function nest() return assert(load("return ..."))(pcall(nest)) end
  local function index(t) return t.x end
  nest()
  return setmetatable({}, { __index = index }).x
end)
case("nested close methods", "completed", "ended", function()
  local function nest(n)
    local _ <close> = setmetatable({}, { __close = function() if n > 0 then nest(n - 1) end end })
    error("level " .. n, 0)
  end
  return pcall(nest, 100000) == false and "ended"
end)
case("nested coroutine.close", "completed", "ended", function()
  local function nest(n)
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function() if n > 0 then nest(n - 1) end end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    local ok, e = coroutine.close(co)
    if not ok then error(e, 0) end
  end
  pcall(nest, 50000)
  return "ended"
end)
case("coroutine.close, deep in C each", "completed", "ended", function()
  local function nest(n)
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function()
        local function down(k)
          if k == 0 then nest(n - 1) else string.gsub("x", ".", function() down(k - 1) end) end
        end
        if n > 0 then pcall(down, 60) end
      end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    coroutine.close(co)
  end
  pcall(nest, 1000)
  return "ended"
end)
case("nested handlers", "completed", "false", function()
  local function handler(e) error(e) end
  return (xpcall(error, handler, "x"))
end)
case("a nested value as result", "dead", "nested deeper than 64", function()
  local t = {}
  for _ = 1, 100000 do t = { t } end
  return t
end)
case("deep parentheses", "completed", "overflow", function()
  return (select(2, load("return " .. ("("):rep(10000))))
end)
case("deep tables", "completed", "overflow", function()
  local _, e = load("return " .. ("{"):rep(100000))
  return e:match("overflow")
end)

return case.task
