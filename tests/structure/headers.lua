-- Each header compiles alone.
package.path = "tests/structure/lib/?.lua;" .. package.path
local check = require "check"

local flags = table.concat(check.lines("pkg-config --cflags lua5.4 libuv inih jansson"), " ")
local command = "gcc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -I core "
  .. flags .. " -x c %s 2>&1"
for _, file in ipairs(check.files("core", "*.h")) do
  check.report(file, check.lines(command:format(file)))
end
check.done()
