-- Bar 2: no-op jobs with a table.
local shell = require "shell"

local part = {
  title = "No-op jobs with a table",
  packages = { "lua-luv" },
}

function part.run(bench, report)
  local function neap(n)
    return bench:run_words("bench.produce", ('{"jobs":%d,"kind":"table"}'):format(n))
  end
  local function luv(n)
    return ("UV_THREADPOOL_SIZE=%d lua5.4 %s/peers/luv.lua %d table"):format(bench.workers,
      shell.quote(bench.here), n)
  end
  local raw = { bench.bin .. "/raw", bench.workers, bench:count(20000000), "table",
    bench.here .. "/plugins/bench/noop.lua" }
  local jobs, units = bench:count(2000000), bench:count(1000000)
  local rows = bench:compare("jobs/s", {
    { name = "neap", command = neap(jobs), run = function() return bench:rate(jobs, neap) end },
    { name = "luv new_work", command = luv(units),
      run = function() return bench:rate(units, luv) end },
    { name = "raw limit", command = raw,
      run = function() return raw[3] / tonumber(shell.must(shell.join(raw))) end },
  })
  report:text("As above with `{ id = 123, name = \"render\" }`. luv's thread pool passes the "
    .. "same as two scalars. The raw limit decodes the same bytes and resumes the same function "
    .. "on a used coroutine, in %d threads that do nothing else.", bench.workers)
  report:measured(bench, rows)
  report:ratio(rows, "neap", "raw limit", "at least", 0.7)
  report:ratio(rows, "neap", "luv new_work", "at least", 4)
end

return part
