-- One run of the bench: what parts measure with, and what comes of it.
local shell = require "shell"

local bench = {}
bench.__index = bench

function bench.new(options)
  local self = setmetatable(options, bench)
  self.servers = {}
  self.serial = 0
  return self
end

-- How many of something, for runs that only try whether it works.
function bench:count(n)
  return math.max(2, math.floor(n * self.scale))
end

-- A new empty directory, on a disk where files are kept.
function bench:directory()
  self.serial = self.serial + 1
  local dir = ("%s/%d"):format(self.dir, self.serial)
  shell.must("mkdir -m 755 " .. shell.quote(dir))
  return dir
end

-- Runs a command (words, or text for the shell); what it took: wall and cpu seconds, rss KiB.
function bench:time(command)
  local words = type(command) == "table" and shell.join(command) or "sh -c " .. shell.quote(command)
  local text, err = shell.output(shell.quote(self.bin .. "/timed") .. " " .. words)
  local wall, cpu, rss, status = (text or ""):match("(%S+) (%S+) (%d+) (%d+)$")
  if not wall or status ~= "0" then
    error(("%s: %s"):format(self:short(command), err or text), 0)
  end
  return { wall = tonumber(wall), cpu = tonumber(cpu), rss = tonumber(rss) }
end

-- Jobs a second: the time of `jobs` jobs less that of none. command(n) is the one for n jobs.
function bench:rate(jobs, command)
  local empty = self:time(command(0)).wall
  return jobs / math.max(self:time(command(jobs)).wall - empty, 1e-6)
end

-- neap with the tasks of the bench: words of a command line.
function bench:run_words(task, args, ...)
  return { self.neap, "run", task, args, "--plugins", self.here .. "/plugins", "--workers",
    tostring(self.workers), ... }
end

function bench:short(command)
  if type(command) == "table" then command = shell.join(command) end
  local function plain(s) return (s:gsub("%p", "%%%0")) end
  return (command:gsub(plain(self.dir), "TMP"):gsub(plain(self.root) .. "/", ""))
end

local function median(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local middle = (#sorted + 1) // 2
  if #sorted % 2 == 1 then return sorted[middle] end
  return (sorted[middle] + sorted[middle + 1]) / 2
end
bench.median = median

-- What lua5.4 raises at Ctrl-C, wherever it is.
function bench.interrupted(err)
  return type(err) == "string" and err:find("interrupted!", 1, true) ~= nil
end

-- Measures contenders in turn, `runs` times, so that what changes meanwhile hits all alike.
-- Each: name, run = function() returning a number, command (text or words), or missing (why).
-- A run that fails takes its contender out, and the report says so.
function bench:compare(unit, contenders)
  for _, c in ipairs(contenders) do c.values, c.unit = {}, unit end
  for run = 1, self.runs do
    for _, c in ipairs(contenders) do
      if not c.missing then
        local ok, value = pcall(c.run)
        if bench.interrupted(value) then error(value, 0) end
        if ok then c.values[run] = value else c.missing = value end
        io.stderr:write(("  %-44s %s\n"):format(c.name, ok and
          self.report.number(value) .. " " .. unit or "failed: " .. tostring(value):sub(1, 500)))
      end
    end
  end
  for _, c in ipairs(contenders) do
    if not c.missing then c.median = median(c.values) end
    contenders[c.name] = c
  end
  return contenders
end

return bench
