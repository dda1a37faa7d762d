-- A stand-in for `require "neap"`: enough to run the specs of the stock tasks without neap.
local lfs = require "lfs"

local neap = { null = {}, log = {}, json = {}, fs = {} }

function neap.array(list)
  return list
end

for _, level in ipairs { "debug", "info", "warn", "error" } do
  neap.log[level] = function() end
end

function neap.now()
  return os.time()
end

function neap.sleep() end

-- Flat objects of strings and numbers.
function neap.json.encode(value)
  local parts = {}
  for key, item in pairs(value) do
    item = type(item) == "string" and '"' .. item .. '"' or tostring(item)
    parts[#parts + 1] = ('"%s":%s'):format(key, item)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

function neap.json.decode(text)
  local value = {}
  for key, item in text:gmatch('"(%w+)":([^,}]+)') do
    value[key] = tonumber(item) or item:match('^"(.*)"$')
  end
  return value
end

local maps = {}
local methods = {}
methods.__index = methods

function neap.shared(name)
  maps[name] = maps[name] or setmetatable({ values = {} }, methods)
  return maps[name]
end

function methods:get(key)
  return self.values[key]
end

function methods:set(key, value)
  self.values[key] = value
  return true
end

function methods:add(key, value)
  if self.values[key] ~= nil then
    return nil, "exists"
  end
  return self:set(key, value)
end

function methods:delete(key)
  local was = self.values[key] ~= nil
  self.values[key] = nil
  return was
end

local TYPES = { file = "file", directory = "directory", link = "link" }

function neap.fs.stat(path)
  local found, message, code = lfs.symlinkattributes(path)
  if not found then
    return nil, message, code
  end
  return { type = TYPES[found.mode] or "other", size = found.size, mtime = found.modification }
end

function neap.fs.list(dir)
  local ok, message = pcall(lfs.dir, dir)
  if not ok then
    return nil, message
  end
  local entries = {}
  for name in lfs.dir(dir) do
    if name ~= "." and name ~= ".." then
      local entry = neap.fs.stat(dir .. "/" .. name)
      entry.name = name
      entries[#entries + 1] = entry
    end
  end
  return entries
end

function neap.fs.remove(path)
  return os.remove(path)
end

return neap
