-- Virtual time: fibers that wait cost nothing, the clock jumps to whatever is due next.
--
-- A fiber is a coroutine with those that its code nests inside. To wait, the innermost yields PARK;
-- each resumer on the way (clock.coroutines) yields it on, down to the clock. To end for good it
-- yields QUIT: its to-be-closed variables run, and nothing resumes it.
local create, resume, yield, status, close = coroutine.create, coroutine.resume, coroutine.yield,
                                             coroutine.status, coroutine.close
local running, isyieldable, wrap = coroutine.running, coroutine.isyieldable, coroutine.wrap
local pack, unpack, remove, insert = table.pack, table.unpack, table.remove, table.insert
local error, pcall, xpcall, setmetatable, traceback = error, pcall, xpcall, setmetatable,
                                                      debug.traceback

local PARK, QUIT = {}, setmetatable({}, { __tostring = function() return "the job has ended" end })

local clock = {}
clock.__index = clock

-- where(): "FILE:LINE: " for messages; whoever makes one may set it.
function clock.new(start_ms)
  return setmetatable({ start_ms = start_ms, now_ms = 0, ready = {}, timers = {},
                        where = function() return "" end }, clock)
end

function clock:unix_ms()
  return self.start_ms + self.now_ms
end

-- --- fibers --------------------------------------------------------------------------------------

