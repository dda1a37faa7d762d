-- neap.signal: how a callback of luv tells code that waits. Set once; who waits goes on.
local core = ...

local setmetatable = setmetatable
local pack, unpack = table.pack, table.unpack

-- What a signal is stays in closures: a task could put anything into a field.
local function new()
  local values, waiters = nil, {}
  local signal = {}

  -- signal:set(...): false if it was set before.
  function signal.set(_, ...)
    if values then return false end
    values = pack(...)
    for i = 1, #waiters, 2 do core.wake(waiters[i], waiters[i + 1]) end
    waiters = nil
    return true
  end

  -- signal:wait([timeout]) -> true, values... | false, error
  function signal.wait(_, timeout)
    if not values then
      local fiber, serial = core.self()
      waiters[#waiters + 1] = fiber
      waiters[#waiters + 1] = serial
      local _, killed
      if timeout == nil then _, killed = core.park() else _, killed = core.park_for(timeout) end
      if killed then return nil, killed end
      if not values then
        return false, core.failure("timeout", "the signal has not been set yet")
      end
    end
    return true, unpack(values, 1, values.n)
  end

  function signal.is_set() return values ~= nil end

  return setmetatable(signal, { __metatable = false, __name = "neap.signal" })
end

core.neap.signal = new
