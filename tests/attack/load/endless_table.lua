-- expect: task.lua: the top level of the file
local t = {}
while true do t = { t, "x" } end
