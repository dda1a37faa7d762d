-- What is run under valgrind: commands that do so many jobs.
local shell = require "shell"

local load = {}

-- A slice that long, or jobs go back and forth between engine and worker, never alike.
local ALIKE = { "--workers", "1", "--set", "[pool default] slice=60s" }

function load.produce(bench, args)
  return function(jobs)
    return shell.join(bench:run_words("bench.produce", ('{"jobs":%d%s}'):format(jobs, args),
      table.unpack(ALIKE)))
  end
end

function load.map(bench)
  return function(jobs)
    local file = ("%s/lines.%d"):format(bench.dir, jobs)
    shell.must(("seq 100001 %d > %s"):format(100000 + jobs, shell.quote(file)))
    return ("%s map --workers 1 %s <%s >/dev/null"):format(shell.quote(bench.neap),
      shell.quote(bench.here .. "/plugins/bench/noop.lua"), shell.quote(file))
  end
end

return load
