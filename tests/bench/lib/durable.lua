-- The durable peers, as contenders of bench:compare: n jobs from the first submission to the end of
-- the last. synced: it answers only once the job is on the disk.
local brokers = require "brokers"
local peers = require "peers"
local shell = require "shell"

local durable = {}

local function seconds(command) return tonumber(shell.must(command):match("%S+$")) end

function durable.beans(bench, n)
  local go, why = peers.go(bench, "beans")
  local row = { name = "beanstalkd", peer = true, synced = true }
  row.missing = why or peers.missing("beanstalkd")
  row.command = ("beanstalkd -b DIR -f0; beans PORT %d 64 8"):format(n)
  function row.run()
    return brokers.beanstalkd(bench, function(port)
      return n / seconds(shell.join { go, port, n, 64, 8 })
    end)
  end
  return row
end

function durable.sidekiq(bench, appendfsync, n)
  local row = { name = "Sidekiq, appendfsync " .. appendfsync, peer = true }
  row.synced = appendfsync == "always"
  row.missing = peers.missing("redis-server") or peers.missing("sidekiq")
  row.command = ("ruby push.rb %d"):format(n)
  function row.run()
    return brokers.redis(bench, appendfsync, function(port)
      local push = shell.quote(bench.here .. "/peers/ruby/push.rb")
      return n / seconds(("REDIS_URL=redis://127.0.0.1:%d ruby %s %d"):format(port, push, n))
    end)
  end
  return row
end

function durable.bull(bench, appendfsync, n)
  local dir, why = peers.node(bench)
  local row = { name = "BullMQ, appendfsync " .. appendfsync, peer = true }
  row.synced = appendfsync == "always"
  row.missing = why or peers.missing("redis-server")
  row.command = ("node bull.js PORT %d"):format(n)
  function row.run()
    return brokers.redis(bench, appendfsync, function(port)
      return n / seconds(shell.join { "node", dir .. "/bull.js", port, n })
    end)
  end
  return row
end

function durable.graphile(bench, mode, n)
  local dir, why = peers.node(bench)
  local row = { name = "graphile-worker", peer = true, synced = true }
  if mode == "local" then row.name = row.name .. ", local queue" end
  if not shell.output("ls /usr/lib/postgresql/*/bin/postgres") then
    why = why or "PostgreSQL is not installed"
  end
  row.missing = why
  row.command = ("node graphile.js PORT %d %s"):format(n, mode)
  function row.run()
    return brokers.postgres(bench, function(port)
      return n / seconds(shell.join { "node", dir .. "/graphile.js", port, n, mode })
    end)
  end
  return row
end

return durable
