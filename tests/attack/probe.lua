-- Is this worker still usable, and this plugin untouched by what others do?
-- Driver: tests/unit/attack.c.
local neap = require "neap"

local names = {}
for name in pairs(_G) do names[name] = true end
local upper, insert = string.upper, table.insert

return function()
  for name in pairs(_G) do assert(names[name], name) end
  assert(string.upper == upper and table.insert == insert)
  assert(("x"):upper() == "X" and ("%d"):format(1.0) == "1" and #("abc"):rep(3) == 9)
  assert(getmetatable("") == false and getmetatable(neap.array {}) == "neap.array")
  assert(not pcall(error, "x") and select(2, pcall(error, { 1 }))[1] == 1)
  assert(select(2, xpcall(error, function(e) return e .. "!" end, "x")) == "x!")
  local t = {}
  for i in coroutine.wrap(function()
    for i = 1, 3 do
      neap.sleep(0)
      coroutine.yield(i)
    end
  end) do t[#t + 1] = i end
  assert(table.concat(t) == "123")
  local closed
  do
    local _ <close> = setmetatable({}, { __close = function() closed = true end })
    neap.sleep(0)
  end
  assert(closed)
  local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end
  assert(deep(10000) == 10000)
  assert(pcall(table.sort, { 3, 1, 2 }, function(a, b) return a < b end))
  assert(tostring(print):match("^builtin") or tostring(print):match("^function"))
  local known, stats = pcall(neap.stats)
  assert(#neap.json.encode(stats) > 2 and (known or stats:find("strict sandbox")))
  for _, name in ipairs { "cjson", "lpeg" } do
    local ok, module = pcall(require, name)
    if ok and name == "cjson" then assert(module.encode({ 1 }) == "[1]") end
    if ok and name == "lpeg" then assert(module.P("a"):match("a") == 2) end
  end
  return "fine"
end
