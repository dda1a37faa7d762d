-- expect: task.lua:2: io.open cannot be called while a file loads
local file = io.open("/etc/passwd")
return function() return file end
