-- Bar 4: jobs that compute.
local shell = require "shell"

local part = { title = "Jobs that compute", packages = { "lua5.4" } }

function part.run(bench, report)
  local jobs = bench:count(4000)
  local function neap(n)
    return bench:run_words("bench.produce",
      ('{"jobs":%d,"task":"bench.fib","kind":"same","args":20}'):format(n))
  end
  local function plain(n)
    local one = ("lua5.4 %s/peers/fib.lua %d"):format(shell.quote(bench.here), n // bench.workers)
    return (one .. " & "):rep(bench.workers) .. "wait"
  end
  local rows = bench:compare("jobs/s", {
    { name = "neap", command = neap(jobs), run = function() return bench:rate(jobs, neap) end },
    { name = "plain lua5.4", command = plain(jobs),
      run = function() return bench:rate(jobs, plain) end },
  })
  report:text("`fib(20)` a job, on %d workers; and the same in a loop in %d processes of lua5.4.",
    bench.workers, bench.workers)
  report:measured(bench, rows)
  report:ratio(rows, "neap", "plain lua5.4", "at least", 0.97)
end

return part
