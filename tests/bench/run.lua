-- Measures neap, its peers and the machine; ./dev bench starts it. Each part is a file of parts/.
local here = arg[0]:match("^(.*)/[^/]*$")
package.path = here .. "/lib/?.lua;" .. here .. "/?.lua;" .. package.path
local Bench = require "bench"
local machine = require "machine"
local report = require "report"
local shell = require "shell"

local PARTS = {
  "noop", "args", "sleep", "cpu", "latency", "durable", "batch", "growth", "instructions",
  "profile",
}
local USAGE = [[
usage: ./dev bench [NAME...] [option...]

  --runs N      how often each is measured (5)
  --scale X     jobs, times X: 0.01 to see whether it works
  --out FILE    the page to bring up to date (docs/benchmarks.md); -: none
  --check       instructions only: fail where they have grown
  --packages    print the Debian packages that the parts want

parts: ]] .. table.concat(PARTS, " ") .. "\n"

local function fail(...)
  io.stderr:write("bench: ", string.format(...), "\n")
  os.exit(64)
end

local function parse()
  local options = { runs = 5, scale = 1, out = "docs/benchmarks.md", names = {} }
  local i = 1
  local function value()
    i = i + 1
    return arg[i] or fail("%s wants a value", arg[i - 1])
  end
  while arg[i] do
    local word = arg[i]
    if word == "--runs" then options.runs = math.tointeger(value()) or fail("--runs N")
    elseif word == "--scale" then options.scale = tonumber(value()) or fail("--scale X")
    elseif word == "--out" then options.out = value()
    elseif word == "--check" then options.check = true
    elseif word == "--packages" then options.packages = true
    elseif word == "-h" or word == "--help" then io.write(USAGE) os.exit(0)
    elseif word:sub(1, 1) == "-" then fail("no option %s", word)
    else table.insert(options.names, word) end
    i = i + 1
  end
  return options
end

local function load_parts(names)
  if #names == 0 then names = PARTS end
  local parts, known = {}, {}
  for _, name in ipairs(PARTS) do known[name] = true end
  for i, name in ipairs(names) do
    if not known[name] then fail("no part %s; there are: %s", name, table.concat(PARTS, " ")) end
    parts[i] = require("parts." .. name)
    parts[i].name = name
  end
  return parts
end

local function print_packages(parts)
  local seen = {}
  for _, part in ipairs(parts) do
    for _, name in ipairs(part.packages or {}) do
      if not seen[name] then print(name) end
      seen[name] = true
    end
  end
end

local HEAD = [[
# Measurements

`./dev bench` makes this page: it installs the peers it can get, builds the release configuration,
measures what is compared in turn, and writes down the median and all runs. `./dev bench NAME` does
one section. Ratios are of one run on one machine; figures of different sections or machines do
not compare.
]]

local function write_page(options, sections)
  local _, all = report.cut(shell.read(options.out) or "")
  for title, text in pairs(sections) do all[title] = text end
  local page = { HEAD }
  for _, name in ipairs(PARTS) do
    local title = require("parts." .. name).title
    if all[title] then page[#page + 1] = all[title] end
  end
  shell.write(options.out, table.concat(page, "\n"))
end

local function main()
  local options = parse()
  local parts = load_parts(options.names)
  if options.packages then return print_packages(parts) end
  local bench = Bench.new {
    root = os.getenv("NEAP_ROOT"), neap = os.getenv("NEAP"), here = here, report = report,
    bin = os.getenv("NEAP_BUILD") .. "/bench", runs = options.runs, scale = options.scale,
    check = options.check, out = options.out, workers = 2,
    dir = os.getenv("NEAP_BENCH"),
  }
  shell.must("chmod 711 " .. bench.dir) -- PostgreSQL runs as somebody else
  local sections, failed = {}, false
  for _, part in ipairs(parts) do
    io.stderr:write(part.name, ":\n")
    local section = report.new(part.title, machine.note(bench, part))
    local ok, err = xpcall(part.run, debug.traceback, bench, section)
    if ok and err == false then
      failed = true
    elseif not ok then
      failed = true
      io.stderr:write("bench: ", part.name, ": ", tostring(err), "\n")
      if bench.interrupted(err) then os.exit(130) end
    else
      sections[part.title] = section:markdown()
      print(sections[part.title])
    end
  end
  for server in pairs(bench.servers) do server:stop() end
  if options.out ~= "-" and not options.check then write_page(options, sections) end
  os.exit(failed and 1 or 0)
end

main()
