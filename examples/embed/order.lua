-- Takes from the stock of the program around it: see embed_module.c. A host's module is there once
-- the executor runs, not while files are checked: so it is required in setup, not at the top.
return {
  summary = "Take something out of the host's stock",
  args = {
    item  = "string",
    count = { "integer", min = 1, default = 1 },
  },
  setup = function() return require "stock" end,
  run = function(args, ctx)
    local left, message = ctx.state.take(args.item, args.count)
    if not left then ctx:fail(message) end
    return { item = args.item, left = left }
  end,
}
