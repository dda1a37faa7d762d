-- Base names of C files are unique: among the sources, and among the tests, whose programs
-- share a folder.
package.path = "tests/structure/lib/?.lua;" .. package.path
local check = require "check"

local function repeated(...)
  local seen, problems = {}, {}
  for _, where in ipairs { ... } do
    for _, file in ipairs(check.files(where, "*.c")) do
      local base = file:match("[^/]+$")
      if seen[base] then problems[#problems + 1] = file .. " and " .. seen[base] end
      seen[base] = file
    end
  end
  return problems
end

check.report("sources", repeated("core", "build/gen"))
check.report("unit tests", repeated("tests/unit", "tests/store"))
check.done()
