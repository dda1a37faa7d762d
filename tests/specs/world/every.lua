-- One thing after another that a task may do, for every_test.lua.
local neap = require "neap"
local helper = require "helper"

local acts = {}

function acts.sleepers()
  local order = {}
  local a = neap.async(function()
    for i = 1, 3 do
      neap.sleep(2)
      order[#order + 1] = "a" .. i
    end
    return "A"
  end)
  local b = neap.async(function()
    neap.sleep(1)
    for i = 1, 3 do
      order[#order + 1] = "b" .. i
      neap.sleep(2)
    end
    return "B", 2
  end)
  return { b = { b:wait() }, a = { a:wait() }, order = order, now = neap.now(), time = os.time(),
           date = os.date("!%H:%M:%S"), clock = os.clock() }
end

function acts.swallow(_, ctx)
  local _ <close> = setmetatable({}, { __close = function() neap.log.info("closed") end })
  local inner = coroutine.wrap(function()
    pcall(function() ctx:fail("no") end)
    return 1
  end)
  inner()
  return "swallowed"
end

function acts.sort(_, ctx)
  local list = { 3, 2, 1 }
  table.sort(list, function(x, y)
    pcall(ctx.cancel, ctx, "in a comparator")
    return x < y
  end)
end

function acts.sleep_in_sort()
  table.sort({ 3, 2, 1 }, function() neap.sleep(1) end)
end

function acts.nested()
  local got = {}
  for value in coroutine.wrap(function()
    for i = 1, 3 do
      neap.sleep(1)
      coroutine.yield(i)
    end
  end) do
    got[#got + 1] = value
  end
  return { got = got, elapsed = os.clock() }
end

function acts.global() oops = 1 end -- luacheck: ignore

function acts.raise() error { code = 1 } end

function acts.fail() return nil, "no luck" end

function acts.state(_, ctx)
  return { api = ctx.state.api, count = ctx.state.count, attempt = ctx.attempt, task = ctx.task,
           queue = ctx.queue, deadline = ctx.deadline }
end

function acts.retry(args, ctx) ctx:retry(args.after, "later") end

function acts.snooze(_, ctx) ctx:snooze("1m") end

function acts.async_fail(_, ctx)
  neap.async(function() ctx:fail("from inside") end):wait()
end

function acts.http(args, ctx)
  local res = assert(neap.http.get(ctx.config.api .. args.path, { timeout = "5s" }))
  print("got", res.status)
  return res:json()
end

function acts.pcall_http()
  return pcall(neap.http.get, "http://nobody.test/") and "swallowed"
end

function acts.typo()
  local res = neap.http.request { ulr = "x" }
  return res
end

function acts.exec()
  local done = neap.exec({ "wc", "-l" }, { stdin = "a\n" })
  local ok, what, code = os.execute("false")
  return { done.stdout, tostring(ok), what, code }
end

function acts.submit(_, ctx)
  local job = neap.submit("other.task", { 1 }, { delay = "1h" })
  ctx:submit("audit.record", { n = 2 })
  return { job:wait() }
end

function acts.wait_with_timeout()
  local ok, err = neap.submit("other.task", { 1 }):wait("5s")
  return { ok = ok, code = err.code }
end

function acts.forever() while true do neap.sleep(60) end end

function acts.never()
  return neap.submit("other.task"):wait()
end

function acts.all()
  local results, errors = neap.all { neap.submit("other.task", { 1 }), neap.submit("bad.task") }
  return { results[1], errors[2].message }
end

function acts.race()
  local stopped = 0
  local winner, ok, value = neap.race {
    function()
      local _ <close> = setmetatable({}, { __close = function() stopped = stopped + 1 end })
      neap.sleep(5)
      return "slow"
    end,
    function()
      neap.sleep(1)
      return "quick"
    end,
    neap.submit("other.task", { 1 }),
  }
  return { winner, ok, value, os.clock(), stopped }
end

function acts.race_job()
  local winner, ok, value = neap.race {
    function() neap.sleep("1h") end,
    neap.submit("other.task", { 1 }),
  }
  return { winner, ok, value }
end

function acts.stray()
  neap.async(function() error("lost", 0) end)
  neap.sleep(1)
  return "fine"
end

function acts.async_ends()
  local failing = neap.async(function() error({ code = 7 }) end)
  local endless = neap.async(function() neap.sleep("1h") end)
  local ok, err = failing:wait()
  local waited, late = endless:wait("2s")
  endless:cancel()
  local _, cancelled = endless:wait()
  return { ok, err.code, err.value.code, waited, late.code, cancelled.code, os.clock() }
end

function acts.shared()
  local map = neap.shared("m")
  local added, again = map:add("lock", 1, "10s"), map:add("lock", 1, "10s")
  neap.sleep(10)
  return { added, tostring(again), map:get("lock") == nil, map:incr("n"), map:incr("n", 4) }
end

function acts.bad_result() return { f = print } end

function acts.signal()
  local signal = neap.signal()
  local late, err = signal:wait("1s")
  neap.async(function()
    neap.sleep(2)
    signal:set("a", 2)
  end)
  return { late, err.code, signal:is_set(), { signal:wait() }, os.clock(), signal:set() }
end

function acts.files(args)
  local dir = args.path .. "/a/b"
  assert(neap.fs.mkdir(dir, { parents = true }))
  assert(neap.fs.write(dir .. "/x", "one"))
  assert(neap.fs.write(dir .. "/x", "two", { append = true }))
  assert(neap.fs.write_atomic(dir .. "/y", "whole"))
  assert(neap.fs.rename(dir .. "/y", dir .. "/z"))
  local names = {}
  for i, entry in ipairs(assert(neap.fs.list(dir))) do
    names[i] = entry.name .. " " .. entry.type .. " " .. entry.size
  end
  table.sort(names)
  for i = 1, 20 do
    assert(neap.fs.write(dir .. "/" .. i, ""))
  end
  for _, entry in ipairs(neap.fs.list(dir)) do
    assert(entry.mtime == neap.fs.stat(dir .. "/" .. entry.name).mtime, "two times of a file")
  end
  local none, message, code = neap.fs.read(dir .. "/none")
  local large = select(3, neap.fs.read(dir .. "/x", { max = 3 }))
  local text = neap.fs.read(dir .. "/x")
  local stat = neap.fs.stat(dir)
  assert(neap.fs.remove(args.path .. "/a", { recursive = true }))
  return { names = names, text = text, type = stat.type, mode = type(stat.mode),
           none = none == nil and message:match("No such file.*"), code = code, large = large }
end

function acts.require(args) return require(args.path) end

function acts.help(args) return helper.twice(args.n) end

return {
  args = {
    act = "string", n = { "integer", default = 3 }, path = { "string", default = "/r" },
    after = "duration?",
  },
  config = { api = { "string", default = "http://x" } },
  retry = { max = 2, base = "2s" },
  setup = function(config)
    neap.sleep(1)
    return { api = config.api, count = 1 }
  end,
  run = function(args, ctx)
    ctx:progress(0.5, args.act)
    return acts[args.act](args, ctx)
  end,
  on_dead = function(_, _, err) neap.log.error("gave up", { err = err.message }) end,
}
