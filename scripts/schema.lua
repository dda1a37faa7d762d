-- Schemas of arguments and settings: compiled once a task, then checked for every job.
--
-- A descriptor compiles to a node. `node.check(node, value)` returns `value, nil, changed` or
-- `nil, problems`. A problem is "SUFFIX: text" where SUFFIX is the path below the node (".user",
-- "[3]" or nothing), so a good value costs no path. Values are never changed in place: the first
-- change copies the table it is in. No message quotes a value: it may be a secret.
--
-- core: nearest(word, candidates), duration(value) -> ms, size(value) -> bytes, null, array_mark.
local core = ...

local type, next, tostring, tonumber, pcall = type, next, tostring, tonumber, pcall
local rawget, rawset, getmetatable, setmetatable = rawget, rawset, getmetatable, setmetatable
local find, match, gmatch, gsub = string.find, string.match, string.gmatch, string.gsub
local sub, format, lower = string.sub, string.format, string.lower
local concat, sort = table.concat, table.sort
local math_type, tointeger, huge = math.type, math.tointeger, math.huge

local null, array_mark = core.null, core.array_mark
local array_id = array_mark.__metatable or array_mark -- what getmetatable shows of it

local MAX_PROBLEMS = 10 -- of one value; the rest is counted
local MAX_DEPTH = 32    -- of descriptors
local MAX_NESTING = 64  -- of values, as in the codec

local schema = {}
local nodes = setmetatable({}, { __mode = "k" }) -- by check function

local NOUN = {
  string = "a string", integer = "an integer", number = "a number", boolean = "true or false",
  table = "an object or array", array = "an array", object = "an object", any = "a value",
  duration = "a duration (seconds, or such as '250ms' or '1h30m')",
  size = "a size (bytes, or such as '64K' or '16M')",
}

local function is_array(value)
  return getmetatable(value) == array_id
end

local function kind_of(value)
  local kind = type(value)
  if value == nil then
    return "nothing"
  elseif value == null then
    return "null"
  elseif kind == "table" then
    return (is_array(value) or rawget(value, 1) ~= nil) and "an array" or "an object"
  elseif kind == "number" then
    return math_type(value) == "integer" and "an integer" or "a number"
  end
  return kind == "boolean" and "a boolean" or "a " .. kind
end

-- A key from outside, fit for a message.
local function shown(key)
  local text = tostring(key)
  if #text > 40 then
    text = sub(text, 1, 40) .. "..."
  end
  return (gsub(text, "[^\32-\126]", "?"))
end

local function step(key)
  return type(key) == "number" and "[" .. key .. "]" or "." .. shown(key)
end

local function suggest(word, candidates)
  local near = type(word) == "string" and core.nearest(word, candidates)
  return near and format(" (did you mean '%s'?)", near) or ""
end

