-- expect: task.lua: the top level of the file
local spec = "string"
for _ = 1, 31 do spec = { "object", fields = { a = spec, b = spec } } end
return { args = { x = spec }, run = function() end }
