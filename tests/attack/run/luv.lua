-- luacheck: globals kept left
-- luv, misused. Handles and requests are left open all over: nothing of them is to outlive its job.
local cases = require "cases"
local neap = require "neap"
local here, uv = pcall(require, "luv")
local any = cases.new()

local function case(name, state, text, f) any(name, state, text, f, "standard") end
local function harmless(name, f)
  case(name, "completed", "harmless", function(...) f(...) return "harmless" end)
end

-- Runs f in a callback, and waits for it.
local function in_callback(f)
  local done = neap.signal()
  uv.new_timer():start(0, 0, function()
    f()
    done:set()
  end)
  assert(done:wait("10s"))
end

local function ends_in_callback(name, state, text, f)
  case("in a callback: " .. name, state, text, function(args, ctx)
    uv.new_timer():start(0, 0, function() f(args, ctx) end)
    neap.sleep(10)
  end)
end

local MAKERS = {
  "new_async", "new_check", "new_fs_event", "new_fs_poll", "new_idle", "new_pipe", "new_prepare",
  "new_tcp", "new_timer", "new_udp",
}

local function nothing() end

local function make(name)
  if name == "new_async" then return uv.new_async(function() end) end
  if name == "new_pipe" then return uv.new_pipe(false) end
  return uv[name]()
end

case("it is there", "completed", "true", function() return here or uv end)
case("what it lacks", "completed", "refused", function()
  for _, name in ipairs {
    "run", "stop", "walk", "loop_close", "loop_mode", "loop_configure", "new_thread", "new_work",
    "queue_work", "new_signal", "spawn", "kill", "chdir", "os_setenv", "os_unsetenv", "setuid",
    "setgid", "set_process_title", "os_setpriority", "sleep", "disable_stdio_inheritance",
    "print_all_handles", "print_active_handles", "new_tty", "fs_open", "fs_close", "pipe_open",
    "tcp_open", "udp_open", "backend_fd", "stream_set_blocking", "write2", "pipe", "socketpair",
  } do
    local ok, e = pcall(uv[name])
    assert(not ok and e:find("luv." .. name .. " is not available in a task: ", 1, true), name)
  end
  assert(uv._loop == nil)
  return "refused"
end)

-- --- callbacks ---------------------------------------------------------------------------------

ends_in_callback("an error", "dead", "task.lua:", function() error("mine") end)
ends_in_callback("an odd error", "dead", "(error object is a table value)", function()
  error({})
end)
ends_in_callback("no error value", "dead", "(error object is a nil value)", function() error() end)
ends_in_callback("a loop", "dead", "a callback of luv did not end", function()
  while true do end
end)
ends_in_callback("a loop in pcall", "dead", "a callback of luv did not end", function()
  while true do pcall(function() while true do end end) end
end)
ends_in_callback("a loop in a handler", "dead", "a callback of luv did not end", function()
  while true do xpcall(error, function() while true do end end) end
end)
ends_in_callback("a loop in a coroutine", "dead", "a callback of luv did not end", function()
  while true do coroutine.wrap(function() while true do end end)() end
end)
ends_in_callback("recursion", "dead", "", function()
  local function deep() return 1 + deep() end
  deep()
end)
ends_in_callback("ctx:fail", "dead", "because", function(_, ctx) ctx:fail("because") end)
ends_in_callback("ctx:fail in pcall", "dead", "because", function(_, ctx)
  while true do pcall(ctx.fail, ctx, "because") end
end)
ends_in_callback("ctx:cancel", "cancelled", "because", function(_, ctx) ctx:cancel("because") end)
ends_in_callback("neap.sleep", "dead", "cannot wait here", function() neap.sleep(0) end)
ends_in_callback("a signal", "dead", "cannot wait here", function() neap.signal():wait() end)
ends_in_callback("job:wait", "dead", "cannot wait here", function()
  neap.submit("probe.task"):wait()
end)
ends_in_callback("neap.all", "dead", "cannot wait here", function()
  neap.all { neap.submit("probe.task") }
end)
ends_in_callback("coroutine.yield", "dead", "outside a coroutine", function() coroutine.yield() end)
ends_in_callback("a wait in a coroutine", "dead", "cannot wait here", function()
  coroutine.wrap(function() neap.sleep(0) end)()
end)
ends_in_callback("a new global", "dead", "global 'new' is not declared", function()
  _ENV["new"] = 1
end)
case("what acts without waiting works in a callback", "completed", "yes", function(_, ctx)
  local job
  in_callback(function()
    neap.log.info("from a callback")
    print("printed there")
    ctx:progress(0.5)
    job = neap.submit("probe.task")
    assert(ctx.attempt == 1 and ("x"):upper() == "X")
  end)
  assert(job:wait())
  return "yes"
end)
case("all of neap in a callback", "completed", "tried", function()
  local function try(f, depth)
    if type(f) == "function" then
      pcall(f)
      pcall(f, "/none/x")
      pcall(f, {})
      pcall(f, function() end)
      pcall(f, { function() end })
      pcall(f, { "true" })
    elseif type(f) == "table" and depth < 3 then
      for _, one in pairs(f) do try(one, depth + 1) end
    end
  end
  in_callback(function() try(neap, 1) end)
  return "tried"
end)
case("a callback resumes a coroutine", "completed", "1 2 3", function()
  local done = neap.signal()
  local co
  co = coroutine.create(function()
    local seen = {}
    local timer = uv.new_timer()
    for i = 1, 3 do
      timer:start(1, 0, function() assert(coroutine.resume(co, i)) end)
      seen[i] = coroutine.yield()
    end
    done:set(table.concat(seen, " "))
  end)
  assert(coroutine.resume(co))
  local _, text = done:wait()
  return text
end)
case("a coroutine that waits is not resumed", "completed", "non-suspended", function()
  local co = coroutine.create(function() neap.sleep(0.02) end)
  local why
  uv.new_timer():start(0, 0, function() why = select(2, coroutine.resume(co)) end)
  coroutine.resume(co)
  return why
end)
case("a callback of a job that has ended", "completed", "dropped", function()
  kept = false
  neap.submit("luv.task", { case = "leaves a timer" }):wait()
  neap.sleep(0.03)
  return kept or "dropped"
end)
kept = false
case("leaves a timer", "completed", "left", function()
  uv.new_timer():start(5, 5, function() kept = "called" end)
  return "left"
end)
case("a handle of a job that has ended", "completed", "EBADF", function()
  neap.submit("luv.task", { case = "leaves a handle" }):wait()
  local ok, _, code = left:start(0, 0, print)
  assert(left:is_closing() and not left:is_active() and not ok)
  assert(not pcall(left.close, left))
  return code
end)
left = false
case("leaves a handle", "completed", "left", function()
  left = uv.new_timer()
  return "left"
end)
case("in a close of a job that is killed", "dead", "because", function(_, ctx)
  local timer = uv.new_timer()
  local _ <close> = setmetatable({}, { __close = function()
    assert(timer:is_closing() and select(2, uv.new_timer()) == "killed")
    pcall(timer.close, timer)
    pcall(timer.start, timer, 0, 0, print)
  end })
  ctx:fail("because")
end)

