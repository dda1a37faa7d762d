-- expect: task.lua: (error object is a table value)
error({})
