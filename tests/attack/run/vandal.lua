-- A plugin that breaks all it has; nobody else is to see it.
local cases = require "cases"
local case = cases.new()

case("library functions replaced", "completed", "EVIL", function()
  for _, library in pairs(package.loaded) do
    if type(library) == "table" and library ~= _G and library ~= package then
      for name in pairs(library) do library[name] = function() return "EVIL" end end
    end
  end
  return ("x"):upper()
end)
case("globals replaced", "completed", "done", function()
  for _, name in ipairs { "print", "type", "pcall", "error", "next", "pairs", "setmetatable" } do
    rawset(_G, name, nil)
  end
  rawset(_G, "string", "gone")
  package.loaded.string = "gone"
  return "done"
end)

return case.task
