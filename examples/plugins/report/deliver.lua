-- Delivers a report; report.build submits these jobs.
local neap = require "neap"

return {
  summary = "Append a report to a file, or log it",
  queue = "reports",
  retry = { max = 5, backoff = "exponential", base = "200ms", cap = "10s", jitter = 0.2 },
  args = {
    title = "string",
    text = "string",
    to = { "string", enum = { "file", "log" } },
  },
  config = {
    out = { "string", default = "reports.txt", help = "the file that reports are appended to" },
  },

  -- Once in each worker, before its first job.
  setup = function(config)
    return { path = config.out, count = 0 }
  end,

  run = function(args, ctx)
    if args.to == "log" then
      neap.log.info("report on " .. args.title, { lines = select(2, args.text:gsub("\n", "")) })
      return "logged"
    end
    local file <close> = assert(io.open(ctx.state.path, "a")) -- an error is retried
    file:setvbuf("no") -- one write, so that workers do not mix
    assert(file:write("== " .. args.title .. "\n" .. args.text))
    ctx.state.count = ctx.state.count + 1
    return ctx.state.path
  end,

  -- After the last attempt has failed.
  on_dead = function(args, _, err)
    neap.log.error("no report on " .. args.title, { why = err.message })
  end,

  teardown = function(state)
    neap.log.debug("delivered", { count = state.count })
  end,
}
