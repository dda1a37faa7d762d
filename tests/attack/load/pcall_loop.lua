-- expect: task.lua: the top level of the file did not end within
while true do
  pcall(function()
    while true do end
  end)
end
