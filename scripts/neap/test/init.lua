-- require "neap.test": loads a task as neap does and runs it in a world whose time is virtual and
-- whose network, mail and programs are what the spec says. Runs in `neap test` and, in plain
-- Lua 5.4, under busted. docs/testing.md is its manual.
local given = ...

local type, ipairs, error, tostring = type, ipairs, error, tostring
local setmetatable, pcall, concat = setmetatable, pcall, table.concat

-- --- the parts -----------------------------------------------------------------------------------

-- In plain Lua: the files beside this one.
local function plain_parts()
  local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
  local function script(name) -- a file of scripts/; `neap new` puts all into one directory
    for _, path in ipairs { here .. name:match("[^/]*$"), here .. "../../" .. name } do
      local file = io.open(path, "rb")
      if file then
        file:close()
        return assert(loadfile(path, "t"))
      end
    end
    error("neap.test: " .. name .. " is missing in " .. here .. ": `neap new` makes it", 0)
  end
  local core = script("neap/test/plain.lua")()
  local schema = script("schema.lua")(core)
  return { core = core, schema = schema, task = script("task.lua")(core, schema), script = script }
end

local parts = type(given) == "table" and given or plain_parts()
local core, reader = parts.core, parts.task
local clock = parts.script("neap/test/clock.lua")()
local stubs = parts.script("neap/test/stubs.lua")(core)
local world = parts.script("neap/test/world.lua")(core, clock, stubs, parts.script)
local env = parts.script("neap/test/env.lua")(parts.sandbox)

local RETRIES, BASE_MS, CAP_MS = 20, 1000, 60 * 60 * 1000 -- as `neap serve`

---@type neap.test
local test = {}
local harness = {}
harness.__index = harness

-- --- ctx -----------------------------------------------------------------------------------------

local ctx = {}

local fields = setmetatable({}, { __mode = "k" }) -- ctx -> what it shows
local attempts = setmetatable({}, { __mode = "k" })

local meta = { __metatable = false, __name = "neap.ctx" }
function meta.__index(self, key)
  return ctx[key] or fields[self][key]
end
function meta.__newindex(_, key)
  error("ctx." .. tostring(key) .. " cannot be set", 2)
end
function meta.__tostring(self)
  return "ctx of job " .. fields[self].id
end

local function running(self, who)
  local one = attempts[self]
  if not one or one.over then
    error(who .. ": this ctx is of a job that has ended", 3)
  end
  return one
end

function ctx:progress(fraction, text)
  local one = running(self, "ctx:progress")
  if type(fraction) ~= "number" or not (fraction >= 0 and fraction <= 1) then
    error("bad argument #1 to 'progress' (a fraction from 0 to 1)", 2)
  end
  one.world:note("progress", { fraction = fraction, text = text })
end

function ctx:submit(...)
  local one = running(self, "ctx:submit")
  return one.world:submit("ctx:submit", one.held, ...)
end

local function failed_with(one, code, why, otherwise)
  local message = why == nil and otherwise or core.text(why)
  return world.error_of(code, message, nil, one.number)
end

local function quit(one, ended_by, after_ms, err)
  if not one.ended_by then
    one.ended_by, one.after_ms, one.error = ended_by, after_ms, err
  end
  local time = one.world.clock
  if time.current ~= one.fiber then -- in a fiber of neap.async
    time:kill(one.fiber)
  end
  time:quit()
end

function ctx:retry(after, why)
  local one = running(self, "ctx:retry")
  local ms = after ~= nil and world.check_duration("ctx:retry", after, 2) or nil
  quit(one, "retry", ms, failed_with(one, "error", why, "the task asked for a retry"))
end

function ctx:snooze(after)
  local one = running(self, "ctx:snooze")
  quit(one, "snooze", world.check_duration("ctx:snooze", after, 2))
end

function ctx:cancel(why)
  local one = running(self, "ctx:cancel")
  quit(one, "cancel", nil, why ~= nil and failed_with(one, "error", why) or nil)
end

function ctx:fail(why)
  local one = running(self, "ctx:fail")
  quit(one, "fail", nil, failed_with(one, "error", why, "the task failed for good"))
end

