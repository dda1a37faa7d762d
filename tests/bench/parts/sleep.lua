-- Bar 3: jobs that wait.
local peers = require "peers"

local part = {
  title = "Jobs that sleep 10 ms",
  packages = { "golang-go" },
}

local function set(key, value) return ("[pool default] %s=%s"):format(key, value) end

local function sleepers(bench, n, ms)
  return bench:run_words("bench.produce",
    ('{"jobs":%d,"task":"bench.sleep","kind":"same","args":%d}'):format(n, ms),
    "--set", set("slots", 1000000), "--set", set("memory", "3G"))
end

local function speed(bench, report)
  local go, why = peers.go(bench, "executor")
  local function neap(n) return sleepers(bench, n, 10) end
  local function executor(how, workers)
    return function(n) return { go or "executor", how, "sleep", n, workers } end
  end
  local pool, spawn = executor("pool", 6), executor("spawn", 6)
  local many, few = bench:count(1000000), bench:count(3000)
  local rows = bench:compare("jobs/s", {
    { name = "neap", command = neap(many), run = function() return bench:rate(many, neap) end },
    { name = "Go pool of 6", missing = why, command = pool(few),
      run = function() return bench:rate(few, pool) end },
    { name = "a goroutine a task", missing = why, command = spawn(many),
      run = function() return bench:rate(many, spawn) end },
  })
  report:text("%d workers with 1,000,000 slots each, 3 GiB a Lua state.", bench.workers)
  report:measured(bench, rows)
  report:ratio(rows, "neap", "Go pool of 6", "at least", 100)
  report:ratio(rows, "neap", "a goroutine a task", "at least", 0.5)
end

local function memory(bench, report)
  local jobs = bench:count(1000000)
  local long = sleepers(bench, jobs, 30000) -- the last one sleeps before the first has
  local rows = bench:compare("bytes a job", {
    { name = "sleeping jobs", command = long, run = function()
      return (bench:time(long).rss - bench:time(sleepers(bench, 0, 10)).rss) * 1024 / jobs
    end },
  })
  report:close()
  report:text("Memory of %s jobs that sleep 30 s at the same time: the largest resident set, less "
    .. "that of a process without jobs.", report.number(jobs))
  report:measured(bench, rows)
  report:bar("bytes a sleeping job", rows[1].median, "at most", 1500)
end

function part.run(bench, report)
  speed(bench, report)
  memory(bench, report)
end

return part
