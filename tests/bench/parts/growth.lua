-- Bar 8: what a job costs where there are many jobs, queues or tasks; and what idling costs.
local server = require "server"
local shell = require "shell"

local part = { title = "Growth" }

-- A contender: CPU microseconds a job, of a run with `jobs` more than `base` (0), less one with
-- that many.
local function cost(bench, name, jobs, command, base)
  base = base or 0
  return { name = name, command = command(base + jobs), run = function()
    return (bench:time(command(base + jobs)).cpu - bench:time(command(base)).cpu) / jobs * 1e6
  end }
end

local function grows(report, rows)
  local first, last = rows[1].median, rows[#rows].median
  if not first then return end
  local log = math.log(rows[#rows].n) / math.log(rows[1].n)
  report:bar(("%s / %s (no faster than log n)"):format(rows[#rows].name, rows[1].name),
    last and last / first, "at most", log)
end

-- The backlog stays as long as it is: each job puts its successor at the end of the line.
local function backlog(bench, report)
  local rows = {}
  for _, n in ipairs { 10, 10000, 1000000, 10000000 } do
    local long = n > 10 and bench:count(n) or n
    local rounds = math.max(1, bench:count(1000000) // long)
    local function command(jobs)
      return bench:run_words("bench.produce",
        ('{"jobs":%d,"task":"bench.relay","kind":"same","args":%d}'):format(
          jobs == 0 and 0 or long, rounds - 1))
    end
    rows[#rows + 1] = cost(bench, ("backlog of %s"):format(report.number(long)), long * rounds,
      command)
    rows[#rows].n = long
  end
  bench:compare("us of CPU a job", rows)
  report:text("A backlog of n jobs, each of which submits its successor: CPU time a job, of all "
    .. "threads.")
  report:measured(bench, rows)
  grows(report, rows)
  report:close()
end

local function memory(bench, report)
  local n = bench:count(1000000)
  local function delayed(jobs)
    return bench:run_words("bench.produce", ('{"jobs":%d,"opts":{"delay":"4s"}}'):format(
      math.max(jobs, 1))) -- what waiting itself costs is none of theirs
  end
  local rows = bench:compare("bytes a job", {
    { name = "delayed jobs", command = delayed(n), run = function()
      return (bench:time(delayed(n)).rss - bench:time(delayed(0)).rss) * 1024 / n
    end },
  })
  report:text("Memory of %s delayed jobs with an integer: the largest resident set less that of "
    .. "a process without jobs.", report.number(n))
  report:measured(bench, rows)
  report:bar("bytes a waiting job", rows[1].median, "at most", 250)
  report:close()
  rows = {}
  for i, some in ipairs { bench:count(10000), n } do
    rows[i] = cost(bench, report.number(some) .. " delayed jobs", some, delayed)
    rows[i].n = some
  end
  bench:compare("us of CPU a job", rows)
  report:measured(bench, rows)
  grows(report, rows)
  report:close()
end

-- A directory with the plugin `spread` and n queues, or n tasks, 1,000 a plugin.
local function many_of(bench, what, n)
  local dir = bench:directory()
  local spread = dir .. "/plugins/spread"
  shell.must("mkdir -p " .. spread)
  shell.must(("cp %s/peers/spread/%s.lua %s/produce.lua"):format(bench.here, what, spread))
  shell.write(spread .. "/noop.lua", "return function() end\n")
  local ini = {}
  for i = 0, n - 1 do
    if what == "queues" then
      ini[#ini + 1] = ("[queue q%d]\nconcurrency = 1000\n"):format(i)
    else
      local plugin = ("%s/plugins/p%d"):format(dir, i // 1000)
      if i % 1000 == 0 then shell.must("mkdir " .. plugin) end
      shell.write(("%s/t%d.lua"):format(plugin, i), "return function() end\n")
    end
  end
  shell.write(dir .. "/neap.ini", table.concat(ini))
  return dir
end

-- Jobs to n queues, or of n tasks, in turn.
local function many(bench, report, what, counts)
  local rows, jobs = {}, bench:count(500000)
  for i, n in ipairs(counts) do
    local dir = many_of(bench, what, n)
    local function command(some)
      return { bench.neap, "run", "spread.produce", ('{"jobs":%d,"n":%d}'):format(some, n),
        "--plugins", dir .. "/plugins", "-c", dir .. "/neap.ini", "--workers", bench.workers }
    end
    rows[i] = cost(bench, ("%s %s"):format(report.number(n), what), jobs, command,
      what == "tasks" and bench.workers * n or 0) -- loading them is no cost of the jobs
    rows[i].n = n
  end
  bench:compare("us of CPU a job", rows)
  report:text("No-op jobs %s %s in turn.", what == "queues" and "into n" or "of n", what)
  report:measured(bench, rows)
  grows(report, rows)
  report:close()
end

local function idle_of(pid)
  local resident = tonumber(shell.read(("/proc/%d/status"):format(pid)):match("VmRSS:%s*(%d+)"))
  local switches = 0
  for tid in shell.must(("ls /proc/%d/task"):format(pid)):gmatch("%d+") do
    local status = shell.read(("/proc/%d/task/%s/status"):format(pid, tid)) or ""
    switches = switches + (tonumber(status:match("\nvoluntary_ctxt_switches:%s*(%d+)")) or 0)
  end
  return resident / 1024, switches
end

local function idle(bench, report)
  local wakes = {}
  local row = { name = "idle daemon, MiB resident", run = function()
    local dir = bench:directory()
    local words = { bench.neap, "serve", "--plugins", bench.here .. "/plugins",
      "--set", ("[store] url=sqlite:%s/neap.db"):format(dir),
      "--set", ("[http] socket=%s/neap.sock"):format(dir) }
    return server.with(bench, { words = words, log = dir .. "/log",
      ready = ("test -S %s/neap.sock"):format(dir) }, function(daemon)
      shell.must("sleep 3")
      local mib, before = idle_of(daemon.pid)
      shell.must("sleep 10")
      local _, after = idle_of(daemon.pid)
      wakes[#wakes + 1] = (after - before) / 10
      return mib
    end)
  end }
  local rows = bench:compare("MiB", { row })
  rows[2] = { name = "its wake-ups a second", values = wakes,
    median = wakes[1] and bench.median(wakes), missing = not wakes[1] and row.missing or nil }
  report:text("`neap serve` with a store and a socket and nothing to do: its memory, and "
    .. "wake-ups of all threads a second over 10 s.")
  report:measured(bench, rows)
  report:bar("MiB resident", rows[1].median, "at most", 12)
end

function part.run(bench, report)
  backlog(bench, report)
  memory(bench, report)
  many(bench, report, "queues", { 10, 1000 })
  many(bench, report, "tasks", { 10, 1000, 10000 })
  idle(bench, report)
end

return part
