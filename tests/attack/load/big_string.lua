-- expect: task.lua: not enough memory
local s = ("x"):rep(1 << 30)
return function() return s end
