-- expect: task.lua: args
local spec = { "object", fields = {} }
spec.fields.again = spec
return { args = { x = spec }, run = function() end }
