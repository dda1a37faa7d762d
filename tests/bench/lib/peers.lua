-- The peers: which are there, and which versions.
local shell = require "shell"

local peers = {}

function peers.package_version(name)
  local version = shell.output("dpkg-query -W -f='${Version}' " .. shell.quote(name))
  return version and version ~= "" and version or nil
end

-- Why a program cannot be measured, or nil.
function peers.missing(program)
  if not shell.has(program) then return program .. " is not installed" end
end

-- Compiles a Go program of tests/bench/peers; its path, or nil, why.
function peers.go(bench, name)
  local why = peers.missing("go")
  if why then return nil, why end
  local out = bench.bin .. "/" .. name
  local rc, err = shell.output(("GO111MODULE=off go build -o %s %s"):format(
    shell.quote(out), shell.quote(("%s/peers/%s.go"):format(bench.here, name))))
  if not rc then return nil, "go build: " .. err end
  return out
end

-- Installs what tests/bench/peers/node wants; its directory, or nil, why.
function peers.node(bench)
  local why = peers.missing("node") or peers.missing("npm")
  if why then return nil, why end
  local dir = bench.root .. "/build/bench/node"
  shell.must("mkdir -p " .. shell.quote(dir))
  shell.must(("cp %s/peers/node/* %s"):format(shell.quote(bench.here), shell.quote(dir)))
  local wanted = shell.read(dir .. "/package.json")
  if shell.read(dir .. "/installed") ~= wanted then
    local rc, err = shell.output(("cd %s && timeout 300 npm install --ignore-scripts --no-audit "
      .. "--no-fund"):format(shell.quote(dir)))
    if not rc then return nil, "npm install: " .. err end
    shell.write(dir .. "/installed", wanted)
  end
  return dir
end

function peers.node_version(bench, name)
  local text = shell.read(("%s/build/bench/node/node_modules/%s/package.json"):format(
    bench.root, name))
  return text and text:match('"version"%s*:%s*"([^"]+)"')
end

return peers
