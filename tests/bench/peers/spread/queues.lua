-- Submits `jobs` no-op jobs into `n` queues in turn.
local neap = require "neap"

return function(args)
  local opts = {}
  for i = 1, args.n do opts[i] = { queue = "q" .. i - 1 } end
  for i = 0, args.jobs - 1 do neap.submit("spread.noop", i, opts[i % args.n + 1]) end
end
