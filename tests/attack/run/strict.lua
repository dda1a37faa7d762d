-- What a strict sandbox withholds: files, programs, the environment, C modules, other tasks.
local cases = require "cases"
local neap = require "neap"
local any = cases.new()

local function refused(name, f)
  any(name, "dead", "not available in a strict sandbox", f, "strict")
end

refused("io.open", function() io.open("/etc/passwd") end)
refused("io.lines", function() for _ in io.lines("/etc/passwd") do neap.now() end end)
refused("io.tmpfile", function() io.tmpfile() end)
refused("io.popen", function() io.popen("true") end)
refused("os.execute", function() os.execute("true") end)
refused("os.getenv", function() os.getenv("HOME") end)
refused("os.remove", function() os.remove("/tmp/none") end)
refused("os.rename", function() os.rename("/tmp/none", "/tmp/other") end)
refused("os.tmpname", function() os.tmpname() end)
refused("loadfile", function() loadfile("/etc/passwd") end)
refused("dofile", function() dofile("/dev/null") end)
refused("debug.getinfo", function() debug.getinfo(1) end)
refused("package.searchpath", function() package.searchpath("x", "/?") end)
refused("package.loadlib", function() package.loadlib("x", "*") end)
refused("a C module", function() require "lfs" end)
refused("a module of the system", function() require "busted" end)
refused("luv", function() require "luv" end)
refused("posix", function() require "posix" end)
refused("a job elsewhere", function() neap.submit("probe.task") end)
refused("a job with this one", function(_, ctx) ctx:submit("probe.task") end)
refused("a shared map", function() neap.shared("x") end)
refused("counters", function() neap.stats() end)
any("all of neap but a few", "completed", "few", function()
  local few = {
    all = 1, array = 1, async = 1, json = 1, log = 1, now = 1, null = 1, race = 1, sleep = 1,
    signal = 1,
  }
  local function withheld(name, f)
    if type(f) == "table" then
      for key, inner in pairs(f) do withheld(name .. "." .. key, inner) end
    else
      local ok, e = pcall(f)
      assert(not ok and e:find("neap." .. name .. " is not available in a strict", 1, true), name)
    end
  end
  for name, f in pairs(neap) do if not few[name] then withheld(name, f) end end
  return "few"
end, "strict")
any("what is left", "completed", "works", function()
  assert(neap.json.decode(neap.json.encode({ 1 }))[1] == 1 and neap.now() > 1e9)
  neap.sleep(0)
  neap.log.info("from within", { n = 1 })
  assert(load("return 1 + 1")() == 2 and os.time() > 1e9 and os.clock() >= 0 and os.date())
  assert(require "cases" == cases and require "neap" == neap and require "string" == string)
  assert(("x"):rep(2) == "xx" and utf8.char(65) == "A" and math.random() < 1)
  return "works"
end, "strict")

return any.task
