-- expect: task.lua: the top level of the file did not end within
while true do
  pcall(coroutine.wrap(function()
    local _ <close> = setmetatable({}, { __close = function()
      while true do end
    end })
    while true do pcall(coroutine.create) end
  end))
end
