-- expect: task.lua: the top level of the file did not end within
error(setmetatable({}, { __tostring = function()
  while true do end
end }))
