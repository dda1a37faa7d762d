-- Bar 1: no-op jobs with an integer, submitted by a task.
local peers = require "peers"

local part = {
  title = "No-op jobs with an integer",
  packages = { "golang-go" },
}

function part.run(bench, report)
  local go, why = peers.go(bench, "executor")
  local function neap(n)
    return bench:run_words("bench.produce", ('{"jobs":%d}'):format(n))
  end
  local function executor(how)
    return function(n) return { go or "executor", how, "noop", n, bench.workers } end
  end
  local jobs, tasks = bench:count(2000000), bench:count(10000000)
  local rows = bench:compare("jobs/s", {
    { name = "neap", command = neap(jobs), run = function() return bench:rate(jobs, neap) end },
    { name = "Go pool", missing = why, command = executor("pool")(tasks),
      run = function() return bench:rate(tasks, executor("pool")) end },
    { name = "a goroutine a task", missing = why, command = executor("spawn")(tasks),
      run = function() return bench:rate(tasks, executor("spawn")) end },
  })
  report:text("A Lua task submits no-op jobs, each with an integer, to %d workers in memory. The "
    .. "Go pool has a channel of 1,024 and %d goroutines that recover. Both are timed as "
    .. "processes, less the time of a process without jobs.", bench.workers, bench.workers)
  report:measured(bench, rows)
  report:ratio(rows, "neap", "Go pool", "at least", 1.0)
end

return part
