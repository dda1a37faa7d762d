-- Submits `jobs` jobs of `n` no-op tasks in turn.
local neap = require "neap"

return function(args)
  local names = {}
  for i = 1, args.n do names[i] = ("p%d.t%d"):format((i - 1) // 1000, i - 1) end
  for i = 0, args.jobs - 1 do neap.submit(names[i % args.n + 1], i) end
end
