-- Everything a task gets at: walks from its globals and from what the runtime hands it, metatables
-- included, and returns the list of names. Run by tests/unit/reach.c with the runtime's own load
-- function; the list is compared with tests/support/reach_standard.txt or reach_strict.txt.
local load_plugin = ...

local TEXT = [[
local neap = require "neap"
local has_luv, luv = pcall(require, "luv")
if has_luv then luv.constants = nil end -- numbers
return {
  run = function()
    return {
      _G = _ENV, text = "", neap = neap, ["nil"] = nil, number = 1, array = neap.array {},
      null = neap.null, thread = coroutine.create(print), stdout = io.stdout,
      luv = has_luv and luv or nil, signal = neap.signal(),
      decoded = neap.json.decode('{"a":[],"b":null}'),
    }
  end,
}
]]

local function load_task()
  local loaded = load_plugin {
    name = "a", dir = "plugins/a", single = false,
    files = { { path = "t.lua", data = TEXT, task = true } },
  }
  assert(#loaded.problems == 0, loaded.problems[1])
  return loaded.tasks["a.t"].run()
end

local lines, seen = {}, {}
local visit

local function put(path, what) lines[#lines + 1] = path .. " " .. what end

local function sorted(t)
  local keys = {}
  for key in next, t do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local function visit_fields(path, t)
  for _, key in ipairs(sorted(t)) do
    visit(path .. "." .. (type(key) == "string" and key or "(" .. type(key) .. ")"), t[key])
  end
end

-- The metatable of a value is out of reach, but what it does is not: an __index function of ours
-- keeps the methods in its upvalues.
local function visit_metatable(path, meta)
  if not meta or seen[meta] then return end
  seen[meta] = path
  for _, key in ipairs(sorted(meta)) do
    local field, name = meta[key], path .. ":" .. tostring(key)
    if key == "__index" and type(field) == "function" then
      put(name, "function")
      for i = 1, 8 do
        local upvalue, held = debug.getupvalue(field, i)
        if not upvalue then break end
        if type(held) == "table" then visit_fields(path, held) end
      end
    else
      visit(name, field)
    end
  end
end

-- One that only says why it is not there (scripts/sandbox.lua).
local function is_refusal(f)
  for i = 1, 255 do
    local upvalue = debug.getupvalue(f, i)
    if not upvalue then return false end
    if upvalue == "refusal" then return true end
  end
end

function visit(path, value)
  local kind = type(value)
  if kind == "function" and is_refusal(value) then kind = "refused" end
  if kind ~= "table" and kind ~= "userdata" and kind ~= "thread" then
    put(path, kind)
    if kind == "string" then visit_metatable("text", debug.getmetatable(value)) end
    return
  end
  if seen[value] then return put(path, "= " .. seen[value]) end
  seen[value] = path
  put(path, kind)
  if kind == "table" then visit_fields(path, value) end
  visit_metatable(path, debug.getmetatable(value))
end

visit_fields("its", load_task())

-- The metatables of what C makes: ctx, handles of jobs, files...
for _, name in ipairs(sorted(debug.getregistry())) do
  local class = debug.getregistry()[name]
  if type(name) == "string" and type(class) == "table" and rawget(class, "__name") == name then
    visit_metatable(name, class)
  end
end

return table.concat(lines, "\n") .. "\n"
