-- lua5.4 exports.lua BUILD: libneap.so exports exactly what exports.txt lists.
package.path = "tests/structure/lib/?.lua;" .. package.path
local check = require "check"

local wanted, found, problems = {}, {}, {}
for name in io.lines("tests/structure/exports.txt") do wanted[name] = true end
for _, line in ipairs(check.lines("nm -D --defined-only " .. arg[1] .. "/libneap.so")) do
  local name = line:match("%S+$")
  found[name] = true
  if not wanted[name] then problems[#problems + 1] = name .. " is exported and not in the list" end
end
for name in pairs(wanted) do
  if not found[name] then problems[#problems + 1] = name .. " is in the list and not exported" end
end
table.sort(problems)
check.report("exported symbols", problems)

problems = {}
for line in io.lines("core/neap.h") do
  local name = line:match("^NEAP_API .-(neap_[a-z_]+)%(")
  if name and not wanted[name] then problems[#problems + 1] = name .. " is not in the list" end
end
check.report("neap.h declares what is listed", problems)
check.done()
