-- Where and with what it was measured.
local peers = require "peers"
local shell = require "shell"

local BUSY_MAX = 10 -- percent

local machine = {}

local function cpu()
  local info = shell.read("/proc/cpuinfo") or ""
  local _, cores = info:gsub("\nprocessor%s*:", "")
  return info:match("model name%s*:%s*([^\n]+)") or "unknown CPU", cores + 1
end

local function system()
  return (shell.read("/etc/os-release") or ""):match('PRETTY_NAME="([^"]+)"') or "Linux"
end

local function versions(bench, part)
  local out = { "neap " .. shell.must(bench.neap .. " version"):match("[%d.]+[%w-]*") }
  local commit = shell.output("git rev-parse --short HEAD")
  if commit then out[1] = out[1] .. " (" .. commit .. ")" end
  for _, name in ipairs(part.packages or {}) do
    local version = peers.package_version(name)
    if version then out[#out + 1] = name .. " " .. version end
  end
  for _, name in ipairs(part.modules or {}) do
    local version = peers.node_version(bench, name)
    if version then out[#out + 1] = name .. " " .. version end
  end
  return table.concat(out, ", ")
end

-- All the CPU time since the boot, and how much of it was spent.
local function spent()
  local all, idle, n = 0, 0, 0
  for ticks in (shell.read("/proc/stat") or ""):match("^cpu ([^\n]*)"):gmatch("%d+") do
    n, all = n + 1, all + tonumber(ticks)
    if n == 4 or n == 5 then idle = idle + tonumber(ticks) end -- idle, iowait
  end
  return all, all - idle
end

-- How busy others are, in a second; the load average still has what was measured before.
local function busy_percent()
  local all, busy = spent()
  shell.must("sleep 1")
  local later, busier = spent()
  return 100 * (busier - busy) // math.max(1, later - all)
end

-- What stands under the title of a section.
function machine.note(bench, part)
  local name, cores = cpu()
  local busy = part.steady and 0 or busy_percent()
  local lines = {
    ("%s, %d CPUs, %s, Linux %s; %s."):format(name, cores, system(), shell.must("uname -r"),
      os.date("!%Y-%m-%d")),
    versions(bench, part) .. ".",
  }
  if not part.once and (bench.runs < 5 or bench.scale ~= 1 or busy > BUSY_MAX) then
    local mark = "**Not a measurement:** runs: %d, jobs: times %g, CPU taken by others: %d %%."
    table.insert(lines, 1, mark:format(bench.runs, bench.scale, busy))
  end
  return table.concat(lines, "\n")
end

return machine
