-- expect: task.lua: the top level of the file did not end within
string.gsub("x", ".", function()
  pcall(coroutine.wrap(function()
    while true do pcall(error) end
  end))
  while true do end
end)