-- --- handles and requests ----------------------------------------------------------------------

harmless("closed handles", function()
  for _, name in ipairs(MAKERS) do
    local handle, other = make(name), make(name)
    handle:close()
    assert(handle:is_closing() and not pcall(handle.close, handle))
    for key, f in pairs(uv) do
      if type(f) == "function" and key ~= "close" then
        pcall(f, handle)
        pcall(f, handle, other, nothing)
        pcall(f, other, handle)
        pcall(f, handle, "127.0.0.1", 1, nothing)
        pcall(f, handle, "/tmp", {}, nothing)
        pcall(f, handle, 0, 0, nothing)
        pcall(f, handle, nothing)
      end
    end
    neap.sleep(0) -- now it is closed, not only closing
    pcall(handle.start, handle, 0, 0, nothing)
    pcall(handle.start, handle, nothing)
    pcall(handle.send, handle)
  end
end)
harmless("many handles", function()
  local last
  for _ = 1, 10000 do last = uv.new_timer() end
  local ok, e = pcall(uv.new_timer)
  assert(not ok and e:find("at most 10000 open handles", 1, true), e)
  last:close()
  uv.new_timer()
  assert(not pcall(uv.new_tcp))
end)
harmless("odd arguments", function()
  local odd = {
    true, 0, -1, 0 / 0, 1e308, math.mininteger, "", "/none/x", ("/none"):rep(2000), {}, { {} },
    nothing,
    coroutine.create(print), neap.null, io.stdout, setmetatable({}, { __call = print }),
  }
  for name, f in pairs(uv) do
    if type(f) == "function" and not name:find("^fs_") then -- those would take a number for a name
      pcall(f)
      for i = 1, #odd do
        pcall(f, odd[i])
        pcall(f, odd[i], odd[#odd + 1 - i], nothing)
        pcall(f, odd[1 + (i * 5) % #odd], odd[1 + (i * 3) % #odd], odd[i], nothing)
        pcall(f, "/none/x", odd[i], odd[i], nothing)
      end
    elseif type(f) == "function" then
      for i = 1, #odd do
        if type(odd[i]) ~= "number" then
          pcall(f, odd[i])
          pcall(f, odd[i], nothing)
          pcall(f, "/none/x", odd[i], odd[i], nothing)
        end
      end
    end
  end
  for _, name in ipairs(MAKERS) do
    local handle = make(name)
    for key, f in pairs(uv) do
      if type(f) == "function" and key ~= "close" and key ~= "idle_start" then
        pcall(f, handle)
        for i = 1, #odd do
          pcall(f, handle, odd[i], odd[#odd + 1 - i])
          pcall(f, handle, odd[i], nothing)
          pcall(f, handle, odd[i], odd[i], nothing)
          pcall(f, handle, handle, nothing)
        end
      end
    end
  end
end)
harmless("every kind left open, at work", function()
  uv.new_timer():start(0, 1, function() end)
  uv.new_idle():start(function() end)
  uv.new_prepare():start(function() end)
  uv.new_check():start(function() end)
  uv.new_async(function() end):send()
  uv.new_fs_event():start("/tmp", {}, function() end)
  uv.new_fs_poll():start("/tmp", 1, function() end)
  local server, client = uv.new_tcp(), uv.new_tcp()
  server:bind("127.0.0.1", 0)
  server:listen(1, function() end)
  client:connect("127.0.0.1", server:getsockname().port, function() end)
  client:write(("x"):rep(1 << 20), function() end)
  client:shutdown(function() end)
  local udp = uv.new_udp()
  udp:bind("127.0.0.1", 0)
  udp:recv_start(function() end)
  udp:send("x", "127.0.0.1", udp:getsockname().port, function() end)
  local pipe = uv.new_pipe(false)
  pipe:bind(os.tmpname() .. ".sock")
  pipe:listen(1, function() end)
  uv.getaddrinfo("localhost", "80", {}, function() end)
  for _ = 1, 50 do uv.fs_stat("/tmp", function() end) end
  neap.sleep(0.002)
end)
harmless("a thousand timers, nobody holds them", function()
  for i = 1, 1000 do uv.new_timer():start(i % 3, 1, function() end) end
  for _ = 1, 100 do collectgarbage() end
  neap.sleep(0.005)
end)
harmless("made and closed, again and again", function()
  for _ = 1, 20 do
    for _ = 1, 50 do
      local timer = uv.new_timer()
      timer:start(0, 0, function() error("closed") end) -- between two waits no callback runs
      timer:close(function() end)
    end
    neap.sleep(0)
  end
end)
harmless("closed in its own callback", function()
  uv.new_timer():start(1, 1, function() end) -- else nothing turns the loop, and check waits
  for _, name in ipairs { "new_idle", "new_check", "new_prepare" } do
    local done, handle = neap.signal(), make(name)
    handle:start(function()
      handle:close(function() done:set() end)
      assert(not handle:start(nothing))
    end)
    assert(done:wait("10s"))
  end
end)
harmless("connect, again and again", function()
  local pipe, tcp = uv.new_pipe(false), uv.new_tcp()
  assert(pipe:connect("/none/x", function() end))
  for _ = 1, 3 do
    assert(not pcall(pipe.connect, pipe, "/none/x", function() end))
    tcp:connect("127.0.0.1", 1, function() end)
  end
  pcall(tcp.accept, tcp, tcp)
  pcall(tcp.accept, tcp, pipe)
  pcall(tcp.accept, pipe, tcp)
  tcp:listen(1, nothing)
  tcp:listen(1, nothing)
  tcp:read_start(nothing)
  neap.sleep(0.01)
end)
harmless("requests cancelled", function()
  local requests = {}
  for i = 1, 100 do requests[i] = uv.fs_stat("/tmp", function() end) end
  for _, request in ipairs(requests) do
    pcall(uv.cancel, request)
    pcall(uv.cancel, request)
  end
  neap.sleep(0.01)
  for _, request in ipairs(requests) do pcall(uv.cancel, request) end
  for _, request in ipairs(requests) do pcall(tostring, request) end
end)
harmless("odd values to async_send", function()
  local async = uv.new_async(function() end)
  for _, v in ipairs { {}, print, async, io.stdout, coroutine.create(print), neap.null } do
    assert(not pcall(async.send, async, v))
  end
  assert(async:send())
  neap.sleep(0.001)
end)
harmless("odd data to write", function()
  local tcp = uv.new_tcp()
  for _, v in ipairs { { 1 }, { {} }, { "x", {} }, { tcp }, 5, true, print, {} } do
    pcall(tcp.write, tcp, v)
    pcall(tcp.try_write, tcp, v)
    pcall(uv.udp_send, uv.new_udp(), v, "127.0.0.1", 1, nothing)
  end
end)
harmless("descriptors that are not one's own", function()
  for fd = -1, 2 do assert(not pcall(uv.new_poll, fd)) end
  assert(not uv.new_poll(987654))
  local file <close> = io.open("/dev/null")
  for fd = 3, 40 do
    local poll = uv.new_poll(fd)
    if poll then
      poll:start("rw", function() end)
      poll:stop()
      poll:start("r", function() end)
      poll:close()
    end
  end
  assert(file)
end)
case("what would block needs a callback", "completed", "both", function()
  assert(not pcall(uv.getaddrinfo, "localhost") and not pcall(uv.getnameinfo, { ip = "127.0.0.1" }))
  return "both"
end)
harmless("its tables changed", function()
  local timer = uv.new_timer()
  assert(not getmetatable(timer) and not pcall(function() timer.start = print end))
  local kept = {}
  for name, f in pairs(uv) do kept[name] = f end
  uv.constants.AF_INET = "mine"
  for name in pairs(uv) do uv[name] = print end
  for name, f in pairs(kept) do uv[name] = f end
  timer:start(0, 0, nothing)
end)

return any.task
