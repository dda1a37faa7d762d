-- expect: task.lua: the top level of the file did not end within
table.sort({ 3, 2, 1 }, function()
  while true do pcall(string.rep) end
end)
