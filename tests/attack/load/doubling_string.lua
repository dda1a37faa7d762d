-- expect: task.lua:
local s = "x"
while true do s = s .. s end
