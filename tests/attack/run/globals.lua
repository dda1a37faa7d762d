-- A plugin with a metatable of its own on its globals.
local cases = require "cases"
local case = cases.new()

setmetatable(_G, { __metatable = "mine", __index = function(_, name) return "no " .. name end })

case("its __index stays", "completed", "no such", function() return _ENV["such"] end)
case("new ones are refused", "dead", "global 'such' is not declared", function()
  _ENV["such"] = 1
end)
case("it is locked", "completed", "false", function() return getmetatable(_G) end)

return case.task
