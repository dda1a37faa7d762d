-- declare(paths): what the stock tasks among the Lua files declare, as staging reads it, in order:
-- {plugin=, name=, path=, summary=, ...}. It is main.stage that reads it, in plain Lua.
local function script(name, ...)
  return assert(loadfile("scripts/" .. name))(...)
end

local core = script("neap/test/plain.lua")
function core.at() end

local sandbox = {}

function sandbox.new()
  local function require_neap(name)
    assert(name == "neap", "a stock task requires " .. name)
    return core.neap
  end
  return setmetatable({ require = require_neap, string = string }, { __index = _G })
end

function sandbox.seal() end

function sandbox.compile(text, path, env)
  return load(text, "@" .. path, "t", env)
end

local schema = script("schema.lua", core)
local main = script("prelude.lua", core, schema, script("task.lua", core, schema), sandbox)

local function files_by_plugin(paths)
  local plugins = {}
  for _, path in ipairs(paths) do
    local name, inside = path:match("^plugins/([^/]+)/(.+)$")
    if name then
      local plugin = plugins[#plugins]
      if not plugin or plugin.name ~= name then
        plugin = { name = name, dir = "neap:plugins/" .. name, files = {} }
        plugins[#plugins + 1] = plugin
      end
      local file = assert(io.open(path, "rb"))
      local task = not inside:find("/") and not inside:find("^_")
      plugin.files[#plugin.files + 1] = { path = inside, data = file:read("a"), task = task }
      file:close()
    end
  end
  return plugins
end

return function(paths)
  local declared = {}
  for _, plugin in ipairs(files_by_plugin(paths)) do
    local staged = main.stage(plugin, {})
    assert(not staged.problems[1], table.concat(staged.problems, "\n"))
    for _, one in ipairs(staged.tasks) do
      one.plugin, one.path = plugin.name, plugin.files[one.file + 1].path
      one.config = one.config and core.neap.json.encode(one.config)
      declared[#declared + 1] = one
    end
  end
  return declared
end
