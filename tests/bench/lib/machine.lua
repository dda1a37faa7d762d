-- Where and with what it was measured.
local peers = require "peers"
local shell = require "shell"

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

-- What stands under the title of a section.
function machine.note(bench, part)
  local name, cores = cpu()
  local load = (shell.read("/proc/loadavg") or "?"):match("^%S+")
  local lines = {
    ("%s, %d CPUs, %s, Linux %s; %s."):format(name, cores, system(), shell.must("uname -r"),
      os.date("!%Y-%m-%d")),
    versions(bench, part) .. ".",
  }
  local busy = not part.steady and (tonumber(load) or 0) > 0.5
  if not part.once and (bench.runs < 5 or bench.scale ~= 1 or busy) then
    local mark = "**Not a measurement:** runs: %d, jobs: times %g, load before it began: %s."
    table.insert(lines, 1, mark:format(bench.runs, bench.scale, load))
  end
  return table.concat(lines, "\n")
end

return machine
