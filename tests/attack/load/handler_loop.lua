-- expect: task.lua: the top level of the file did not end within
while true do
  xpcall(function()
    while true do end
  end, function()
    while true do end
  end)
end