-- f(...) as a fiber, which begins at the next turn. Its `ok` and `results` are set at its end.
function clock:spawn(f, ...)
  local fiber = { nested = {}, serial = 0, waiters = {}, trace = nil }
  local args = pack(...)
  fiber.co = create(function()
    fiber.results = pack(xpcall(f, function(err)
      if err ~= QUIT and fiber.trace == nil then
        fiber.trace = traceback("", 2):gsub("^\n", "")
      end
      return err
    end, unpack(args, 1, args.n)))
  end)
  self.ready[#self.ready + 1] = fiber
  return fiber
end

local function nested_of(self)
  return self.current and self.current.nested
end

local function finish(self, fiber, ok, results)
  fiber.done, fiber.ok, fiber.results = true, ok, results
  for _, waiter in ipairs(fiber.waiters) do
    self:wake(waiter.fiber, waiter.serial, true)
  end
  if fiber.at_end then
    fiber:at_end()
  end
end

-- Ends it where it stands, innermost coroutine first, so that `<close>` variables run.
function clock:kill(fiber, why)
  if fiber.done then
    return
  end
  local before = self.current
  self.current, fiber.closing = fiber, true
  for i = #fiber.nested, 1, -1 do
    close(fiber.nested[i])
  end
  if status(fiber.co) == "suspended" then
    close(fiber.co)
  end
  self.current = before
  finish(self, fiber, false, { false, why, n = 2 })
end

local function step(self, fiber)
  local values = fiber.values or {}
  self.current, fiber.values = fiber, nil
  local ok, mark = resume(fiber.co, unpack(values, 1, values.n))
  self.current = nil
  if fiber.done then
    return
  elseif not ok then -- cannot be: its body is protected
    finish(self, fiber, false, { false, mark, n = 2 })
  elseif mark == QUIT or status(fiber.co) == "dead" and fiber.results[2] == QUIT then
    self:kill(fiber, fiber.why)
  elseif status(fiber.co) == "dead" then
    finish(self, fiber, fiber.results[1], fiber.results)
  end
end

-- --- waiting -------------------------------------------------------------------------------------

-- Suspends the current fiber until clock:wake; returns what that gave it.
function clock:park(name)
  local fiber = self.current
  if fiber.closing then
    return nil, "killed"
  elseif not isyieldable() then
    error(self.where() .. name .. " cannot wait here: inside a function that C called "
          .. "(a sort comparator, a gsub callback...)", 0)
  end
  fiber.serial = fiber.serial + 1
  return yield(PARK)
end

function clock:wake(fiber, serial, ...)
  if not fiber.done and fiber.serial == serial then
    fiber.serial = serial + 1
    fiber.values = pack(...)
    self.ready[#self.ready + 1] = fiber
  end
end

-- Wakes the fiber with `...` in so many ms, if it has not been before.
function clock:wake_in(ms, fiber, serial, ...)
  local timer = { due = self.now_ms + ms, fiber = fiber, serial = serial, values = pack(...) }
  local low, high = 1, #self.timers + 1
  while low < high do
    local middle = (low + high) // 2
    if self.timers[middle].due <= timer.due then
      low = middle + 1
    else
      high = middle
    end
  end
  insert(self.timers, low, timer)
end

function clock:sleep(ms, name)
  local fiber = self.current
  if not fiber then -- the spec itself
    return self:advance(ms)
  end
  self:wake_in(ms, fiber, fiber.serial + 1)
  return self:park(name)
end

-- Waits until `other` has ended: true; false when `ms` (nil: for ever) are over.
function clock:join(other, ms, name)
  if other.done then
    return true
  end
  local fiber = self.current
  if not fiber then
    self:run(other, ms and self.now_ms + ms)
    return other.done or false
  end
  other.waiters[#other.waiters + 1] = { fiber = fiber, serial = fiber.serial + 1 }
  if ms then
    self:wake_in(ms, fiber, fiber.serial + 1, false)
  end
  return self:park(name)
end

-- Ends the current fiber for good; no pcall of clock.coroutines holds it.
function clock:quit(why)
  self.current.why = why
  if isyieldable() and not self.current.closing then
    yield(QUIT)
  end
  error(QUIT, 0)
end

-- --- running -------------------------------------------------------------------------------------

local function drop_stale(self)
  local timer = self.timers[1]
  while timer and (timer.fiber.done or timer.fiber.serial ~= timer.serial) do
    remove(self.timers, 1)
    timer = self.timers[1]
  end
  return timer
end

-- Runs all fibers until `fiber` has ended (nil: until nothing is left to do). False: it has not by
-- `until_ms`, waits for what never comes, or self.failure says why the spec cannot go on.
function clock:run(fiber, until_ms)
  assert(not self.current, "a task cannot run the clock")
  while not (fiber and fiber.done) do
    local next_one = remove(self.ready, 1)
    if self.failure then
      return false
    elseif next_one then
      if not next_one.done then
        step(self, next_one)
      end
    else
      local timer = drop_stale(self)
      if until_ms and (not timer or timer.due > until_ms) then
        self.now_ms = until_ms > self.now_ms and until_ms or self.now_ms
        return false
      elseif not timer then
        return false
      end
      remove(self.timers, 1)
      self.now_ms = timer.due > self.now_ms and timer.due or self.now_ms
      self:wake(timer.fiber, timer.serial, unpack(timer.values, 1, timer.values.n))
    end
  end
  return true
end

function clock:advance(ms)
  self:run(nil, self.now_ms + ms)
end

-- --- what a task sees ----------------------------------------------------------------------------

-- The functions of `coroutine` that a wait gets through, and pcall and xpcall that hold no QUIT.
function clock:coroutines()
  local own = {}
  for name, f in next, coroutine do
    own[name] = f
  end
  local function after(co, ...)
    local mark = select(2, ...)
    while mark == PARK or mark == QUIT do
      local values = pack(yield(mark))
      local got = pack(resume(co, unpack(values, 1, values.n)))
      mark = got[2]
      if mark ~= PARK and mark ~= QUIT then
        return unpack(got, 1, got.n)
      end
    end
    return ...
  end
  local function left(nested, ...)
    if nested then
      nested[#nested] = nil
    end
    if not (...) and select(2, ...) == QUIT then
      error(QUIT, 0)
    end
    return ...
  end
  function own.resume(co, ...)
    local nested = nested_of(self)
    if nested and type(co) == "thread" and status(co) == "suspended" then
      nested[#nested + 1] = co
      return left(nested, after(co, resume(co, ...)))
    end
    return resume(co, ...)
  end
  local function unwrapped(ok, ...)
    if not ok then
      error((...), 0)
    end
    return ...
  end
  function own.wrap(f)
    wrap(f) -- complains of what is no function
    local co = create(f)
    return function(...) return unwrapped(own.resume(co, ...)) end
  end
  function own.yield(...)
    if self.current and running() == self.current.co then
      error("attempt to yield from outside a coroutine", 2)
    end
    return yield(...)
  end
  local function held(ok, ...)
    if not ok and (...) == QUIT then
      error(QUIT, 0)
    end
    return ok, ...
  end
  local function own_pcall(...) return held(pcall(...)) end
  local function own_xpcall(f, handler, ...)
    return held(xpcall(f, function(err)
      if err == QUIT then
        return QUIT
      end
      return handler(err)
    end, ...))
  end
  return own, own_pcall, own_xpcall
end

return clock
