-- Loads two plugins into one state and looks for what they share. Run by tests/unit/isolation.c
-- with the runtime's own load function; returns a list of complaints.
local load_plugin = ...

local TEXT = [[
local neap = require "neap"
local modules = {}
for _, name in ipairs { "cjson", "lpeg", "lfs", "luv", "helper" } do
  local ok, module = pcall(require, name)
  if ok then modules[name] = module end
end
words = { "a global" }
local kept = {
  modules = modules, neap = neap, array = neap.array {}, null = neap.null,
  thread = coroutine.create(function() end), wrapped = coroutine.wrap(function() end),
  gmatch = string.gmatch("a", "a"), loaded = load("return 1"), error = { pcall(error, {}) },
  info = debug.getinfo(1), results = { pcall(require, "no.such.module") },
  streams = { io.stdin, io.stdout, io.stderr },
  decoded = neap.json.decode('{"a":[],"b":null}'), codes = utf8.codes("x"), env = _ENV,
  pattern = modules.lpeg and modules.lpeg.P("a"),
}
return {
  args = { a = "string?", b = { "array", items = "integer", default = {} } },
  config = { c = { "object", fields = { d = "string?" }, optional = true } },
  run = function() return kept, _ENV end,
  setup = function() return kept end, on_dead = function() return kept end }
]]

local function load_one(name)
  local loaded = load_plugin {
    name = name, dir = "plugins/" .. name, single = false,
    files = {
      { path = "t.lua", data = TEXT, task = true },
      { path = "lib/helper.lua", data = "return { count = 0 }", task = false },
    },
  }
  assert(#loaded.problems == 0, loaded.problems[1])
  local kept, env = loaded.tasks[name .. ".t"].run()
  return { kept = kept, env = env, string = loaded.string }
end

local a, b = load_one("a"), load_one("b")

-- Everything reachable from `root`: value -> path. each(value, visit) visits what is a step away.
local function reach(root, each)
  local found, list = { [root] = "it" }, { root }
  local at = 1
  while list[at] ~= nil do
    local value = list[at]
    each(value, function(next_one, how)
      local kind = type(next_one)
      if (kind == "table" or kind == "function" or kind == "userdata" or kind == "thread")
        and found[next_one] == nil then
        found[next_one] = found[value] .. how
        list[#list + 1] = next_one
      end
    end)
    at = at + 1
  end
  return found
end

-- What a task gets at with the functions it has.
local function by_task(env)
  return function(value, visit)
    if type(value) == "table" then
      for k, v in next, value do
        visit(k, ".(key)")
        visit(v, "." .. tostring(k))
      end
    end
    visit(env.getmetatable(value), ".(metatable)")
  end
end

-- What functions hold, too: nothing a task reaches, unless one of them hands it out.
local function by_debug(value, visit)
  if type(value) == "table" then
    for k, v in next, value do
      visit(k, ".(key)")
      visit(v, "." .. tostring(k))
    end
  elseif type(value) == "function" then
    for i = 1, 255 do
      local name, v = debug.getupvalue(value, i)
      if not name then break end
      visit(v, "^" .. name)
    end
  elseif type(value) == "userdata" then
    for i = 1, 8 do visit(debug.getuservalue(value, i), "%" .. i) end
  end
  visit(debug.getmetatable(value), ".(metatable)")
end

-- Shared, but held by functions that do not hand it out, and only read it.
local HELD = {
  "^core", "^system", "^io", "^os", "^debug", "^package", "^sandbox", "^COPIED", "^LIBRARIES",
  "^REFUSED", "^schema", "^nodes", "^check", "^KINDS", "^KEYS", "^from_text", "^array_mark",
  "kept.array.(metatable)", "null.(metatable)", -- locked
  "kept.pattern%1",         -- of lpeg: its own
}

local function is_held(path)
  for _, holder in ipairs(HELD) do
    if path:find(holder, 1, true) then return true end
  end
end

local complaints = {}

-- Light userdata are values; all have one metatable.
local light = debug.getmetatable(a.kept.null)

local function mutable(value)
  if type(value) == "userdata" then
    local metatable = debug.getmetatable(value)
    return metatable ~= nil and metatable ~= light
  end
  return type(value) ~= "function"
end

do
  local of_a, of_b = reach(a, by_task(a.env)), reach(b, by_task(b.env))
  for value, path in next, of_a do
    if of_b[value] and mutable(value) then
      complaints[#complaints + 1] = "both reach " .. tostring(value) .. " as " .. path
    end
  end
end

do
  local of_a, of_b = reach(a, by_debug), reach(b, by_debug)
  for value, path in next, of_a do
    if of_b[value] and mutable(value) and not is_held(path) then
      complaints[#complaints + 1] = "both hold " .. tostring(value) .. " as " .. path
    end
  end
end

-- Random numbers of one are not those of another.
a.env.math.randomseed(1)
b.env.math.randomseed(2)
local first = a.env.math.random(1 << 60)
a.env.math.randomseed(1)
b.env.math.random()
if a.env.math.random(1 << 60) ~= first then
  complaints[#complaints + 1] = "both use the same random numbers"
end

return complaints
