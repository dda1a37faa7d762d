-- The entry points that the C runtime calls: loading a plugin, setting a task up, tearing it down.
local core, schema, task, sandbox = ...

local type, next, pairs, ipairs, pcall = type, next, pairs, ipairs, pcall
local tostring, error = tostring, error
local setmetatable, concat, match, gsub = setmetatable, table.concat, string.match, string.gsub
local neap = core.neap

local main = {}

-- For the runner of specs (neap/test/run.lua).
main.parts = { core = core, schema = schema, task = task, sandbox = sandbox }

-- --- loading -------------------------------------------------------------------------------------

local function task_name(plugin, file)
  if plugin.single then return plugin.name end
  return plugin.name .. "." .. gsub(file.path, "%.lua$", "")
end

local function at(where, message)
  message = tostring(message)
  if match(message, "^[^\n]-:%d+:") then return message end
  return where .. ": " .. message
end

local function load_task(plugin, env, file, problems)
  local where = plugin.dir .. "/" .. file.path
  core.at(where)
  local function problem(message) problems[#problems + 1] = at(where, message) end
  if file.data == "" then return problem("the file is empty (to take a task away, delete it)") end
  local chunk, message = sandbox.compile(file.data, where, env)
  if not chunk then return problem(message) end
  local ok, value = pcall(chunk)
  if not ok then return problem(core.text(value)) end
  local read, wrong = task.read(value, task_name(plugin, file))
  for _, text in ipairs(wrong or {}) do problem(text) end
  if read and not (wrong and wrong[1]) then
    read.file = file.path
    return read
  end
end

-- Loads every task of a plugin:
-- {tasks = {name = task}, string = its string table, problems = {text...}}.
local function load_plugin(plugin)
  plugin.by_path = {}
  for _, file in ipairs(plugin.files) do plugin.by_path[file.path] = file end
  local env = sandbox.new(plugin)
  local tasks, problems = {}, {}
  for _, file in ipairs(plugin.files) do
    if file.task then
      tasks[task_name(plugin, file)] = load_task(plugin, env, file, problems)
    end
  end
  sandbox.seal(env)
  return { tasks = tasks, string = env.string, problems = problems }
end

-- For a worker: staging has found it good, so a problem here is an error.
function main.load(plugin)
  local loaded = load_plugin(plugin)
  if loaded.problems[1] then error(concat(loaded.problems, "\n"), 0) end
  return loaded
end

-- For staging: what the tasks declare, as a list the C side can read, the problems, and what
-- main.load would give.
-- `settings` maps a task's name to the config values that the INI gives it, as text.
function main.stage(plugin, settings)
  local loaded = load_plugin(plugin)
  local list = {}
  for index, file in ipairs(plugin.files) do
    local name = file.task and task_name(plugin, file)
    local one = name and loaded.tasks[name]
    if one then
      core.at(plugin.dir .. "/" .. file.path)
      local config, wrong = main.config(one, settings[name] or {})
      for _, text in ipairs(wrong or {}) do
        loaded.problems[#loaded.problems + 1] = "[task " .. name .. "] " .. text
      end
      list[#list + 1] = {
        name = name, file = index - 1, summary = one.summary,
        queue = one.queue, priority = one.priority,
        retry = one.retry, timeout_ms = one.timeout_ms, reentrant = one.reentrant,
        has_on_dead = one.on_dead ~= nil, config = config,
        args_schema = one.args_spec and neap.json.encode(one.args_spec),
      }
    end
  end
  return { tasks = list, problems = loaded.problems, loaded = loaded }
end

-- The INI's config values, converted and checked by the task's schema: table, or nil and a list of
-- mistakes.
function main.config(one, values)
  if not one.config_check then
    local key = next(values)
    if key then return nil, { "config." .. key .. ": this task takes no config" } end
    return nil
  end
  local converted, wrong = schema.convert(one.config_check, values)
  if not converted then return nil, type(wrong) == "table" and wrong or { wrong } end
  local checked, message = one.config_check(converted, "config")
  if message then return nil, { message } end
  return checked
end

-- --- setup and teardown --------------------------------------------------------------------------

local function wake_all(one)
  local waiting = one.waiting
  one.busy, one.waiting = nil, nil
  for i = 1, #waiting, 2 do core.wake(waiting[i], waiting[i + 1]) end
end

-- Runs a task's setup once in this state; jobs that come meanwhile wait. Called in the job's
-- coroutine, so setup may wait too. A setup that fails fails the attempt, and the next job tries
-- again.
function main.setup(one)
  while one.busy do
    local run, serial = core.self()
    local waiting = one.waiting
    waiting[#waiting + 1] = run
    waiting[#waiting + 1] = serial
    core.park()
  end
  if one.is_set_up then return end
  one.busy, one.waiting = true, {}
  local _ <close> = setmetatable({}, { __close = function() wake_all(one) end })
  one.state = one.setup(one.config)
  one.is_set_up = true
end

-- A version goes: each task that was set up says good-bye. Nothing can wait here.
function main.teardown(loaded)
  for name, one in pairs(loaded.tasks) do
    if one.teardown and (one.is_set_up or not one.setup) then
      local ok, message = pcall(one.teardown, one.state)
      if not ok then neap.log.warn("teardown of " .. name .. ": " .. core.text(message)) end
    end
  end
end

return main