local function new_ctx(one, options)
  local self, own = setmetatable({}, meta), one.harness
  fields[self] = {
    id = options.id or "0000000000000", task = own.name, queue = options.queue or own.task.queue
      or "default", attempt = one.number, generation = 1, config = own.config, state = own.state,
    dir = own.plugin.dir, deadline = one.deadline_ms and one.deadline_ms / 1000,
    scheduled_at = options.scheduled_at,
  }
  attempts[self] = one
  return self
end

-- --- loading -------------------------------------------------------------------------------------

local function read_file(path)
  local file, message = io.open(path, "rb")
  if not file then
    return nil, message
  end
  local text
  text, message = file:read("a")
  file:close()
  return text, message and path .. ": " .. message
end

-- A directory's files, read when they are asked for.
local function plugin_of(dir, file)
  local name = dir:match("([^/]+)/*$") or dir
  local single = name == "plugins" or name == "." or name == ".."
  local by_path = setmetatable({}, { __index = function(files, path)
    local data = not single and read_file(dir .. "/" .. path)
    local one = data and { path = path, data = data,
                           task = not path:find("/") and not path:find("^_") }
    files[path] = one or false
    return one
  end })
  return { name = single and file:gsub("%.lua$", "") or name, dir = dir, single = single,
           files = {}, by_path = by_path }
end

local function complain(problems, path)
  for i, text in ipairs(problems) do
    problems[i] = text:find("^[^\n]-:%d+:") and text or path .. ": " .. text
  end
  return concat(problems, "\n")
end

-- Runs the file's top level and reads what it declares: task, or nil and what is wrong.
local function read_task(in_world, plugin, file, name, modules)
  local path = plugin.dir .. "/" .. file
  local text, message = read_file(path)
  if not text then
    return nil, message
  elseif text == "" then
    return nil, path .. ": the file is empty"
  end
  local own = env.new(in_world, plugin, modules)
  local chunk
  chunk, message = env.compile(text, path, own)
  if not chunk then
    return nil, message
  end
  in_world.dirs[plugin.dir] = true
  in_world:set_loading(true)
  local ok, value = pcall(chunk)
  in_world:set_loading(false)
  if not ok then
    return nil, complain({ core.text(value) }, path)
  end
  local task, wrong = reader.read(value, name)
  if wrong then
    return nil, complain(wrong, path)
  end
  env.seal(own)
  return task
end

local function checked_config(task, config, name)
  if not task.config_check then
    if config ~= nil then
      error(name .. ": this task takes no config", 0)
    end
    return nil
  end
  local checked, wrong = task.config_check(world.cross(config, "config"), "config")
  if wrong then
    error(wrong, 0)
  end
  return checked
end

