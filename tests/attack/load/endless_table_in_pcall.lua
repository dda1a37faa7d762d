-- expect: task.lua: the top level of the file
local t = {}
while true do
  pcall(function()
    while true do t[#t + 1] = { "x" } end
  end)
end
