-- Bar 6: jobs that survive a power loss, from submission to their end.
local brokers = require "brokers"
local durable = require "durable"
local server = require "server"
local shell = require "shell"

local part = {
  title = "Durable jobs",
  packages = { "libsqlite3-dev", "golang-go", "beanstalkd", "redis-server", "ruby-sidekiq",
    "postgresql" },
  modules = { "bullmq", "graphile-worker" },
}

local function seconds(command) return tonumber(shell.must(command):match("%S+$")) end

-- neap serve in a directory of its own; f(port).
local function daemon(bench, keep, f)
  local dir, port = bench:directory(), brokers.port()
  return server.with(bench, {
    words = { bench.neap, "serve", "--plugins", bench.here .. "/plugins", "--workers",
      bench.workers, "--log-level", "warn",
      "--set", ("[store] url=sqlite:%s/neap.db"):format(dir),
      "--set", "[store] keep_completed=" .. keep,
      "--set", ("[http] socket=%s/neap.sock"):format(dir),
      "--set", "[http] listen=127.0.0.1:" .. port },
    log = dir .. "/log",
    ready = ("%s stats --socket %s/neap.sock"):format(shell.quote(bench.neap), dir),
  }, function() return f(port) end)
end

-- How neap's jobs come: what clients.c is told, and how many completed jobs that makes.
local function producer(n)
  return { 1, 1, 0, n + 1, ('{"task":"bench.produce","args":{"jobs":%d}}'):format(n) }
end

local JOB = '{"task":"bench.noop","args":123456}'

local function bulk(n)
  local bodies = math.max(1, n // 1000)
  return { 64, bodies, 1000, bodies * 1000, JOB }
end

local function single(n) return { 64, n, 0, n, JOB } end

local function neap(bench, name, keep, how, n)
  local words = how(n)
  local row = { name = name, command = { "tests/bench/clients", "PORT", table.unpack(words) } }
  function row.run()
    return daemon(bench, keep, function(port)
      local text = shell.must(shell.join { bench.bin .. "/clients", port, table.unpack(words) })
      local done, p50, p99 = text:match("%S+ (%S+) (%S+) (%S+)$")
      row.latency = ("an answer took p50 %s us, p99 %s us in the last run"):format(p50, p99)
      return words[4] / tonumber(done)
    end)
  end
  return row
end

-- libmicrohttpd alone, with the same clients.
local function answers(bench, how, n)
  local words = how(n)
  local row = { name = "libmicrohttpd alone, one job a request",
    command = { "tests/bench/clients", "PORT", table.unpack(words) } }
  function row.run()
    local port = brokers.port()
    return server.with(bench, {
      words = { bench.bin .. "/answers", port },
      log = bench:directory() .. "/log",
      ready = ("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d'"):format(port),
    }, function()
      local text = shell.must(shell.join { bench.bin .. "/clients", port, table.unpack(words) })
      return words[4] / tonumber(text:match("%S+ (%S+)"))
    end)
  end
  return row
end

local function limit(bench, name, how, n)
  local command = { bench.bin .. "/rows", "FILE", n, how }
  return { name = name, command = command, run = function()
    command[2] = bench:directory() .. "/rows.db"
    return n / seconds(shell.join(command))
  end }
end

-- The name of the fastest peer, or of those that answer only once it is on the disk.
local function best(rows, synced)
  local top
  for _, row in ipairs(rows) do
    local counts = row.peer and (row.synced or not synced)
    if counts and (row.median or 0) > (top and top.median or 0) then top = row end
  end
  return top and top.name
end

local function bars(report, rows)
  local any, synced = best(rows), best(rows, true)
  for i = 1, 4 do
    if i ~= 2 and any then report:ratio(rows, rows[i].name, any, "at least", 10) end
    if i ~= 2 and synced and synced ~= any then
      report:ratio(rows, rows[i].name, synced, "at least", 10)
    end
  end
  report:ratio(rows, "neap, from a task", "SQLite", "at least", 0.5)
  report:ratio(rows, "neap, from a task, kept", "SQLite, kept", "at least", 0.5)
  report:bar("neap, from a task, jobs/s", rows[1].median, "at least", 100000)
  report:bar("neap, from a task, kept, jobs/s", rows[2].median, "at least", 60000)
  report:bar("neap, 64 clients, one job a request, jobs/s", rows[4].median, "at least", 20000)
end

function part.run(bench, report)
  local many, some, few = bench:count(1000000), bench:count(200000), bench:count(30000)
  many = math.max(1000, many // 1000 * 1000) -- whole transactions and bodies
  local rows = bench:compare("jobs/s", {
    neap(bench, "neap, from a task", "0", producer, many),
    neap(bench, "neap, from a task, kept", "24h, 10000000", producer, many),
    neap(bench, "neap, 64 clients, 1,000 jobs a request", "0", bulk, many),
    neap(bench, "neap, 64 clients, one job a request", "0", single, some),
    limit(bench, "SQLite", "drop", many),
    limit(bench, "SQLite, kept", "keep", many),
    answers(bench, single, some),
    durable.beans(bench, few),
    durable.sidekiq(bench, "everysec", few),
    durable.sidekiq(bench, "always", few),
    durable.bull(bench, "everysec", few),
    durable.bull(bench, "always", few),
    durable.graphile(bench, "plain", few),
    durable.graphile(bench, "local", few),
  })
  report:text("No-op jobs from the first submission until all have completed. neap serves with its "
    .. "SQLite store, every commit synced, %d workers; completed jobs are deleted, or kept. SQLite "
    .. "is the limit: the store's own statements in transactions of 1,000 jobs, in one thread "
    .. "that does nothing else; for one job a request it is libmicrohttpd, which answers the same "
    .. "clients with nothing behind it. BullMQ, Sidekiq and graphile-worker submit 1,000 at a "
    .. "time to two processes; with `everysec` Redis may lose a second.", bench.workers)
  report:measured(bench, rows)
  for i = 3, 4 do
    if rows[i].latency then report:text("%s: %s.", rows[i].name, rows[i].latency) end
  end
  bars(report, rows)
end

return part
