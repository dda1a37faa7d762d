-- Concurrency inside one job: neap.async, neap.race, neap.all. A fiber ends with its job.
--
-- core.spawn(f) -> fiber, born; core.kill(fiber, born); core.self() -> fiber, serial;
-- core.park(), core.park_for(duration) until core.wake(fiber, serial).
local core = ...

local type, error, xpcall = type, error, xpcall
local setmetatable = setmetatable
local pack, unpack = table.pack, table.unpack

local function failure(code, caught)
  local err = core.failure(code, caught.message)
  err.traceback, err.value = caught.traceback, caught.value
  return err
end

local function settle(self, results)
  local waiters = self.waiters
  self.results, self.waiters = results, nil
  for i = 1, waiters and #waiters or 0, 2 do core.wake(waiters[i], waiters[i + 1]) end
  return waiters ~= nil
end

local function run(self, f, args)
  local results = pack(xpcall(f, core.caught, unpack(args, 1, args.n)))
  if results[1] then
    settle(self, results)
    return
  end
  local message = results[2].message
  results[2] = failure("error", results[2])
  if not settle(self, results) then -- nobody waits for it: somebody should, before the job ends
    self.stray = true
    core.stray(1, message)
  end
end

local function take(self)
  if self.stray then
    self.stray = nil
    core.stray(-1)
  end
  return unpack(self.results, 1, self.results.n)
end

local function wait_on(self, fiber, serial)
  if fiber == self.fiber then error("an async function cannot wait for itself", 3) end
  local waiters = self.waiters or {}
  self.waiters = waiters
  waiters[#waiters + 1] = fiber
  waiters[#waiters + 1] = serial
end

-- Adds them to `neap`: once for each plugin, so that plugins share no table.
function core.add_async(neap)
  -- What a handle stands for is out of a task's reach, which could put anything into a field:
  -- handle -> {fiber=, born=, results=, waiters=, stray=}.
  local private = setmetatable({}, { __mode = "k" })

  local function of(public, method)
    local self = private[public]
    if not self then error(method .. ": not a handle of neap.async", 3) end
    return self
  end

  local handle = {}

  -- handle:wait([timeout]) -> true, results... | false, error
  function handle.wait(public, timeout)
    local self = of(public, "wait")
    if not self.results then
      wait_on(self, core.self())
      local _, killed
      if timeout == nil then _, killed = core.park() else _, killed = core.park_for(timeout) end
      if killed then return nil, killed end
      if not self.results then
        return false, core.failure("timeout", "the async function has not ended yet")
      end
    end
    return take(self)
  end

  local function cancel(self)
    if self.results then return end
    settle(self, pack(false, core.failure("cancelled", "the async function was cancelled")))
    core.kill(self.fiber, self.born)
  end

  -- handle:cancel(): stops it; its to-be-closed variables run.
  function handle.cancel(public) cancel(of(public, "cancel")) end

  local meta = {
    __index = handle, __metatable = false, __name = "neap.async",
    __tostring = function(public)
      local results = of(public, "tostring").results
      return "async function: "
        .. (not results and "running" or results[1] and "ended" or results[2].code)
    end,
  }

  local function start(f, args)
    local self, public = {}, setmetatable({}, meta)
    local fiber, born = core.spawn(function() return run(self, f, args) end)
    if not fiber then return nil, born end
    self.fiber, self.born = fiber, born
    private[public] = self
    return public, self
  end

  -- Runs f(...) beside the caller, in the same job: it begins once the caller waits. Returns a
  -- handle.
  function neap.async(f, ...)
    if type(f) ~= "function" then error("neap.async: a function, got " .. type(f), 2) end
    local public, why = start(f, pack(...))
    return public, not public and why or nil
  end

  local function check_list(list, who)
    if type(list) ~= "table" then error(who .. ": a list, got " .. type(list), 3) end
  end

  -- core.is_job: under test the handle of a job is a table.
  local is_job = core.is_job or function(item) return type(item) == "userdata" end

  local function wait_for_job(job)
    return job:wait()
  end

  local function started(f, args)
    local public, self = start(f, args)
    if public then return self end
    return nil, self
  end

  -- What stands for whatever may be waited for, and whether that is not the caller's own to cancel;
  -- or nil and why.
  local function as_handle(item, i)
    if type(item) == "function" then return started(item, pack()) end
    if private[item] then return private[item] end
    if is_job(item) then
      local self, why = started(wait_for_job, pack(item))
      return self, self and true or why
    end
    error("neap.race: item " .. i .. " is no function, handle or job", 3)
  end

  local function first_done(handles)
    for i = 1, #handles do
      if handles[i].results then return i end
    end
  end

  -- neap.race{functions, handles or jobs} -> index, true, results... | index, false, error
  -- of the first that ends; the other functions and handles are cancelled, jobs are not.
  function neap.race(list)
    check_list(list, "neap.race")
    local handles, of_job = {}, {}
    for i = 1, #list do
      local one, other = as_handle(list[i], i)
      if not one then return nil, other end
      handles[i], of_job[i] = one, other
    end
    if #handles == 0 then error("neap.race: an empty list never ends", 2) end
    local winner = first_done(handles)
    if not winner then
      local fiber, serial = core.self()
      for i = 1, #handles do wait_on(handles[i], fiber, serial) end
      local _, killed = core.park()
      if killed then return nil, killed end
      winner = first_done(handles)
    end
    for i = 1, #handles do
      if i ~= winner then cancel(handles[i]) end
    end
    if of_job[winner] and handles[winner].results[1] then -- what job:wait() gave
      return winner, unpack(handles[winner].results, 2, handles[winner].results.n)
    end
    return winner, take(handles[winner])
  end

  -- Waits for all, in order. Returns their results and, where any failed, a table of the errors,
  -- both by their places in the list.
  function neap.all(list)
    check_list(list, "neap.all")
    local results, errors = {}, nil
    for i = 1, #list do
      local ok, value = list[i]:wait()
      if ok then
        results[i] = value
      elseif ok == nil then
        return nil, value -- killed
      else
        errors = errors or {}
        errors[i] = value
      end
    end
    return results, errors
  end
end
