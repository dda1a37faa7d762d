-- expect: task.lua: the top level of the file did not end within
return {
  args = { a = { "string", enum = setmetatable({ "x" }, { __len = function()
    while true do end
  end }) } },
  run = function() end,
}
