-- expect: task.lua: the top level of the file did not end within
local co = coroutine.wrap(function()
  while true do coroutine.yield() end
end)
while true do co() end
