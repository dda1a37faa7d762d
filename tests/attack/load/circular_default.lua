-- expect: task.lua: args.x.default
local value = {}
value.again = value
return { args = { x = { "table", default = value } }, run = function() end }
