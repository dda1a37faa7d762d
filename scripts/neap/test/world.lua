-- The world of a task under test: a `neap` whose clock is virtual, whose jobs are noted and whose
-- network, mail and programs are stubs. Files are real, neap.shared is in memory.
local core, clock, stubs, script = ...

local type, next, pairs, ipairs, error, tostring = type, next, pairs, ipairs, error, tostring
local setmetatable, getmetatable, math_type = setmetatable, getmetatable, math.type

local NESTING_MAX = 64 -- levels of a value, as in the codec

local world = {}
world.__index = world

-- --- values --------------------------------------------------------------------------------------

-- A copy of a value as another job would get it. Raises on what cannot cross.
local function cross(value, where, depth, seen)
  local kind = type(value)
  if value == core.null or kind == "string" or kind == "number" or kind == "boolean"
    or kind == "nil" then
    return value
  elseif kind ~= "table" then
    error(where .. ": a " .. kind .. " cannot cross", 0)
  elseif seen[value] then
    error(where .. ": a cycle", 0)
  elseif depth > NESTING_MAX then
    error(where .. ": nested deeper than " .. NESTING_MAX .. " levels", 0)
  end
  seen[value] = true
  local new = {}
  for key, item in next, value do
    if type(key) ~= "string" and type(key) ~= "number" then
      error(where .. ": a " .. type(key) .. " as a key cannot cross", 0)
    end
    local inner = math_type(key) and where .. "[" .. key .. "]" or where .. "." .. key
    new[key] = cross(item, inner, depth + 1, seen)
  end
  seen[value] = nil
  local mark = core.array_mark.__metatable or core.array_mark
  return getmetatable(value) == mark and setmetatable(new, core.array_mark) or new
end

function world.cross(value, where)
  return cross(value, where, 1, {})
end

local function at_level(level, ok, ...)
  if not ok then
    error((...), level + 1)
  end
  return ...
end

local failure = { __name = "neap.error", __tostring = function(self) return self.message end }

function world.error_of(code, message, traceback, attempt)
  return setmetatable({ code = code, message = message, traceback = traceback, attempt = attempt },
                      failure)
end

local function check_duration(who, value, level)
  local ms = (type(value) == "number" or type(value) == "string") and core.duration(value)
  if not ms then
    error(who .. ": a duration is a number of seconds or text such as \"250ms\", \"1m30s\", got "
          .. tostring(value), level + 1)
  end
  return ms
end
world.check_duration = check_duration

-- --- what happens in it --------------------------------------------------------------------------

function world:set_loading(flag)
  self.loading = flag
  if core.set_loading then
    core.set_loading(flag)
  end
end

function world:check_acting(who)
  if self.loading then
    error(who .. " cannot be called while a file loads: call it inside run or setup", 3)
  end
end

