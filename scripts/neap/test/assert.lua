-- assert as specs know it from busted: assert(v, message), and assert.equal, assert.is_nil,
-- assert.are_not.same, assert.has_error and so on. What fails raises a table {message=} that reads
-- FILE:LINE: what was wrong.
local type, next, tostring, select, error, pcall = type, next, tostring, select, error, pcall
local setmetatable, rawequal, pairs, ipairs = setmetatable, rawequal, pairs, ipairs
local math_type, pack, concat, sort = math.type, table.pack, table.concat, table.sort
local getinfo, getmetatable = debug.getinfo, debug.getmetatable

local DEEP, LONG = 6, 64 -- levels and items of a table that are shown

-- --- values --------------------------------------------------------------------------------------

local function by_key(a, b)
  if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then
    return a < b
  end
  return tostring(a) < tostring(b)
end

local function shown(value, indent, seen)
  local kind = type(value)
  if kind == "string" then
    return '"' .. value:gsub('[%c"\\]', function(c)
      return c == "\n" and "\\n" or c == '"' and '\\"' or c == "\\" and "\\\\"
        or ("\\%d"):format(c:byte())
    end) .. '"'
  elseif kind == "number" then
    return math_type(value) == "float" and ("%.17g"):format(value):gsub("^-?%d+$", "%0.0")
      or tostring(value)
  elseif kind ~= "table" or seen[value] or #indent > 2 * DEEP then
    return tostring(value)
  end
  seen[value] = true
  local keys, lines = {}, {}
  for key in next, value do
    keys[#keys + 1] = key
  end
  sort(keys, by_key)
  for i = 1, #keys < LONG and #keys or LONG do
    local key = keys[i]
    local name = type(key) == "string" and key:find("^[%a_][%w_]*$") and key
      or "[" .. shown(key, indent, seen) .. "]"
    lines[i] = indent .. "  " .. name .. " = " .. shown(value[key], indent .. "  ", seen)
  end
  if #keys > LONG then
    lines[#lines + 1] = indent .. "  ... " .. #keys - LONG .. " more"
  end
  seen[value] = nil
  return #lines == 0 and "{}" or "{\n" .. concat(lines, ",\n") .. "\n" .. indent .. "}"
end

local function text(value)
  return (shown(value, "", {}))
end

-- Equal in depth; else false and the path of what differs.
local function same(a, b, path, seen)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b or (a ~= a and b ~= b), path
  elseif rawequal(a, b) or (seen[a] and seen[a][b]) then
    return true
  end
  local meta = getmetatable(a)
  if meta and meta == getmetatable(b) and meta.__eq then
    return a == b, path
  end
  seen[a] = seen[a] or {}
  seen[a][b] = true
  for key, value in next, a do
    local ok, where = same(value, b[key], path .. "[" .. text(key) .. "]", seen)
    if not ok then
      return false, where
    end
  end
  for key in next, b do
    if a[key] == nil then
      return false, path .. "[" .. text(key) .. "]"
    end
  end
  return true
end

-- --- assertions: function(args) -> did it hold?, what to say, what to return instead of args -----

local checks = {}

function checks.equal(args)
  return args[1] == args[2], ("expected %s\n     got %s"):format(text(args[1]), text(args[2]))
end

function checks.same(args)
  local ok, where = same(args[1], args[2], "", {})
  local at = where and where ~= "" and "\nthey differ at " .. where or ""
  return ok, ("expected %s\n     got %s%s"):format(text(args[1]), text(args[2]), at)
end

function checks.truthy(args)
  return args[1] and true or false, "expected something true, got " .. text(args[1])
end

function checks.falsy(args)
  return not args[1], "expected nil or false, got " .. text(args[1])
end

checks["true"] = function(args)
  return args[1] == true, "expected true, got " .. text(args[1])
end

checks["false"] = function(args)
  return args[1] == false, "expected false, got " .. text(args[1])
end

for _, kind in ipairs { "nil", "string", "number", "boolean", "table", "function", "userdata",
                        "thread" } do
  checks[kind] = function(args)
    return type(args[1]) == kind, "expected " .. (kind == "nil" and "nil" or "a " .. kind)
      .. ", got " .. text(args[1])
  end
end

function checks.near(args)
  local expected, got, tolerance = args[1], args[2], args[3]
  return type(got) == "number" and got >= expected - tolerance and got <= expected + tolerance,
         ("expected %s, more or less %s, got %s"):format(text(expected), text(tolerance), text(got))
end

-- What was found: the first capture, if the pattern has any.
local function match(value, pattern, init, plain)
  local from, to, capture = value:find(pattern, init or 1, plain)
  return from and (capture or value:sub(from, to))
end

function checks.matches(args)
  local pattern, value = args[1], args[2]
  local found = (type(value) == "string" or type(value) == "number")
    and match(tostring(value), pattern, args[3], args[4])
  return found and true or false,
         ("expected a match of %s, got %s"):format(text(pattern), text(value)), found or nil
end

-- The error of a function without the position in front, as luassert has it.
local function error_of(f)
  if type(f) ~= "function" and not (getmetatable(f) or {}).__call then
    error("assert.has_error: a function, got " .. type(f), 0)
  end
  local ok, err = pcall(f)
  if type(err) == "string" then
    err = err:gsub("^[^\n]-:%d+: ", "", 1)
  end
  return ok, err
end

function checks.error(args)
  local ok, err = error_of(args[1])
  if ok then
    return false, "expected an error, there was none"
  elseif args.n < 2 or args[2] == nil then
    return true, "expected no error, got " .. text(err), err
  end
  return (same(args[2], err, "", {})), ("expected the error %s\n               got %s"):format(
    text(args[2]), text(err)), err
end

function checks.error_matches(args)
  local ok, err = error_of(args[1])
  if ok then
    return false, "expected an error, there was none"
  end
  local found = match(tostring(err), args[2], args[3], args[4])
  return found ~= nil,
         ("expected an error that matches %s, got %s"):format(text(args[2]), text(err)), found
end

for other, name in pairs {
  equals = "equal", eq = "equal", ["nil_"] = "nil", match = "matches", errors = "error",
  error_match = "error_matches", True = "true", False = "false", Nil = "nil", Truthy = "truthy",
  Falsy = "falsy", Equal = "equal", Same = "same", func = "function",
} do
  checks[other] = checks[name]
end

-- --- names ---------------------------------------------------------------------------------------

local NEGATED = "the opposite was asserted: "
local FILLERS = { is = true, are = true, was = true, were = true, has = true, have = true,
                  does = true, be = true, to = true, a = true, an = true, that = true }
local NEGATIONS = { ["not"] = true, no = true, isnt = true }

local own_source = getinfo(1, "S").source

local function position()
  for level = 3, 50 do
    local info = getinfo(level, "Sl")
    if not info then
      return ""
    elseif info.source ~= own_source and info.currentline > 0 then
      return info.short_src .. ":" .. info.currentline .. ": "
    end
  end
  return ""
end

local failure = { __tostring = function(self) return self.message end }

local function fail(message, own)
  if own ~= nil then
    message = tostring(own) .. "\n" .. message
  end
  error(setmetatable({ message = position() .. message }, failure), 0)
end

-- "is_not_nil" -> the check, and whether it is turned round; nil: there is no such name.
local function parse(name)
  local negated, rest = false, name
  while not checks[rest] do
    local word, more = rest:match("^(%a+)_(.+)$")
    if not word or not (FILLERS[word] or NEGATIONS[word]) then
      return FILLERS[rest] and true or NEGATIONS[rest] and true, NEGATIONS[rest] ~= nil
    end
    negated, rest = negated ~= (NEGATIONS[word] or false), more
  end
  return checks[rest], negated
end

-- How many arguments a check takes before a message of the spec's own.
local TAKES = { [checks.equal] = 2, [checks.same] = 2, [checks.near] = 3 }

local function new_chain(negated)
  return setmetatable({}, {
    __index = function(_, name)
      local check, turned = parse(tostring(name))
      if not check then
        error("assert has no '" .. tostring(name) .. "'", 2)
      end
      turned = turned ~= negated
      if check == true then
        return new_chain(turned)
      end
      return function(...)
        local args = pack(...)
        local ok, message, instead = check(args)
        if (ok or false) == turned then
          local takes = TAKES[check] or (check ~= checks.matches and check ~= checks.error
                                         and check ~= checks.error_matches and 1)
          fail(turned and NEGATED .. message or message, takes and args[takes + 1] or nil)
        elseif instead ~= nil then
          return instead
        end
        return ...
      end
    end,
    __call = function(_, ...)
      if select("#", ...) == 0 then
        error("bad argument #1 to 'assert' (value expected)", 2)
      elseif not (...) then
        local message = select(2, ...)
        if type(message) == "string" or message == nil then
          fail(message or "assertion failed!")
        end
        error(message, 0)
      end
      return ...
    end,
  })
end

return new_chain(false)
