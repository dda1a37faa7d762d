-- Submits `jobs` jobs of `task`, each with an integer or a table, or what `args` holds.
local neap = require "neap"

local kinds = {
  integer = function(task, jobs, opts)
    for i = 1, jobs do neap.submit(task, i, opts) end
  end,
  table = function(task, jobs, opts)
    for i = 1, jobs do neap.submit(task, { id = i, name = "render" }, opts) end
  end,
  same = function(task, jobs, opts, args)
    for _ = 1, jobs do neap.submit(task, args, opts) end
  end,
}

return {
  args = {
    jobs = "integer",
    task = { "string", default = "bench.noop" },
    kind = { "string", enum = { "integer", "table", "same" }, default = "integer" },
    args = "any?",
    opts = "any?",
  },
  run = function(args) kinds[args.kind](args.task, args.jobs, args.opts, args.args) end,
}