-- Adds to a list of what this run did.
function world:note(list, entry)
  local out = self.out
  if out then
    out[list][#out[list] + 1] = entry
  end
end

-- Ends the run: t:run raises `err`.
function world:stop(err)
  if not self.clock.current then
    error(err, 0)
  end
  self.clock.failure = self.clock.failure or err
  self.clock:quit()
end

-- "FILE:LINE: " of the code of the task that runs.
function world:where()
  for level = 2, 50 do
    local info = debug.getinfo(level, "Sl")
    if not info then
      return ""
    end
    for dir in pairs(self.dirs) do
      if info.source:sub(1, #dir + 2) == "@" .. dir .. "/" and info.currentline > 0
        and not info.source:find("_test%.lua$") then
        return info.short_src .. ":" .. info.currentline .. ": "
      end
    end
  end
end

-- The same, where the task does what the spec did not foresee; names the task's line.
function world:fail(message)
  self:stop(self:where() .. message)
end

function world:sleep(ms, who)
  if ms > 0 then
    return self.clock:sleep(ms, who)
  end
end

-- --- jobs ----------------------------------------------------------------------------------------

local PRIORITIES = { low = true, normal = true, high = true, critical = true }
local JOB_OPTIONS = {
  delay = true, at = true, expires = true, priority = true, queue = true, retry = true,
  timeout = true, unique = true, after = true, after_failed = true,
}

local function check_job_options(who, options)
  if options == nil then
    return 0
  end
  stubs.check_options(who, options, JOB_OPTIONS, 5)
  if options.delay and options.at then
    error(who .. ": either delay or at, not both", 4)
  elseif type(options.priority) == "string" and not PRIORITIES[options.priority] then
    error(who .. ": unknown priority '" .. options.priority .. "'", 4)
  end
  return options.delay and check_duration("delay", options.delay, 4) or 0
end

local job = {}
job.__index = job
job.__metatable = false
job.__name = "neap.job"
job.__tostring = function(self) return "job " .. self.id end

local private = setmetatable({}, { __mode = "k" }) -- handle -> {world=, entry=, fiber=}

function job:wait(timeout)
  local own = private[self]
  own.world:check_acting("job:wait")
  local ms = timeout ~= nil and check_duration("job:wait", timeout, 2) or nil
  if not own.fiber then
    own.world:fail("job:wait: nothing says how a job of " .. own.entry.task .. " ends: t:job(\""
                   .. own.entry.task .. "\", result)")
  end
  local ended, why = own.world.clock:join(own.fiber, ms, "job:wait")
  if ended == nil then
    return nil, why
  elseif not ended then
    return false, world.error_of("timeout", "the job has not ended yet")
  elseif own.entry.state == "completed" then
    return true, own.entry.result
  end
  return false, own.entry.error
end

function job:state() return private[self].entry.state end

function job.stored() return true end

function job:cancel()
  local own = private[self]
  if own.fiber and own.fiber.done then
    return nil, "the job has ended"
  end
  own.entry.state = "cancelled"
  own.entry.error = world.error_of("cancelled", "the job was cancelled")
  if own.fiber then
    own.world.clock:kill(own.fiber)
  end
  return true
end

-- Runs what stands in for the task, in a fiber of its own.
local function run_stand_in(self, entry, handler)
  return function()
    if entry.delay_ms > 0 then
      self.clock:sleep(entry.delay_ms, "delay")
    end
    entry.state = "running"
    local value, message
    if type(handler) == "function" then
      value, message = handler(world.cross(entry.args, "args"), entry.options)
    elseif type(handler) == "table" and handler.attempt_for then
      value, message = handler:attempt_for(entry)
    else
      value = handler
    end
    if value == nil and message ~= nil then
      entry.error = type(message) == "table" and message
        or world.error_of("error", core.text(message), nil, 1)
      entry.state = "dead"
    else
      entry.state, entry.result = "completed", world.cross(value, "result")
    end
  end
end

-- What becomes of a job that was submitted: it runs if t:job says how, else it only waits.
local function start(self, handle)
  local own = private[handle]
  local stub = self.stand_ins[own.entry.task]
  if not stub then
    return
  end
  local entry = own.entry
  own.fiber = self.clock:spawn(run_stand_in(self, entry, stub.handler))
  own.fiber.at_end = function(fiber)
    if entry.state == "running" then
      entry.state = "dead"
      entry.error = world.error_of("error", core.text(fiber.results[2]), fiber.trace, 1)
    end
  end
  self.jobs[#self.jobs + 1] = own.fiber
end

-- who: the function that submits; held: until the attempt has completed.
function world:submit(who, held, task, args, options)
  self:check_acting(who)
  if type(task) ~= "string" then
    error(who .. ": the task's name is a string, got " .. type(task), 3)
  end
  local delay_ms = check_job_options(who, options)
  args = at_level(2, pcall(world.cross, args, who .. ": args"))
  self.n_jobs = self.n_jobs + 1
  local entry = { id = ("%013d"):format(self.n_jobs), task = task, args = args,
                  options = stubs.copy(options) or {}, delay_ms = delay_ms,
                  state = delay_ms > 0 and "scheduled" or "available" }
  local handle = setmetatable({ id = entry.id }, job)
  private[handle] = { world = self, entry = entry }
  self:note("jobs", entry)
  if held then
    held[#held + 1] = handle
  else
    start(self, handle)
  end
  return handle
end

function world:start_held(held)
  for _, handle in ipairs(held) do
    start(self, handle)
  end
end

-- --- async and signal: the scripts themselves, over fibers of the clock --------------------------

local function current(self, who)
  return self.clock.current or error(who .. " is not for a spec: call it in a function of t:job", 3)
end

-- What the C side gives them.
local function async_core(self)
  local time, own = self.clock, { neap = self.neap }
  function own.spawn(f)
    self:check_acting("neap.async")
    local attempt = current(self, "neap.async").attempt
    local fiber = time:spawn(f)
    fiber.attempt = attempt
    attempt.fibers[#attempt.fibers + 1] = fiber
    return fiber, 0
  end
  function own.kill(fiber)
    if fiber == time.current then
      time:quit()
    end
    time:kill(fiber)
  end
  function own.self()
    local fiber = current(self, "wait")
    return fiber, fiber.serial + 1
  end
  function own.park() return time:park("wait") end
  function own.park_for(duration)
    local fiber = current(self, "wait")
    time:wake_in(check_duration("wait", duration, 3), fiber, fiber.serial + 1)
    return time:park("wait")
  end
  function own.wake(fiber, serial) time:wake(fiber, serial) end
  function own.stray(change, message)
    local attempt = time.current.attempt
    attempt.n_stray = attempt.n_stray + change
    attempt.stray = attempt.stray or message
  end
  function own.failure(code, message) return world.error_of(code, message) end
  function own.caught(err)
    return { message = core.text(err), value = err, traceback = debug.traceback("", 2):sub(2) }
  end
  function own.is_job(value)
    return private[value] ~= nil and private[value].entry ~= nil
  end
  return own
end

local function open_async(self)
  local chunk = script("async.lua")
  local _, _, own_xpcall = self.clock:coroutines()
  debug.setupvalue(chunk, 1, setmetatable({ xpcall = own_xpcall }, { __index = _G }))
  local own = async_core(self)
  chunk(own)
  own.add_async(self.neap)
  script("signal.lua")(own)
  script("groups.lua")(own)
  own.add_groups(self.neap)
end

-- --- neap.shared ---------------------------------------------------------------------------------

local shared = {}
shared.__index = shared
shared.__metatable = false
shared.__name = "neap.shared"

local function entry_of(self, key)
  local own = private[self]
  if type(key) ~= "string" then
    error("neap.shared: a key is a string, got " .. type(key), 3)
  end
  local entry = own.values[key]
  if entry and entry.until_ms and entry.until_ms <= own.world.clock.now_ms then
    own.values[key], entry = nil, nil
  end
  return entry, own
end

local function put(own, key, value, ttl)
  if value == nil then
    own.values[key] = nil
    return true
  end
  local ms = ttl ~= nil and check_duration("ttl", ttl, 3) or nil
  own.values[key] = { value = at_level(3, pcall(world.cross, value, "value")),
                      until_ms = ms and own.world.clock.now_ms + ms }
  return true
end

function shared:get(key)
  local entry = entry_of(self, key)
  return entry and world.cross(entry.value, "value")
end

function shared:set(key, value, ttl)
  local _, own = entry_of(self, key)
  return put(own, key, value, ttl)
end

function shared:add(key, value, ttl)
  local entry, own = entry_of(self, key)
  if entry then
    return nil, "exists"
  end
  return put(own, key, value, ttl)
end

function shared:incr(key, by, from, ttl)
  local entry, own = entry_of(self, key)
  local old = entry and entry.value or from or 0
  if type(old) ~= "number" then
    error("neap.shared: the value of '" .. key .. "' is no number", 2)
  end
  if entry then
    entry.value = old + (by or 1)
  else
    put(own, key, old + (by or 1), ttl)
  end
  return old + (by or 1)
end

function shared:delete(key)
  local entry, own = entry_of(self, key)
  own.values[key] = nil
  return entry ~= nil
end

function shared:keys()
  local keys = {}
  for key in pairs(private[self].values) do
    if entry_of(self, key) then
      keys[#keys + 1] = key
    end
  end
  return keys
end

-- --- neap ----------------------------------------------------------------------------------------

local function open_log(self)
  local log = {}
  for _, level in ipairs { "debug", "info", "warn", "error" } do
    log[level] = function(text, fields)
      if fields ~= nil and type(fields) ~= "table" then
        error(("bad argument #2 to '%s' (table expected, got %s)"):format(level, type(fields)), 2)
      end
      fields = fields and at_level(2, pcall(world.cross, fields, "fields"))
      self:note("log", { level = level, text = tostring(text), fields = fields })
    end
  end
  return log
end

local function open_maps(self)
  local maps = {}
  return function(name)
    self:check_acting("neap.shared")
    if type(name) ~= "string" then
      error("neap.shared: a name is a string, got " .. type(name), 2)
    end
    if not maps[name] then
      maps[name] = setmetatable({}, shared)
      private[maps[name]] = { world = self, values = {} }
    end
    return maps[name]
  end
end

local function open_fs(self)
  local fs = {}
  for name, f in next, core.neap.fs do
    fs[name] = function(...)
      self:check_acting("neap.fs." .. name)
      return f(...)
    end
  end
  return fs
end

local function open_neap(self)
  local neap = { json = stubs.copy(core.neap.json), null = core.null, array = core.neap.array,
                 log = open_log(self), shared = open_maps(self), fs = open_fs(self) }
  function neap.now() return self.clock:unix_ms() / 1000 end
  function neap.sleep(duration)
    self:check_acting("neap.sleep")
    return self.clock:sleep(check_duration("neap.sleep", duration, 2), "neap.sleep")
  end
  function neap.submit(...) return self:submit("neap.submit", nil, ...) end
  function neap.stats()
    return { submitted = self.n_jobs, completed = 0, failed = 0, retried = 0, dead = 0,
             cancelled = 0, dropped = 0, rejected = 0, running = 1, waiting = 0, queues = {},
             tasks = {}, workers = 1, reloads = 0, broken = 0, uptime = self.clock.now_ms / 1000 }
  end
  return neap
end

function world.new(start_ms)
  local self = setmetatable({
    clock = clock.new(start_ms), stand_ins = {}, jobs = {}, n_jobs = 0, dirs = {},
  }, world)
  function self.clock.where() return self:where() end
  self.neap = open_neap(self)
  open_async(self)
  self.set = stubs.new(self, self.neap)
  return self
end

return world
