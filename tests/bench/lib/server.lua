-- Servers on loopback: started in the background, gone when stopped or when the bench is.
local shell = require "shell"

local server = {}
server.__index = server

-- words: the command; log: the file it writes to; ready: a shell command that succeeds once it
-- serves; signal: what stops it (TERM).
function server.start(bench, spec)
  local words = { "exec", bench.bin .. "/held", spec.log, table.unpack(spec.words) }
  local self = setmetatable({ spec = spec }, server)
  self.pipe = assert(io.popen(shell.join(words), "r"))
  self.pid = assert(self.pipe:read("n"), "held did not start")
  bench.servers[self] = true
  self.bench = bench
  for _ = 1, 200 do
    if shell.output(spec.ready) then return self end
    shell.output("sleep 0.1")
  end
  local log = shell.read(spec.log) or ""
  self:stop()
  error(("%s is not ready: %s"):format(spec.words[1], log:sub(-500)), 0)
end

function server:stop()
  if not self.pipe then return end
  shell.output(("kill -%s %d"):format(self.spec.signal or "TERM", self.pid))
  self.pipe:close()
  self.pipe = nil
  self.bench.servers[self] = nil
end

-- Runs f(server) and stops the server, whatever happens.
function server.with(bench, spec, f)
  local self = server.start(bench, spec)
  local results = table.pack(pcall(f, self))
  self:stop()
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

return server
