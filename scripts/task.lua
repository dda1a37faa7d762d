-- Reads what a task file returned: a function, or a table with a function and its settings. Gives
-- the task in one normal form and every mistake, each beginning with the field it is about.
--
-- core: as for schema.lua.
local core, schema = ...

local type, next, tostring, rawget = type, next, tostring, rawget
local math_type, format, find, match = math.type, string.format, string.find, string.match
local sort = table.sort

local TASK_MAX = 40 -- bytes of a full task name
local RETRIES_MAX = 1000000
local PRIORITIES = { low = -10, normal = 0, high = 10, critical = 20 }
local BACKOFFS = { exponential = 0, linear = 1, fixed = 2 } -- enum neap_backoff

local function names_of(set)
  local names = {}
  for name in next, set do
    names[#names + 1] = name
  end
  sort(names)
  return names
end

local PRIORITY_NAMES, BACKOFF_NAMES = names_of(PRIORITIES), names_of(BACKOFFS)

local function a(value)
  local kind = type(value)
  if value == nil then
    return "nothing"
  elseif value == core.null then
    return "null"
  end
  return (find(kind, "^[aeiou]") and "an " or "a ") .. kind
end

local function suggest(word, candidates)
  local near = type(word) == "string" and core.nearest(word, candidates)
  return near and format(" (did you mean '%s'?)", near) or ""
end

-- Collects mistakes: report("field", "text").
local function new_report()
  local problems = {}
  return problems, function(field, ...)
    problems[#problems + 1] = field .. ": " .. format(...)
  end
end

local function unknown_keys(value, known, prefix, report)
  local names = names_of(known)
  local strange = {}
  for key in next, value do
    if type(key) ~= "string" or not known[key] then
      strange[#strange + 1] = key
    end
  end
  sort(strange, function(x, y) return tostring(x) < tostring(y) end)
  for _, key in next, strange do
    if key == 1 and prefix == "" and type(value[1]) == "function" then
      report("[1]", "the task's function goes into the field 'run'")
    elseif type(key) == "number" then
      report(prefix .. "[" .. key .. "]", "unknown field")
    else
      report(prefix .. tostring(key), "unknown field%s", suggest(key, names))
    end
  end
end

local function duration_ms(value)
  local kind = type(value)
  return (kind == "number" or kind == "string") and core.duration(value) or nil
end

local read = {} -- field -> function(task, value, report)

function read.run(task, value, report)
  if type(value) ~= "function" then
    return report("run", "must be a function, not %s", a(value))
  end
  task.run = value
end

local function optional_function(field)
  read[field] = function(task, value, report)
    if type(value) ~= "function" then
      return report(field, "must be a function, not %s", a(value))
    end
    task[field] = value
  end
end
optional_function("setup")
optional_function("on_dead")
optional_function("teardown")

function read.summary(task, value, report)
  if type(value) ~= "string" then
    return report("summary", "must be a string, not %s", a(value))
  elseif find(value, "%c") then
    return report("summary", "must be one line")
  end
  task.summary = value
end

function read.queue(task, value, report)
  if type(value) ~= "string" then
    return report("queue", "must be a name, not %s", a(value))
  elseif #value > TASK_MAX or not find(value, "^[%w_-]+$") then
    return report("queue", "must be a name of letters, digits, '-' and '_', at most %d bytes",
                  TASK_MAX)
  end
  task.queue = value
end

function read.priority(task, value, report)
  local number = PRIORITIES[value] or value
  if type(number) == "string" then
    return report("priority", "unknown priority '%s'%s", number, suggest(number, PRIORITY_NAMES))
  elseif math_type(number) ~= "integer" then
    return report("priority", "must be an integer or one of low, normal, high, critical")
  elseif number < -128 or number > 127 then
    return report("priority", "must be from -128 to 127")
  end
  task.priority = number
end

-- 0: as long as it wants.
function read.timeout(task, value, report)
  local ms = value == "none" and 0 or duration_ms(value)
  if not ms then
    return report("timeout",
                  "must be a duration: seconds, or such as '250ms' or '1h30m'; or 'none'")
  end
  task.timeout_ms = ms
end

function read.reentrant(task, value, report)
  if type(value) ~= "boolean" then
    return report("reentrant", "must be true or false, not %s", a(value))
  end
  task.reentrant = value
end

local read_retry = {}

function read_retry.max(retry, value, report)
  if math_type(value) ~= "integer" or value < 0 or value > RETRIES_MAX then
    return report("retry.max", "must be an integer from 0 to %d", RETRIES_MAX)
  end
  retry.max = value
end

function read_retry.backoff(retry, value, report)
  local backoff = BACKOFFS[value]
  if not backoff then
    return report("retry.backoff", "must be exponential, linear or fixed%s",
                  suggest(value, BACKOFF_NAMES))
  end
  retry.backoff = backoff
end

local function retry_duration(key)
  read_retry[key] = function(retry, value, report)
    local ms = duration_ms(value)
    if not ms then
      return report("retry." .. key, "must be a duration: seconds, or such as '250ms' or '1h30m'")
    end
    retry[key .. "_ms"] = ms
  end
end
retry_duration("base")
retry_duration("cap")

function read_retry.jitter(retry, value, report)
  if type(value) ~= "number" or value ~= value or value < 0 or value > 1 then
    return report("retry.jitter", "must be a number from 0 to 1")
  end
  retry.jitter = value
end

function read.retry(task, value, report)
  local retry = {}
  task.retry = retry
  if type(value) == "number" then
    return read_retry.max(retry, value, function(_, ...) report("retry", ...) end)
  elseif type(value) ~= "table" then
    return report("retry", "must be a number of retries or a table, not %s", a(value))
  end
  for _, key in next, names_of(read_retry) do
    local part = rawget(value, key)
    if part ~= nil then
      read_retry[key](retry, part, report)
    end
  end
  unknown_keys(value, read_retry, "retry.", report)
  if retry.base_ms and retry.cap_ms and retry.cap_ms < retry.base_ms then
    report("retry.cap", "must not be below retry.base")
  end
end

local function compile(task, field, value, problems)
  local check, errors = schema.compile(value, field)
  for _, text in next, errors or {} do
    problems[#problems + 1] = text
  end
  if check then
    task[field .. "_check"], task[field .. "_spec"] = check, schema.describe(check)
  end
end

function read.args(task, value, report, problems)
  if type(value) ~= "string" and type(value) ~= "table" then
    return report("args", "must be a type or a table of fields, not %s", a(value))
  end
  compile(task, "args", value, problems)
end

function read.config(task, value, report, problems)
  if type(value) ~= "table" or type(rawget(value, 1)) == "string" then
    return report("config", "must be a table of fields, such as { from = \"string\" }")
  end
  compile(task, "config", value, problems)
end

local function check_name(name, report)
  if type(name) ~= "string" then
    return
  elseif #name > TASK_MAX then
    report("name", "'%s' has %d bytes, a full task name has at most %d", name, #name, TASK_MAX)
  elseif not (find(name, "^[%w_-]+$") or find(name, "^[%w_-]+%.[%w_-]+$")) then
    report("name", "'%s' is not made of letters, digits, '-' and '_'", match(name, "^[^%c]*"))
  end
end

-- Returns the task and nil, or the half-read task and a list of mistakes.
local function read_task(value, name)
  local problems, report = new_report()
  local task = {}
  check_name(name, report)
  if type(value) == "function" then
    task.run = value
  elseif type(value) ~= "table" then
    report("file", "must return a function or a table, returned %s", a(value))
  else
    for _, field in next, names_of(read) do
      local part = rawget(value, field)
      if part ~= nil then
        read[field](task, part, report, problems)
      elseif field == "run" then
        report("run", "missing (the task's function)")
      end
    end
    unknown_keys(value, read, "", report)
  end
  return task, #problems > 0 and problems or nil
end

return { read = read_task }
