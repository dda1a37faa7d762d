-- expect: task.lua: the top level of the file did not end within
-- Each coroutine counts its instructions from nothing, and none counts far.
local function nest(n)
  if n == 0 then return end
  for _ = 1, 200 do coroutine.wrap(nest)(n - 1) end
end
nest(20)
