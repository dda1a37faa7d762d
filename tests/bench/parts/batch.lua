-- Bar 7: neap map and neap run beside what shells have.
local shell = require "shell"

local part = {
  title = "Commands",
  packages = { "parallel", "findutils", "lua5.4" },
}

local function lines(bench, n)
  local file = ("%s/lines.%d"):format(bench.dir, n)
  shell.must(("seq %d > %s"):format(n, shell.quote(file)))
  return shell.quote(file)
end

local function map(bench, report)
  local noop = shell.quote(bench.here .. "/plugins/bench/noop.lua")
  local script = shell.quote(bench.here .. "/peers/noop.lua")
  local function neap(n)
    return ("%s map --workers %d %s <%s"):format(shell.quote(bench.neap), bench.workers, noop,
      lines(bench, n))
  end
  local function xargs(n) return ("xargs -P2 -n1 lua5.4 %s <%s"):format(script, lines(bench, n)) end
  local function parallel(n)
    return ("parallel -j2 lua5.4 %s {} <%s"):format(script, lines(bench, n))
  end
  local many, few, fewer = bench:count(100000), bench:count(2000), bench:count(400)
  local rows = bench:compare("jobs/s", {
    { name = "neap map", command = neap(many),
      run = function() return many / bench:time(neap(many)).wall end },
    { name = "xargs -P2", command = xargs(few),
      run = function() return few / bench:time(xargs(few)).wall end },
    { name = "GNU parallel", command = parallel(fewer),
      missing = not shell.has("parallel") and "parallel is not installed" or nil,
      run = function() return fewer / bench:time(parallel(fewer)).wall end },
  })
  report:text("A job a line, the whole process timed.")
  report:measured(bench, rows)
  report:ratio(rows, "neap map", "xargs -P2", "at least", 100)
  report:close()
end

local function start(bench, report)
  local function each(command) -- ms, the middle one of many
    local times = {}
    for i = 1, 21 do times[i] = bench:time(command).wall * 1000 end
    return bench.median(times)
  end
  -- Nothing else is there: the stock plugins' own files, in this directory, are no part of a start.
  local alone = bench.dir .. "/alone"
  shell.must("mkdir -p " .. shell.quote(alone))
  local run = { bench.neap, "run", bench.here .. "/plugins/bench/noop.lua", "--plugins", alone }
  local lua = { "lua5.4", "-e", "" }
  local rows = bench:compare("ms", {
    { name = "neap run", command = run, run = function() return each(run) end },
    { name = "lua5.4", command = lua, run = function() return each(lua) end },
  })
  report:text("One job in a process of its own, from start to end.")
  report:measured(bench, rows)
  report:ratio(rows, "neap run", "lua5.4", "at most", 2)
end

function part.run(bench, report)
  map(bench, report)
  start(bench, report)
end

return part