local function sorted_keys(fields)
  local keys = {}
  for key in next, fields do
    keys[#keys + 1] = key
  end
  sort(keys, function(a, b)
    local x, y = type(a), type(b)
    if x ~= y then
      return x < y
    elseif x == "string" or x == "number" then
      return a < b
    end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local function wrong(node, value)
  return nil, { ": must be " .. NOUN[node.kind] .. ", not " .. kind_of(value) }
end

-- What a value of the right type breaks, or nil.
local function broken_rule(node, value)
  if node.min and (value < node.min or value ~= value) then
    return ": must be at least " .. node.spec.min
  elseif node.max and (value > node.max or value ~= value) then
    return ": must be at most " .. node.spec.max
  elseif node.min_length and #value < node.min_length then
    return format(": must have at least %d %s, has %d", node.min_length, node.unit, #value)
  elseif node.max_length and #value > node.max_length then
    return format(": must have at most %d %s, has %d", node.max_length, node.unit, #value)
  elseif node.pattern and not find(value, node.pattern) then
    return format(": does not match the pattern '%s'", node.pattern)
  elseif node.enum and not node.enum[value] then
    return ": must be one of " .. concat(node.choices, ", ") .. suggest(value, node.choices)
  end
end

local function ruled(node, value, changed)
  if node.ruled then
    local problem = broken_rule(node, value)
    if problem then
      return nil, { problem }
    end
  end
  return value, nil, changed
end

local check = {}

function check.string(node, value)
  if type(value) ~= "string" then
    return wrong(node, value)
  end
  return ruled(node, value)
end

function check.integer(node, value)
  if math_type(value) == "integer" then
    return ruled(node, value)
  end
  local whole = type(value) == "number" and tointeger(value) -- 1.0: JSON does not tell them apart
  if not whole then
    return wrong(node, value)
  end
  return ruled(node, whole, true)
end

function check.number(node, value)
  if type(value) ~= "number" then
    return wrong(node, value)
  end
  return ruled(node, value)
end

function check.boolean(node, value)
  if type(value) ~= "boolean" then
    return wrong(node, value)
  end
  return value
end

function check.table(node, value)
  if type(value) ~= "table" then
    return wrong(node, value)
  end
  return value
end

function check.any(_, value)
  return value
end

function check.duration(node, value)
  local kind = type(value)
  local ms = (kind == "number" or kind == "string") and core.duration(value)
  if not ms then
    return wrong(node, value)
  end
  local seconds = ms % 1000 == 0 and ms // 1000 or ms / 1000
  return ruled(node, seconds, math_type(seconds) ~= math_type(value) or seconds ~= value)
end

function check.size(node, value)
  local kind = type(value)
  local bytes = (kind == "number" or kind == "string") and core.size(value)
  if not bytes then
    return wrong(node, value)
  end
  return ruled(node, bytes, math_type(value) ~= "integer")
end

local function add_all(problems, prefix, more)
  problems = problems or {}
  for i = 1, #more do
    problems[#problems + 1] = prefix .. more[i]
  end
  return problems
end

local function shallow_copy(value)
  local copy = {}
  for key, item in next, value do
    copy[key] = item
  end
  return is_array(value) and setmetatable(copy, array_mark) or copy
end

local function deep_copy(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, item in next, value do
    copy[key] = deep_copy(item)
  end
  return is_array(value) and setmetatable(copy, array_mark) or copy
end

local function is_sequence(value)
  local length, count = #value, 0
  for key in next, value do
    if math_type(key) ~= "integer" or key < 1 or key > length then
      return false
    end
    count = count + 1
  end
  return count == length
end

function check.array(node, value)
  if type(value) ~= "table" then
    return wrong(node, value)
  elseif not is_array(value) and not is_sequence(value) then
    return nil, { ": must be an array, not an object" }
  end
  local items, out, problems = node.items, value, nil
  for i = 1, items and #value or 0 do
    local item, bad, changed = items.check(items, rawget(value, i))
    if bad then
      problems = add_all(problems, "[" .. i .. "]", bad)
      if #problems > MAX_PROBLEMS then
        break
      end
    elseif changed then
      out = out == value and shallow_copy(value) or out
      rawset(out, i, item)
    end
  end
  if problems then
    return nil, problems
  end
  return ruled(node, out, out ~= value)
end

-- A field that is absent: its default, nothing, or a problem.
local function absent(field)
  if field.default ~= nil then
    return deep_copy(field.default), nil, true
  elseif not field.optional then
    return nil, { ": missing (" .. NOUN[field.kind] .. ")" }
  end
end

local function unknown_fields(node, value, problems)
  local by_name = node.by_name
  for key in next, value do
    if not by_name[key] then
      problems = problems or {}
      for _, name in next, sorted_keys(value) do
        if not by_name[name] then
          local near = node.count == 0 and " (there are none)" or suggest(name, node.names)
          problems[#problems + 1] = step(name) .. ": unknown field" .. near
          if #problems > MAX_PROBLEMS then
            break
          end
        end
      end
      break
    end
  end
  return problems
end

function check.object(node, value)
  if type(value) ~= "table" or is_array(value) then
    return wrong(node, value)
  end
  local names, fields, out, problems = node.names, node.fields, value, nil
  for i = 1, node.count do
    local field, given = fields[i], rawget(value, names[i])
    local item, bad, changed
    if given == nil then
      item, bad, changed = absent(field)
    elseif given == null and field.may_be_absent then
      item, bad = absent(field)
      changed = true
    else
      item, bad, changed = field.check(field, given)
    end
    if bad then
      problems = add_all(problems, step(names[i]), bad)
    elseif changed then
      out = out == value and shallow_copy(value) or out
      rawset(out, names[i], item)
    end
  end
  problems = unknown_fields(node, value, problems)
  if problems then
    return nil, problems
  end
  return out, nil, out ~= value
end

local function join(where, problems)
  local lines = {}
  for i = 1, #problems <= MAX_PROBLEMS and #problems or MAX_PROBLEMS do
    lines[i] = where .. problems[i]
  end
  if #problems > MAX_PROBLEMS then
    lines[#lines + 1] = "and more"
  end
  return concat(lines, "; ")
end

local KINDS = {
  "string", "integer", "number", "boolean", "table", "any", "array", "object", "duration", "size",
}
-- Key of a descriptor -> the kinds it fits; true: all.
local KEYS = {
  optional = true, default = true, help = true,
  enum = { string = true, integer = true, number = true },
  min = { integer = true, number = true, duration = true, size = true },
  max = { integer = true, number = true, duration = true, size = true },
  min_length = { string = true, array = true },
  max_length = { string = true, array = true },
  pattern = { string = true },
  items = { array = true },
  fields = { object = true },
}
local KEY_NAMES = sorted_keys(KEYS)

local compile_node, compile_fields

-- What is wrong with a Lua pattern, or nil. string.find notices only what the text at hand reaches.
local function pattern_fault(pattern)
  local i, open, closed, length = 1, {}, 0, #pattern
  while i <= length do
    local c = sub(pattern, i, i)
    if c == "%" then
      local after = sub(pattern, i + 1, i + 1)
      if after == "" then
        return "ends in '%'"
      elseif after == "b" then
        if i + 3 > length then
          return "misses the two characters of '%b'"
        end
        i = i + 2
      elseif after == "f" and sub(pattern, i + 2, i + 2) ~= "[" then
        return "misses the '[' after '%f'"
      elseif find(after, "%d") and (tonumber(after) < 1 or tonumber(after) > closed
                                    or open[tonumber(after)]) then
        return "refers to a capture that is not complete"
      end
      i = i + 2
    elseif c == "[" then
      local stop = find(pattern, "^%^", i + 1) and i + 2 or i + 1
      repeat -- the first character of a set may be ']'
        if stop > length then
          return "misses a ']'"
        end
        stop = stop + (sub(pattern, stop, stop) == "%" and stop < length and 2 or 1)
      until sub(pattern, stop, stop) == "]"
      i = stop + 1
    else
      if c == "(" then
        closed = closed + 1
        open[closed] = true
      elseif c == ")" then
        local last = closed
        while last > 0 and not open[last] do
          last = last - 1
        end
        if last == 0 then
          return "has a ')' too many"
        end
        open[last] = nil
      end
      i = i + 1
    end
  end
  if next(open) then
    return "misses a ')'"
  elseif closed > 32 then
    return "has more than 32 captures"
  end
end

-- Why a default cannot be a value, or nil.
local function not_data(value, depth)
  local kind = type(value)
  if kind == "table" then
    if depth >= MAX_NESTING then
      return "is nested too deep or refers to itself"
    end
    for key, item in next, value do
      local why = not_data(item, depth + 1)
      if why then
        return why
      elseif type(key) ~= "string" and type(key) ~= "number" then
        return "has a key that is " .. kind_of(key)
      end
    end
  elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" and value ~= null then
    return "holds a " .. kind
  end
end

local function split_kind(text)
  local kind, mark = match(text, "^(.-)(%??)$")
  return kind, mark == "?"
end

-- Checks one key's value while compiling: what the node keeps, or nil and a complaint.
local compile_key = {}

function compile_key.optional(_, value)
  if type(value) ~= "boolean" then
    return nil, "must be true or false, not " .. kind_of(value)
  end
  return value
end

function compile_key.help(_, value)
  if type(value) ~= "string" then
    return nil, "must be a string, not " .. kind_of(value)
  end
  return value
end

function compile_key.min_length(_, value)
  if math_type(value) ~= "integer" or value < 0 then
    return nil, "must be an integer of 0 or more"
  end
  return value
end
compile_key.max_length = compile_key.min_length

function compile_key.min(node, value)
  local bare = { kind = node.kind }
  local bound = check[node.kind](bare, value)
  if bound == nil or bound ~= bound then
    return nil, "must be " .. NOUN[node.kind] .. ", not " .. kind_of(value)
  end
  return bound
end
compile_key.max = compile_key.min

function compile_key.pattern(_, value)
  if type(value) ~= "string" then
    return nil, "must be a Lua pattern, not " .. kind_of(value)
  end
  local fault = pattern_fault(value)
  if not fault then
    local ok = pcall(find, "", value)
    fault = not ok and "is malformed" or nil
  end
  if fault then
    return nil, "the pattern " .. fault
  end
  return value
end

function compile_key.enum(node, value)
  if type(value) ~= "table" or #value == 0 or not is_sequence(value) then
    return nil, "must be a list of values"
  end
  local set, bare = {}, { kind = node.kind }
  node.choices = {}
  for i = 1, #value do
    local choice, bad = check[node.kind](bare, value[i])
    if bad or choice ~= choice then
      return nil, format("item %d must be %s, not %s", i, NOUN[node.kind], kind_of(value[i]))
    end
    set[choice] = true
    node.choices[i] = tostring(choice)
  end
  return set
end

local function compile_items(node, path, errors, depth)
  local items = compile_node(node.spec.items, path .. ".items", errors, depth + 1)
  if items and items.may_be_absent then
    errors[#errors + 1] = path .. ".items: an item cannot be optional or have a default"
  end
  node.items = items
end

local function compile_default(node, path, errors)
  local value = node.spec.default
  local why = not_data(value, 0)
  if why then
    errors[#errors + 1] = path .. ".default: " .. why
    return
  end
  local good, bad = node.check(node, value)
  for i = 1, bad and #bad or 0 do
    errors[#errors + 1] = path .. ".default" .. bad[i]
  end
  node.default = deep_copy(good)
end

local function check_bounds(node, path, errors)
  if node.min and node.max and node.min > node.max then
    errors[#errors + 1] = path .. ": 'min' is above 'max'"
  end
  if node.min_length and node.max_length and node.min_length > node.max_length then
    errors[#errors + 1] = path .. ": 'min_length' is above 'max_length'"
  end
end

local function compile_keys(node, path, errors)
  for _, key in next, sorted_keys(node.spec) do
    local value, fits = node.spec[key], KEYS[key]
    if key == 1 then -- the type, seen already
      fits = nil
    elseif not fits then
      local name = type(key) == "number" and "[" .. key .. "]" or "'" .. shown(key) .. "'"
      errors[#errors + 1] = path .. ": unknown key " .. name .. suggest(key, KEY_NAMES)
    elseif fits ~= true and not fits[node.kind] then
      errors[#errors + 1] = format("%s: '%s' does not fit the type '%s'", path, key, node.kind)
      fits = nil
    end
    local compile = fits and compile_key[key]
    if compile then
      local kept, complaint = compile(node, value)
      node[key] = kept
      if complaint then
        errors[#errors + 1] = path .. "." .. key .. ": " .. complaint
      end
    end
  end
  check_bounds(node, path, errors)
end

local function hint_no_type(spec)
  if type(spec) == "table" and type(rawget(spec, "type")) == "string" then
    return format(": the type comes first, without a name: { \"%s\", ... }", shown(spec.type))
  elseif type(spec) == "table" then
    return ": a descriptor starts with its type, such as { \"string\" };"
      .. " nested fields are { \"object\", fields = { ... } }"
  end
  return ": must be a type or a descriptor, not " .. kind_of(spec)
end

function compile_node(spec, path, errors, depth)
  if type(spec) == "string" then
    spec = { spec }
  end
  if type(spec) ~= "table" or type(rawget(spec, 1)) ~= "string" then
    errors[#errors + 1] = path .. hint_no_type(spec)
    return nil
  elseif depth > MAX_DEPTH then
    errors[#errors + 1] = path .. ": nested too deep"
    return nil
  end
  local kind, optional = split_kind(spec[1])
  if not check[kind] then
    errors[#errors + 1] = format("%s: unknown type '%s'", path, shown(kind)) .. suggest(kind, KINDS)
    return nil
  end
  local before = #errors
  local node = { kind = kind, spec = spec, check = check[kind] }
  node.unit = kind == "array" and "items" or "bytes"
  compile_keys(node, path, errors)
  node.optional = optional or node.optional or false
  node.ruled = (node.min or node.max or node.min_length or node.max_length or node.pattern
                or node.enum) ~= nil
  if kind == "array" and spec.items ~= nil then
    compile_items(node, path, errors, depth)
  elseif kind == "object" then
    if type(spec.fields) ~= "table" then
      errors[#errors + 1] = path .. ": an object needs 'fields', a table (any object: \"table\")"
    else
      compile_fields(node, spec.fields, path, errors, depth)
    end
  end
  if spec.default ~= nil and #errors == before then
    compile_default(node, path, errors)
  end
  node.may_be_absent = node.optional or spec.default ~= nil
  return node
end

function compile_fields(node, specs, path, errors, depth)
  node.names, node.fields, node.by_name, node.count = {}, {}, {}, 0
  for _, name in next, sorted_keys(specs) do
    if type(name) ~= "string" or name == "" then
      errors[#errors + 1] = path .. step(name) .. ": a field needs a name"
    else
      local field = compile_node(specs[name], path .. step(name), errors, depth + 1)
      local count = node.count + 1
      node.count, node.names[count], node.fields[count] = count, name, field
      node.by_name[name] = field
    end
  end
end

-- The node of a whole declaration: a descriptor has its type at [1], all else is fields.
local function compile_root(spec, where, errors)
  if type(spec) == "table" and type(rawget(spec, 1)) ~= "string" then
    local node = { kind = "object", spec = spec, check = check.object, root = true }
    compile_fields(node, spec, where, errors, 0)
    return node
  end
  return compile_node(spec, where, errors, 0)
end

local function new_check(node, default_where)
  local root = node.root
  local function run(value, where)
    local good, bad
    if value == nil or value == null and (root or node.may_be_absent) then
      if root then -- absent arguments are no fields
        good, bad = node.check(node, {})
      else
        good, bad = absent(node)
      end
    else
      good, bad = node.check(node, value)
    end
    if bad then
      return nil, join(where or default_where, bad)
    end
    return good
  end
  nodes[run] = node
  return run
end

--- Compiles a declaration of `args` or `config`.
-- Returns a function check(value, where) -> value | nil, message; or nil and a list of mistakes.
-- `nil` may be a good value (an optional single one): the message tells.
function schema.compile(spec, where)
  local errors = {}
  local node = compile_root(spec, where, errors)
  if #errors > 0 then
    return nil, errors
  end
  return new_check(node, where)
end

local function node_of(spec)
  local node = nodes[spec]
  if not node then
    local errors = {}
    node = compile_root(spec, "schema", errors)
    assert(#errors == 0, errors[1])
  end
  return node
end

local BOOLEANS = {
  yes = true, ["true"] = true, on = true, no = false, ["false"] = false, off = false,
}

local from_text = {}

function from_text.integer(_, text)
  return match(text, "^[+-]?%d+$") and tointeger(tonumber(text)) or text
end

function from_text.number(_, text)
  local value = not find(text, "[xX]") and tonumber(text)
  return value and value < huge and value > -huge and value or text
end

function from_text.boolean(_, text)
  local value = BOOLEANS[lower(text)]
  if value == nil then
    return text
  end
  return value
end

function from_text.array(node, text)
  local list, items = {}, node.items
  local convert = items and from_text[items.kind]
  for item in gmatch(find(text, "%S") and text .. "," or "", "%s*(.-)%s*,") do
    list[#list + 1] = convert and convert(items, item) or not convert and item
  end
  return setmetatable(list, array_mark)
end

local function place(node, out, key, text)
  local field = node.by_name[key]
  if field then
    local convert = from_text[field.kind]
    if convert then
      text = convert(field, text)
    end
    out[key] = text
    return
  end
  local head, rest = match(key, "^([^.]+)%.(.+)$")
  local object = head and node.by_name[head]
  if not object or object.kind ~= "object" then
    out[key] = text -- unknown: the check says so
    return
  end
  if type(out[head]) ~= "table" then
    out[head] = {}
  end
  place(object, out[head], rest, text)
end

--- Converts texts by field name to the declared types; "smtp.host" reaches into an object, an
-- array is split at commas. What cannot be converted stays text, so that the check names it.
function schema.convert(spec, texts)
  local node, out = node_of(spec), {}
  assert(node.kind == "object", "convert needs a table of fields")
  for _, key in next, sorted_keys(texts) do
    place(node, out, key, texts[key])
  end
  return out
end

local function describe_fields(node, describe)
  local out = {}
  for i = 1, node.count do
    out[node.names[i]] = describe(node.fields[i])
  end
  return out
end

local function describe(node)
  local spec = node.spec
  local out = {
    type = node.kind, optional = node.may_be_absent, help = spec.help,
    default = deep_copy(spec.default), pattern = spec.pattern,
    min = spec.min, max = spec.max, min_length = spec.min_length, max_length = spec.max_length,
  }
  if spec.enum then
    out.enum = setmetatable(deep_copy(spec.enum), array_mark)
  end
  out.items = node.items and describe(node.items)
  out.fields = node.kind == "object" and describe_fields(node, describe) or nil
  return out
end

--- A plain table for JSON: {type=,...} of a single descriptor, else field name -> {type=,...}.
function schema.describe(spec)
  local node = node_of(spec)
  return node.root and describe_fields(node, describe) or describe(node)
end

return schema
