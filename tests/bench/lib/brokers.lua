-- The durable peers' servers, each in a directory of its own on a port of its own.
local server = require "server"
local shell = require "shell"

local brokers = {}

-- A port of 127.0.0.1 where nothing listens.
function brokers.port()
  local taken = {}
  for _, file in ipairs { "/proc/net/tcp", "/proc/net/tcp6" } do
    for hex in (shell.read(file) or ""):gmatch(":%s%x+:(%x+)") do
      taken[tonumber(hex, 16)] = true
    end
  end
  local port
  repeat port = math.random(20000, 29999) until not taken[port]
  return port
end

function brokers.redis(bench, appendfsync, f)
  local dir, port = bench:directory(), brokers.port()
  return server.with(bench, {
    words = { "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "",
      "--appendonly", "yes", "--appendfsync", appendfsync },
    log = dir .. "/log",
    ready = ("redis-cli -p %d ping | grep PONG"):format(port),
  }, function() return f(port) end)
end

function brokers.beanstalkd(bench, f)
  local dir, port = bench:directory(), brokers.port()
  return server.with(bench, {
    words = { "beanstalkd", "-l", "127.0.0.1", "-p", port, "-b", dir, "-f", "0" },
    log = dir .. "/log",
    ready = ("grep ':%04X 00000000:0000 0A' /proc/net/tcp"):format(port),
  }, function() return f(port) end)
end

-- PostgreSQL refuses to run as root.
function brokers.postgres(bench, f)
  local bin = shell.must("ls -d /usr/lib/postgresql/*/bin | tail -n 1")
  local dir, port = bench:directory(), brokers.port()
  local as, die = {}, {}
  if shell.must("id -u") == "0" then
    shell.must("chown postgres " .. dir)
    as = { "setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups" }
    die = { "--pdeathsig", "TERM" }
  end
  local function command(more, ...)
    local words = table.move(as, 1, #as, 1, {})
    if #as > 0 then table.move(more, 1, #more, #words + 1, words) end
    for _, word in ipairs { ... } do words[#words + 1] = word end
    return words
  end
  shell.must(shell.join(command({}, bin .. "/initdb", "-D", dir .. "/data", "-A", "trust", "-U",
    "postgres")))
  return server.with(bench, {
    words = command(die, bin .. "/postgres", "-D", dir .. "/data", "-p", port, "-h", "127.0.0.1",
      "-k", dir, "-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB"),
    log = dir .. "/log",
    ready = ("%s/pg_isready -h 127.0.0.1 -p %d"):format(bin, port),
    signal = "INT",
  }, function() return f(port) end)
end

return brokers
