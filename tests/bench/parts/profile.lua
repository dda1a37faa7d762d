-- Where the instructions of a job go.
local callgrind = require "callgrind"
local load = require "load"
local peers = require "peers"
local shell = require "shell"

local FEW, MANY, TOP = 2000, 22000, 25

local part = {
  title = "Where the instructions go",
  packages = { "valgrind", "gcc", "liblua5.4-dev" },
  steady = true, once = true,
}

local function profile(bench, command)
  local out = {}
  for i, jobs in ipairs { FEW, MANY } do
    local file = ("%s/callgrind.%d"):format(bench.dir, i)
    shell.must(("valgrind --tool=callgrind --callgrind-out-file=%s %s"):format(file, command(jobs)))
    out[i] = callgrind.read(file)
  end
  return callgrind.per_job(out[2], out[1], MANY - FEW)
end

-- Groups as rows, profiles as columns.
local function groups(report, names, profiles)
  local sums, order = {}, {}
  for i, functions in ipairs(profiles) do
    for _, f in ipairs(functions) do
      if not sums[f.group] then
        sums[f.group] = {}
        order[#order + 1] = f.group
      end
      sums[f.group][i] = (sums[f.group][i] or 0) + f.self
    end
  end
  table.sort(order, function(a, b) return (sums[a][1] or 0) > (sums[b][1] or 0) end)
  local total = {}
  report:say("| | %s |", table.concat(names, " | "))
  report:say("|---%s|", ("|---:"):rep(#names))
  for _, name in ipairs(order) do
    local cells = {}
    for i = 1, #names do
      cells[i] = report.number(math.floor((sums[name][i] or 0) + 0.5))
      total[i] = (total[i] or 0) + (sums[name][i] or 0)
    end
    report:say("| %s | %s |", name, table.concat(cells, " | "))
  end
  for i = 1, #names do total[i] = report.number(math.floor(total[i] + 0.5)) end
  report:text("| all | %s |", table.concat(total, " | "))
end

local function functions(report, name, list)
  report:text("The functions that execute the most themselves, with %s:", name)
  report:say("| function | of | instructions a job | calls a job |")
  report:say("|---|---|---:|---:|")
  for i = 1, math.min(TOP, #list) do
    local f = list[i]
    report:say("| `%s` | %s | %.0f | %.2f |", f.name, f.group, f.self, f.calls)
  end
  report:say("%s", "")
end

function part.run(bench, report)
  local why = peers.missing("valgrind")
  if why then return report:text("Not measured: %s.", why) end
  local names = { "integer", "table", "map, a line" }
  local profiles = {
    profile(bench, load.produce(bench, "")),
    profile(bench, load.produce(bench, ',"kind":"table"')),
    profile(bench, load.map(bench)),
  }
  report:text("Instructions a job by what executed them, from the same runs as the section before "
    .. "this one, once.")
  groups(report, names, profiles)
  functions(report, names[1], profiles[1])
end

return part
