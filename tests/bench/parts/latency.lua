-- Bar 5: from submit to start, and from submit to stored, on an executor that idles.
local peers = require "peers"
local shell = require "shell"

local part = {
  title = "Latency",
  packages = { "golang-go" },
}

-- The p50 and p99 of what a command prints, in us; each contender runs it once and keeps both.
local function contenders(list)
  local out = {}
  for _, c in ipairs(list) do
    local p99 = {}
    out[#out + 1] = { name = c.name .. ", p50", missing = c.missing, command = c.command,
      run = function()
        local us = {}
        for ns in shell.must(shell.join(c.command)):gmatch("%S+") do us[#us + 1] = ns / 1000 end
        table.sort(us)
        p99[#p99 + 1] = us[math.ceil(#us * 0.99)]
        return us[math.ceil(#us * 0.5)]
      end }
    out[#out + 1] = { name = c.name .. ", p99", missing = c.missing,
      run = function() return p99[#p99] or error("see its p50", 0) end }
  end
  return out
end

local function host(bench, ...)
  return { bench.bin .. "/latency", ... }
end

local function start(bench, report)
  local go, why = peers.go(bench, "executor")
  local n = bench:count(5000)
  local rows = bench:compare("us", contenders {
    { name = "neap", command = host(bench, "start", bench.here .. "/plugins", n,
        "[pool default] workers=" .. bench.workers) },
    { name = "three bare threads", command = { bench.bin .. "/latency", "threads", n } },
    { name = "Go channel", missing = why,
      command = { go or "executor", "pool", "latency", n, bench.workers } },
  })
  report:text("From `neap_submit` in a C host, or the send on a channel, to the first line of "
    .. "the task: one every ms, %d workers or goroutines with nothing else to do. A "
    .. "hand-off between goroutines can stay on one thread; neap's goes from the host's thread to "
    .. "the engine's to a worker's. Three bare threads that wake each other by semaphores in that "
    .. "order are what the machine allows of it.", bench.workers)
  report:measured(bench, rows)
  report:ratio(rows, "neap, p50", "Go channel, p50", "at most", 3)
  report:ratio(rows, "neap, p99", "Go channel, p99", "at most", 5)
  report:close()
end

local function stored(bench, report)
  local dir, n = bench:directory(), bench:count(2000)
  local rows = bench:compare("us", contenders {
    { name = "neap_submit", command = host(bench, "stored", bench.here .. "/plugins", n,
        ("[store] url=sqlite:%s/neap.db"):format(dir)) },
    { name = "fdatasync", command = { bench.bin .. "/fsync", dir .. "/file", n } },
  })
  report:text("One client whose jobs go into SQLite: `neap_submit` until it returns, beside 4 "
    .. "KiB appended and `fdatasync`.")
  report:measured(bench, rows)
  local sync = rows["fdatasync, p50"].median
  report:bar("neap_submit, p50, us; 1.5 x fdatasync + 100 us", rows["neap_submit, p50"].median,
    "at most", sync and sync * 1.5 + 100 or 0)
end

function part.run(bench, report)
  start(bench, report)
  stored(bench, report)
end

return part
