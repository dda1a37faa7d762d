-- expect: task.lua:2: __gc is not available in a task
return setmetatable({ run = print }, { __gc = print })
