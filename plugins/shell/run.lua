-- Runs a program. Its exit code says whether the attempt was good; the end of its stderr says why
-- not.
local neap = require "neap"

local MAX_OUTPUT = "450K" -- of each stream: a result holds 1 MiB
local TAIL = 2000         -- bytes of stderr in the message of a failure

-- "text" for the shell, or { "program", "argument", ... }; nil and why where it is neither.
local function check_command(command)
  if type(command) == "string" then
    return command ~= "" or nil, "command: is empty"
  elseif type(command) ~= "table" or type(command[1]) ~= "string" then
    return nil, "command: must be a string for the shell, or a list of a program and its arguments"
  end
  for i, word in ipairs(command) do
    if type(word) ~= "string" then
      return nil, ("command[%d]: must be a string, not a %s"):format(i, type(word))
    end
  end
  return true
end

local function has(list, value)
  for _, item in ipairs(list) do
    if item == value then
      return true
    end
  end
  return false
end

local function tail_of(text)
  text = text:gsub("%s+$", "")
  if #text <= TAIL then
    return text
  end
  local tail = text:sub(-TAIL)
  return "..." .. (tail:match("^[^\n]*\n(.+)$") or tail)
end

-- Why the run was no good, or nil.
local function fault_of(done, args)
  if done.timed_out then
    return ("did not end within %g s"):format(args.timeout)
  elseif done.signal then
    return "was killed by signal " .. tostring(done.signal)
  elseif not has(args.ok, done.code) then
    return "exit status " .. done.code
  end
end

local function run(args, ctx)
  local fine, wrong = check_command(args.command)
  if not fine then
    ctx:fail(wrong)
  end
  local done, message = neap.exec(args.command, {
    stdin = args.stdin, cwd = args.cwd, env = args.env, timeout = args.timeout,
    max_output = MAX_OUTPUT,
  })
  if not done then
    return nil, message
  end
  local fault = fault_of(done, args)
  if fault then
    local tail = tail_of(done.stderr)
    return nil, tail == "" and fault or fault .. ": " .. tail
  end
  return { code = done.code, stdout = done.stdout, stderr = done.stderr,
           truncated = done.truncated or nil }
end

return {
  summary = "Run a program",
  timeout = "1h",
  retry = { max = 3, backoff = "exponential", base = "10s", cap = "10m", jitter = 0.2 },
  args = {
    command = { "any", help = "a line for the shell, or a list: the program and its arguments" },
    stdin = { "string", optional = true, help = "what it reads" },
    cwd = { "string", optional = true, min_length = 1, help = "the directory it runs in" },
    env = { "table", optional = true, help = "variables to set; false takes one away" },
    timeout = { "duration", optional = true, help = "killed after that, with all it has started" },
    ok = { "array", items = "integer", default = { 0 }, help = "the exit codes that are good" },
  },
  run = run,
}
