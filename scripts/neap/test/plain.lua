-- What neap's C half gives the scripts, in plain Lua: so that specs run under busted as well.
-- `neap test` does without this file.
local core = {}

core.null = setmetatable({}, { __tostring = function() return "neap.null" end })
core.array_mark = { __name = "neap.array", __metatable = "neap.array" }

-- --- text ----------------------------------------------------------------------------------------

-- Edit distance where a swap of neighbours counts one.
local function distance(a, b)
  local rows = {}
  for i = 0, #a do
    rows[i] = { [0] = i }
  end
  for j = 0, #b do
    rows[0][j] = j
  end
  for i = 1, #a do
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local best = math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1,
                            rows[i - 1][j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, rows[i - 2][j - 2] + 1)
      end
      rows[i][j] = best
    end
  end
  return rows[#a][#b]
end

function core.nearest(word, candidates)
  local best, limit = nil, math.max(1, #word // 3)
  for _, candidate in ipairs(candidates) do
    local d = distance(word, candidate)
    if d <= limit and d < #word then
      best, limit = candidate, d - 1
    end
  end
  return best
end

local UNITS = { d = 86400000, h = 3600000, m = 60000, s = 1000, ms = 1 }

function core.duration(value)
  local seconds = tonumber(value)
  if seconds then
    return seconds >= 0 and seconds < 1e15 and math.ceil(seconds * 1000 - 1e-6) or nil
  end
  local total, rest = 0, value
  repeat
    local number, unit, more = rest:match("^(%d+%.?%d*)(%a+)(.*)$")
    if not number or not UNITS[unit] then
      return nil
    end
    total, rest = total + tonumber(number) * UNITS[unit], more
  until rest == ""
  return math.ceil(total)
end

function core.size(value)
  if type(value) == "number" then
    local bytes = math.tointeger(value)
    return bytes and bytes >= 0 and bytes or nil
  end
  local number, unit = value:match("^(%d+)([KMG]?)$")
  local shift = { [""] = 0, K = 10, M = 20, G = 30 }
  return number and tonumber(number) << shift[unit] or nil
end

function core.text(value)
  local kind, meta = type(value), getmetatable(value)
  if kind == "string" or kind == "number" or type(meta) == "table" and meta.__tostring then
    return tostring(value)
  end
  return "(error object is a " .. kind .. " value)"
end

-- --- JSON ----------------------------------------------------------------------------------------

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
                  ["\b"] = "\\b", ["\f"] = "\\f" }

local function quoted(text)
  if not utf8.len(text) then
    text = text:gsub("[\128-\255]", "\u{FFFD}")
  end
  return '"' .. text:gsub('[%c"\\]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function is_list(value)
  if getmetatable(value) == "neap.array" then
    return true
  end
  return next(value) ~= nil and #value > 0
end

local function encode(value, seen)
  local kind = type(value)
  if value == nil or value == core.null then
    return "null"
  elseif kind == "string" then
    return quoted(value)
  elseif kind == "number" then
    if value ~= value or value == math.huge or value == -math.huge then
      return "null"
    end
    return math.type(value) == "integer" and tostring(value) or ("%.17g"):format(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif kind ~= "table" then
    error("value: cannot encode a " .. kind, 0)
  elseif seen[value] then
    error("value: a cycle", 0)
  end
  seen[value] = true
  local parts, list = {}, is_list(value)
  if list then
    for i = 1, #value do
      parts[i] = encode(value[i], seen)
    end
  else
    for key, item in next, value do
      parts[#parts + 1] = quoted(tostring(key)) .. ":" .. encode(item, seen)
    end
    table.sort(parts)
  end
  seen[value] = nil
  return list and "[" .. table.concat(parts, ",") .. "]" or "{" .. table.concat(parts, ",") .. "}"
end

local UNESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- A cursor over JSON text; fails by error(message, 0).
local reader = {}
reader.__index = reader

function reader:fail(what)
  error(("JSON, byte %d: %s"):format(self.at, what), 0)
end

function reader:take(pattern)
  local from, to = self.text:find("^" .. pattern, self.at)
  if from then
    self.at = to + 1
    return self.text:sub(from, to)
  end
end

function reader:space()
  self:take("[ \t\r\n]*")
end

local function unescape(text)
  text = text:gsub("\\u([dD][89abAB]%x%x)\\u([dD][c-fC-F]%x%x)", function(high, low)
    return utf8.char(0x10000 + ((tonumber(high, 16) & 0x3FF) << 10) + (tonumber(low, 16) & 0x3FF))
  end)
  text = text:gsub("\\u(%x%x%x%x)", function(hex) return utf8.char(tonumber(hex, 16)) end)
  return (text:gsub("\\(.)", function(c) return UNESCAPES[c] or c end))
end

function reader:string()
  local from = self.at + 1
  local at = from
  while true do
    at = self.text:find('["\\]', at) or self:fail("a string without end")
    if self.text:sub(at, at) == '"' then
      break
    end
    at = at + 2
  end
  self.at = at + 1
  return unescape(self.text:sub(from, at - 1))
end

local function list_of(self, close, item)
  self.at = self.at + 1
  self:space()
  if self:take(close) then
    return
  end
  repeat
    self:space()
    item()
    self:space()
  until not self:take(",")
  if not self:take(close) then
    self:fail("expected , or " .. close:sub(-1))
  end
end

function reader:value(depth)
  if depth > 64 then
    self:fail("nested too deeply")
  end
  local c, out = self.text:sub(self.at, self.at), {}
  if c == "{" then
    list_of(self, "}", function()
      if self.text:sub(self.at, self.at) ~= '"' then
        self:fail("expected a name in quotes")
      end
      local key = self:string()
      self:space()
      if not self:take(":") then
        self:fail("expected :")
      end
      self:space()
      out[key] = self:value(depth + 1)
    end)
    return out
  elseif c == "[" then
    local n = 0
    list_of(self, "%]", function()
      n = n + 1
      out[n] = self:value(depth + 1)
    end)
    return setmetatable(out, core.array_mark)
  elseif c == '"' then
    return self:string()
  elseif self:take("true") then
    return true
  elseif self:take("false") then
    return false
  elseif self:take("null") then
    return core.null
  end
  local number = self:take("-?%d+%.?%d*[eE]?[+-]?%d*")
  return number and tonumber(number) or self:fail("expected a value")
end

local json = {}

function json.encode(value)
  local ok, text = pcall(encode, value, {})
  if not ok then
    error(text, 2)
  end
  return text
end

function json.decode(text)
  if type(text) ~= "string" then
    error("bad argument #1 to 'decode' (string expected, got " .. type(text) .. ")", 2)
  end
  local cursor = setmetatable({ text = text, at = 1 }, reader)
  local ok, value = pcall(function()
    cursor:space()
    local value = cursor:value(1)
    cursor:space()
    return cursor.at > #text and value or cursor:fail("something after the value")
  end)
  if not ok then
    return nil, value
  elseif value == core.null then
    return nil
  end
  return value
end

-- --- files: luafilesystem comes with busted ------------------------------------------------------

local fs = {}
local TYPES = { file = "file", directory = "directory", link = "link" }

local function lfs()
  return require "lfs"
end

-- "rwxr-x---" as "750"
local function octal(permissions)
  local bits = 0
  for c in permissions:gmatch(".") do
    bits = bits << 1 | (c == "-" and 0 or 1)
  end
  return ("%o"):format(bits)
end

function fs.stat(path)
  local found, message, code = lfs().symlinkattributes(path)
  if not found then
    return nil, path .. ": " .. (message:match("'.*': (.*)$") or message), code
  end
  return { type = TYPES[found.mode] or "other", size = found.size, mtime = found.modification,
           mode = octal(found.permissions) }
end

function fs.list(dir)
  local ok, message = pcall(lfs().dir, dir)
  if not ok then
    return nil, dir .. ": " .. (message:match("^.*: (.-)$") or message)
  end
  local entries = {}
  for name in lfs().dir(dir) do
    if name ~= "." and name ~= ".." then
      local entry = fs.stat(dir .. "/" .. name)
      entry.name = name
      entries[#entries + 1] = entry
    end
  end
  return entries
end

function fs.read(path, options)
  local file, message, code = io.open(path, "rb")
  if not file then
    return nil, message, code
  end
  local text
  text, message, code = file:read("a")
  file:close()
  local max = options and options.max and core.size(options.max)
  if text and max and #text > max then
    return nil, path .. ": larger than " .. max .. " bytes", "EFBIG"
  end
  return text, message, code
end

function fs.write(path, data, options)
  local file, message, code = io.open(path, options and options.append and "ab" or "wb")
  if not file then
    return nil, message, code
  end
  local ok
  ok, message, code = file:write(data)
  file:close()
  return ok and true or nil, message, code
end

function fs.write_atomic(path, data)
  local ok, message, code = fs.write(path .. ".new", data)
  if ok then
    ok, message, code = os.rename(path .. ".new", path)
  end
  return ok, message, code
end

function fs.mkdir(path, options)
  if options and options.parents then
    if lfs().attributes(path, "mode") == "directory" then
      return true
    end
    local parent = path:match("^(.+)/[^/]+/*$")
    if parent then
      local ok, message, code = fs.mkdir(parent, options)
      if not ok then
        return nil, message, code
      end
    end
  end
  local ok, message, code = lfs().mkdir(path)
  return ok, message and path .. ": " .. message, code
end

function fs.remove(path, options)
  if options and options.recursive then
    local found = fs.stat(path)
    for _, entry in ipairs(found and found.type == "directory" and fs.list(path) or {}) do
      local ok, message, code = fs.remove(path .. "/" .. entry.name, options)
      if not ok then
        return nil, message, code
      end
    end
  end
  return os.remove(path)
end

fs.rename = os.rename

-- Codes are names, as in neap.
local NAMES = {
  [1] = "EPERM", [2] = "ENOENT", [13] = "EACCES", [17] = "EEXIST", [20] = "ENOTDIR",
  [21] = "EISDIR", [28] = "ENOSPC", [39] = "ENOTEMPTY",
}
for name, f in pairs(fs) do
  fs[name] = function(...)
    local value, message, code = f(...)
    return value, message, NAMES[code] or code
  end
end

-- --- the part of `require "neap"` that is not faked ----------------------------------------------

core.neap = { json = json, fs = fs, null = core.null }

function core.neap.array(list)
  return setmetatable(list or {}, core.array_mark)
end
core.array = core.neap.array

return core
