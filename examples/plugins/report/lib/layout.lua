-- A helper: files in lib/ are no tasks, and reload with their plugin.
local layout = {}

-- The first `top` files as lines of size and name.
function layout.render(files, top)
  local lines = {}
  for i = 1, math.min(top, #files) do
    lines[i] = ("%12d  %s\n"):format(files[i].size, files[i].name)
  end
  return table.concat(lines)
end

return layout
