-- Bar 9: instructions a job. They depend little on what else the machine does: how the threads take
-- turns moves them by 2 % either way. So where the least of some runs is more than LIMIT above the
-- page's median, the code has changed.
local load = require "load"
local peers = require "peers"
local shell = require "shell"

local LIMIT = 1.05
local FEW, MANY = 2000, 22000

local part = {
  title = "Instructions a job",
  packages = { "valgrind", "gcc", "liblua5.4-dev" },
  steady = true, -- whatever else the machine does
}

local function instructions(bench, command)
  local log = shell.quote(bench.dir .. "/valgrind")
  shell.must(("valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file=%s %s"):format(
    log, command))
  local text = shell.read(log)
  return tonumber(text:match("Collected : (%d+)")) or error("no count in: " .. text, 0)
end

local function counted(bench, name, command)
  return { name = name, command = command(MANY), run = function()
    local many, few = instructions(bench, command(MANY)), instructions(bench, command(FEW))
    return (many - few) / (MANY - FEW)
  end }
end

-- What the page says: name -> count; and whether it was the same compiler.
local function known(bench)
  local page = shell.read(bench.out) or ""
  local section = page:match("\n## " .. part.title .. "\n(.-)\n## ") or
    page:match("\n## " .. part.title .. "\n(.*)") or ""
  local counts = {}
  for name, count in section:gmatch("\n| ([^|]+) | ([%d,]+) |") do
    counts[name] = tonumber((count:gsub(",", "")))
  end
  local gcc = peers.package_version("gcc") or "?"
  return counts, section:find("gcc " .. gcc, 1, true) ~= nil
end

local function check(bench, rows)
  local counts, same = known(bench)
  if not same then
    io.stderr:write("bench: not checked: ", bench.out, " was counted with another compiler\n")
    return true
  end
  local grown = 0
  for _, row in ipairs(rows) do
    local was, is = counts[row.name], row.values[1] and math.min(table.unpack(row.values))
    if not was or not is or is > was * LIMIT then
      grown = grown + 1
      io.stderr:write(("bench: %s: %s instructions a job, %s says %s\n"):format(row.name,
        row.missing or bench.report.number(is), bench.out, bench.report.number(was or "nothing")))
    end
  end
  if grown > 0 then
    io.stderr:write("bench: that is more than 5 % more: make it less, or run ./dev bench ",
      "instructions, and say in the commit why it is worth it\n")
  end
  return grown == 0
end

function part.run(bench, report)
  local why = peers.missing("valgrind")
  local rows = {
    counted(bench, "integer", load.produce(bench, "")),
    counted(bench, "table", load.produce(bench, ',"kind":"table"')),
    counted(bench, "map, a line", load.map(bench)),
  }
  for _, row in ipairs(rows) do row.missing = why end
  bench:compare("instructions", rows)
  report:text("Counted by `valgrind --tool=callgrind` in all threads, with one worker: a "
    .. "run with %s jobs less one with %s. `.ci/run` fails where the least of its runs is more "
    .. "than 5 %% above this page.", report.number(MANY), report.number(FEW))
  report:measured(bench, rows)
  return not bench.check or check(bench, rows)
end

return part
