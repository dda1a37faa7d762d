-- expect: task.lua: mine
error(setmetatable({}, { __tostring = function() return "mine" end }))
