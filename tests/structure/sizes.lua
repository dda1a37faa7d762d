-- No file of the core is too long to read.
package.path = "tests/structure/lib/?.lua;" .. package.path
local check = require "check"

local LIMIT = 700

local problems = {}
for _, file in ipairs(check.files("core", "*.[ch]")) do
  local n = 0
  for _ in io.lines(file) do n = n + 1 end
  if n > LIMIT then problems[#problems + 1] = ("%s: %d lines, over %d"):format(file, n, LIMIT) end
end
check.report("length of files", problems)
check.done()