local function load_into(in_world, dir, path, options)
  local file = path:match("[^/]*$")
  dir = path:sub(1, 1) == "/" and path:match("^(.*)/") or dir .. "/" .. path:sub(1, -#file - 1)
  dir = dir:gsub("/%./", "/"):gsub("(.)/+$", "%1")
  file = file:find("%.lua$") and file or file .. ".lua"
  local plugin = plugin_of(dir, file)
  local name = file:gsub("%.lua$", "")
  name = plugin.single and name or plugin.name .. "." .. name
  local task, message = read_task(in_world, plugin, file, name, options.modules)
  if not task then
    error(message, 0)
  end
  return setmetatable({
    world = in_world, neap = in_world.neap, task = task, name = name, plugin = plugin, here = dir,
    config = checked_config(task, options.config, name),
  }, harness)
end

-- The directory of the file that calls the caller.
local function caller_dir()
  local source = debug.getinfo(3, "S").source
  return source:match("^@(.*)/") or "."
end

local LOAD_OPTIONS = { config = true, modules = true, now = true }
local MORE_OPTIONS = { config = true, modules = true }

-- load_into, whose errors are those of the spec's line.
local function load_at(level, ...)
  local ok, value = pcall(load_into, ...)
  if not ok then
    error(value, level)
  end
  return value
end

-- Loads the task of a file beside the spec into a new world. options: config; modules, which stand
-- in for what `require` finds; now, the Unix time it begins at.
function test.load(path, options)
  options = options or {}
  stubs.check_options("test.load", options, LOAD_OPTIONS, 3)
  if type(path) ~= "string" then
    error("test.load: the name of a file, got " .. type(path), 2)
  end
  local now = options.now or os.time()
  local loaded = load_at(3, world.new(math.floor(now * 1000)), caller_dir(), path, options)
  return loaded
end

-- Another task of the same world.
function harness:load(path, options)
  options = options or {}
  stubs.check_options("t:load", options, MORE_OPTIONS, 3)
  local loaded = load_at(3, self.world, self.here, path, options)
  return loaded
end

-- --- running -------------------------------------------------------------------------------------

local function set_up(self)
  if self.task.setup and not self.is_set_up then
    self.state = self.task.setup(self.config)
    self.is_set_up = true
  end
end

local function body(self, one, args, options)
  set_up(self)
  local task = self.task
  if task.args_check then
    local good, wrong = task.args_check(args, "args")
    if wrong then
      one.error = world.error_of("args", wrong, nil, one.number)
      return
    end
    args = good
  elseif args == nil then
    args = {}
  end
  local value, message = task.run(args, new_ctx(one, options))
  if value == nil and message ~= nil then
    one.error = world.error_of("error", core.text(message), nil, one.number)
  else
    one.result = world.cross(value, "result")
  end
end

local function begin(self, args, options)
  local in_world = self.world
  local one = { world = in_world, harness = self, number = options.attempt or 1, held = {},
                fibers = {}, n_stray = 0, args = args, options = options }
  local timeout = self.task.timeout_ms
  if options.timeout == "none" then
    timeout = nil
  elseif options.timeout ~= nil then
    timeout = world.check_duration("timeout", options.timeout, 3)
  end
  one.timeout_ms = timeout and timeout > 0 and timeout or nil
  one.until_ms = one.timeout_ms and in_world.clock.now_ms + one.timeout_ms
  one.deadline_ms = one.timeout_ms and in_world.clock:unix_ms() + one.timeout_ms
  one.fiber = in_world.clock:spawn(body, self, one, world.cross(args, "args"), options)
  one.fiber.attempt = one
  return one
end

local function backoff_ms(retry, n)
  local base, cap = retry.base_ms or BASE_MS, retry.cap_ms or CAP_MS
  local factor = retry.backoff == 1 and n or retry.backoff == 2 and 1 or 2.0 ^ (n - 1)
  return math.min(base * factor, cap)
end

-- What follows, as model/life.c says.
local function settle(one)
  local fiber, retry = one.fiber, one.harness.task.retry or {}
  if not one.ended_by and not one.error and not fiber.ok then
    one.error = world.error_of("error", core.text(fiber.results[2]), fiber.trace, one.number)
  end
  if one.n_stray > 0 and not one.error and not one.ended_by then
    one.error = world.error_of("error", "an async function failed and nobody waited for it: "
                               .. one.stray, nil, one.number)
  end
  local failed = one.error ~= nil and (not one.ended_by or one.ended_by == "retry")
  if failed and one.number <= (retry.max or RETRIES) then
    one.state = "retryable"
    one.after_ms = one.after_ms or backoff_ms(retry, one.number)
  elseif failed or one.ended_by == "fail" then
    one.state, one.after_ms = "dead", nil
  elseif one.ended_by == "cancel" then
    one.state = "cancelled"
  elseif one.ended_by == "snooze" then
    one.state = "scheduled"
  else
    one.state = "completed"
  end
  one.over = true
end

local function stop_fibers(one)
  for _, fiber in ipairs(one.fibers) do
    one.world.clock:kill(fiber)
  end
end

local function timed_out(one)
  local text = ("timeout: the attempt did not end within %gs"):format(one.timeout_ms / 1000)
  return world.error_of("timeout", text, nil, one.number)
end

-- Runs the attempt to its end. Raises, at the spec's line, what makes the spec fail.
local function finish(one)
  local in_world = one.world
  local ended = in_world.clock:run(one.fiber, one.until_ms)
  if in_world.clock.failure then
    local message = in_world.clock.failure
    in_world.clock:kill(one.fiber)
    stop_fibers(one)
    in_world.clock.failure = nil
    error(message, 0)
  elseif not ended then
    in_world.clock:kill(one.fiber)
    if not one.until_ms then
      error(one.harness.name .. " waits for something that never comes", 0)
    end
    one.error = timed_out(one)
  end
  stop_fibers(one)
  settle(one)
  one.elapsed_ms = in_world.clock.now_ms
end

-- on_dead, as a job of its own.
local function mourn(one)
  local self = one.harness
  if one.state ~= "dead" or not self.task.on_dead then
    return
  end
  local last = { world = one.world, harness = self, number = one.number, held = {}, fibers = {},
                 n_stray = 0 }
  last.fiber = one.world.clock:spawn(self.task.on_dead, world.cross(one.args, "args"),
                                     new_ctx(last, one.options), one.error)
  last.fiber.attempt = last
  finish(last)
  if last.error then
    one.world:note("log", { level = "error", text = "on_dead: " .. last.error.message })
  end
end

local function whole(self, args, options, out)
  local in_world = self.world
  local began_ms = in_world.clock.now_ms
  in_world.out = out
  local one = begin(self, args, options)
  finish(one)
  if one.state == "completed" then
    in_world:start_held(one.held)
  end
  mourn(one)
  out.state, out.result, out.error = one.state, one.result, one.error
  out.ended_by, out.after = one.ended_by, one.after_ms and one.after_ms / 1000
  out.elapsed = (one.elapsed_ms - began_ms) / 1000
  for _, fiber in ipairs(in_world.jobs) do -- jobs may submit jobs
    in_world.clock:run(fiber)
  end
  in_world.jobs = {}
end

local RUN_OPTIONS = { attempt = true, id = true, queue = true, scheduled_at = true, timeout = true }

-- One attempt. Returns what became of it and all it did.
function harness:run(args, options)
  options = options or {}
  stubs.check_options("t:run", options, RUN_OPTIONS, 3)
  local out = { requests = {}, mails = {}, commands = {}, jobs = {}, log = {}, progress = {},
                printed = "" }
  local ok, message = pcall(whole, self, args, options, out)
  if not ok then
    error(message, 2)
  end
  return out
end

-- For world:submit, where this task stands for itself: value, or nil and the error.
function harness:attempt_for(entry)
  local one = begin(self, entry.args, { id = entry.id })
  local ended = self.world.clock:join(one.fiber, one.timeout_ms, "job")
  if not ended then
    self.world.clock:kill(one.fiber)
    one.error = timed_out(one)
  end
  stop_fibers(one)
  settle(one)
  if one.state == "completed" then
    self.world:start_held(one.held)
    return one.result
  end
  return nil, one.error or world.error_of("cancelled", "the job was cancelled")
end

function harness:teardown()
  if self.task.teardown and (self.is_set_up or not self.task.setup) then
    self.task.teardown(self.state)
  end
  self.is_set_up, self.state = false, nil
end

-- --- what the spec says --------------------------------------------------------------------------

function harness:http(pattern, ...) self.world.set.http(pattern, ...) end
function harness:exec(pattern, ...) self.world.set.exec(pattern, ...) end
function harness:mail(...) self.world.set.mail(...) end

-- What a submitted job of that task comes to: a value, a function(args, options) that returns it
-- (or nil and a message), or a task of this world (t:load).
function harness:job(task, handler)
  self.world.stand_ins[task] = { handler = handler }
end

function harness:sleep(duration)
  self.world.clock:advance(world.check_duration("t:sleep", duration, 2))
end

function harness:now() return self.world.clock:unix_ms() / 1000 end

-- --- files ---------------------------------------------------------------------------------------

local set_metatable = debug.setmetatable -- the stock one would refuse __gc in neap

local function remove_all(path)
  core.neap.fs.remove(path)
  for _, entry in ipairs(core.neap.fs.list(path) or {}) do
    local inner = path .. "/" .. entry.name
    if entry.type == "directory" then
      remove_all(inner)
    else
      os.remove(inner)
    end
  end
  os.remove(path)
end

-- A directory of this harness's own, gone with it.
function harness:dir()
  if not self.own_dir then
    local path = os.tmpname()
    os.remove(path)
    local ok, message = core.neap.fs.mkdir(path)
    if not ok then
      error("t:dir: " .. message, 2)
    end
    self.own_dir = set_metatable({ path = path }, { __gc = function(own) remove_all(own.path) end })
  end
  return self.own_dir.path
end

test.null, test.array = core.null, core.neap.array

return test
