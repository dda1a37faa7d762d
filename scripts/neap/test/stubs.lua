-- neap.http, neap.mail and neap.exec of a spec: what goes out is noted, and answered as the spec
-- says. The arguments are checked as neap checks them.
local core = ...

local type, next, pairs, ipairs, pcall = type, next, pairs, ipairs, pcall
local error, tostring, select = error, tostring, select
local concat = table.concat

local function set(text)
  local names = {}
  for name in text:gmatch("%S+") do
    names[name] = true
  end
  return names
end

local OPTIONS = {
  ["neap.http.request"] = set [[url method headers body json timeout connect_timeout redirects
                                max_body to verify ca user password]],
  ["neap.mail.send"] = set [[server tls user password from to cc bcc reply_to subject text html
                             attachments headers timeout verify ca]],
  ["neap.exec"] = set "stdin cwd env clear_env timeout max_output stderr",
}

local stubs = {}

-- --- checks --------------------------------------------------------------------------------------

local function names_of(known)
  local names = {}
  for name in next, known do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- Raises on a name that is none. Levels, here as below, are such that the task's line is named.
function stubs.check_options(who, options, known, level)
  if type(options) ~= "table" then
    error(who .. ": options are a table, got " .. type(options), level)
  end
  for name in next, options do
    if not known[name] then
      local near = type(name) == "string" and core.nearest(name, names_of(known))
      error(("%s: unknown option '%s'%s"):format(who, tostring(name),
            near and " (did you mean '" .. near .. "'?)" or ""), level)
    end
  end
end

local function check_text(who, options, name, level, optional)
  local value = options[name]
  if type(value) ~= "string" and not (optional and value == nil) then
    error(("%s: %s is a string, got %s"):format(who, name, type(value)), level)
  end
end

local function duration_of(who, value, otherwise, level)
  if value == nil then
    value = otherwise
  elseif value == "none" then
    value = 0
  end
  return core.duration(value)
    or error(who .. ": a duration is a number of seconds or text such as \"250ms\", \"1m30s\", got "
             .. tostring(value), level)
end

-- --- stubs ---------------------------------------------------------------------------------------

-- "GET http://api/*": a * stands for anything.
local function pattern_of(text)
  return "^" .. text:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$"
end

local function new_list(...)
  local replies = { ... }
  return { replies = replies, count = select("#", ...), used = 0 }
end

-- The next reply of a stub; the last one stays. It may be a function of the call: what that raises
-- is the spec's.
local function reply_of(world, stub, call)
  stub.used = stub.used < stub.count and stub.used + 1 or stub.count
  local reply = stub.replies[stub.used]
  if type(reply) == "function" then
    local ok, value, message, code = pcall(reply, call)
    if not ok then
      world:stop(value)
    elseif value == nil then
      return { error = message or "failed", code = code }
    end
    return value
  end
  return reply or {}
end

-- The stub for a call by any of its names; the one set last wins.
local function find(list, ...)
  for i = #list, 1, -1 do
    for _, name in ipairs { ... } do
      if name:find(list[i].pattern) then
        return list[i]
      end
    end
  end
end

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local new = {}
  for key, item in next, value do
    new[key] = copy(item)
  end
  return new
end

-- --- http ----------------------------------------------------------------------------------------

local function json_method(self)
  return core.neap.json.decode(self.body or "")
end

local function request_of(options)
  local who = "neap.http.request"
  stubs.check_options(who, options, OPTIONS[who], 4)
  check_text(who, options, "url", 4)
  check_text(who, options, "method", 4, true)
  check_text(who, options, "body", 4, true)
  if options.body and options.json ~= nil then
    error(who .. ": either body or json, not both", 3)
  end
  local request = copy(options)
  request.method = (options.method or "GET"):upper()
  request.headers = {}
  for name, value in pairs(options.headers or {}) do
    request.headers[name:lower()] = tostring(value)
  end
  if options.json ~= nil then
    request.body = core.neap.json.encode(options.json)
    request.headers["content-type"] = request.headers["content-type"] or "application/json"
  end
  return request, duration_of(who, options.timeout, "30s", 4)
end

local function response_of(request, reply)
  local body = reply.body or reply.json ~= nil and core.neap.json.encode(reply.json) or ""
  local max = request.max_body == nil and 16 << 20 or core.size(request.max_body)
  if max and not request.to and #body > max then
    return nil, ("the body is larger than %d bytes"):format(max), "too_large"
  end
  local headers = {}
  for name, value in pairs(reply.headers or {}) do
    headers[name:lower()] = tostring(value)
  end
  if reply.json ~= nil then
    headers["content-type"] = headers["content-type"] or "application/json"
  end
  local status = reply.status or 200
  if request.to and status >= 200 and status < 300 then
    local file, message = io.open(request.to, "wb")
    if not file then
      return nil, message, "io"
    end
    file:write(body)
    file:close()
    body = nil
  end
  return { status = status, headers = headers, body = body,
           url = reply.url or request.url, json = json_method }
end

local function new_http(world, list)
  local http = {}
  function http.request(options)
    world:check_acting("neap.http.request")
    local request, timeout = request_of(options)
    if not request.url:find("^[hH][tT][tT][pP][sS]?://.") then
      return nil, "'" .. request.url .. "' is no URL of http or https", "url"
    end
    local name = request.method .. " " .. request.url
    world:note("requests", request)
    local stub = find(list, name, request.url)
    if not stub then
      world:fail("neap.http: nothing answers " .. name .. ": t:http(\"" .. name
                 .. "\", { status = 200, body = ... })")
    end
    local reply = reply_of(world, stub, request)
    local delay = core.duration(reply.delay or 0)
    local late = timeout > 0 and delay >= timeout
    world:sleep(late and timeout or delay, "neap.http.request")
    if late then
      return nil, "no answer within " .. tostring(options.timeout or "30s"), "timeout"
    elseif reply.error then
      return nil, reply.error, reply.code or "connect"
    end
    return response_of(request, reply)
  end
  local function short(method)
    return function(url, options)
      local all = copy(options or {})
      all.url, all.method = url, all.method or method
      return http.request(all)
    end
  end
  http.get, http.post = short("GET"), short("POST")
  return http
end

-- --- mail ----------------------------------------------------------------------------------------

local function new_mail(world, state)
  local mail = {}
  function mail.send(message)
    local who = "neap.mail.send"
    world:check_acting(who)
    stubs.check_options(who, message, OPTIONS[who], 3)
    check_text(who, message, "server", 3)
    check_text(who, message, "from", 3)
    local timeout = duration_of(who, message.timeout, "60s", 3)
    if message.to == nil and message.cc == nil and message.bcc == nil then
      error(who .. ": to: a mail needs somebody to go to", 2)
    end
    world:note("mails", copy(message))
    if not state.mail then
      local to = type(message.to) == "table" and concat(message.to, ", ") or tostring(message.to)
      world:fail("neap.mail.send: nothing takes the mail to " .. to .. ": t:mail()")
    end
    local reply = reply_of(world, state.mail, message)
    local delay = core.duration(reply.delay or 0)
    local late = timeout > 0 and delay >= timeout
    world:sleep(late and timeout or delay, who)
    if late then
      return nil, "no answer within " .. tostring(message.timeout or "60s"), "timeout"
    elseif reply.error then
      return nil, reply.error, reply.code or "connect"
    end
    state.mails = (state.mails or 0) + 1
    return { id = reply.id or ("<%d@test>"):format(state.mails) }
  end
  return mail
end

-- --- exec ----------------------------------------------------------------------------------------

local function command_of(command)
  if type(command) == "string" then
    return command
  elseif type(command) ~= "table" or type(command[1]) ~= "string" then
    error("neap.exec: a command is a list of strings or a string for the shell, got "
          .. type(command), 3)
  end
  local words = {}
  for i, word in ipairs(command) do
    words[i] = tostring(word)
  end
  return concat(words, " ")
end

local function new_exec(world, list)
  return function(command, options)
    local who = "neap.exec"
    world:check_acting(who)
    local text = command_of(command)
    options = options or {}
    stubs.check_options(who, options, OPTIONS[who], 3)
    local timeout = duration_of(who, options.timeout, 0, 3)
    local call = copy(options)
    call.command = copy(command)
    world:note("commands", call)
    local stub = find(list, text)
    if not stub then
      world:fail("neap.exec: nothing runs " .. text .. ": t:exec(\"" .. text .. "\", { code = 0 })")
    end
    local reply = reply_of(world, stub, call)
    local delay = core.duration(reply.delay or 0)
    local late = timeout > 0 and delay >= timeout
    world:sleep(late and timeout or delay, who)
    if reply.error then
      return nil, reply.error, reply.code
    end
    local out, err = reply.stdout or "", reply.stderr or ""
    if options.stderr == "stdout" then
      out, err = out .. err, ""
    end
    local max = core.size(options.max_output or "1M")
    return {
      code = not late and not reply.signal and (reply.code or 0) or nil,
      signal = late and 9 or reply.signal,
      stdout = out:sub(1, max), stderr = err:sub(1, max),
      truncated = #out > max or #err > max, timed_out = late,
    }
  end
end

-- --- the whole -----------------------------------------------------------------------------------

-- Puts the three into `neap` and gives what sets them: {http=, mail=, exec=}, each function(...).
function stubs.new(world, neap)
  local requests, commands, state = {}, {}, {}
  neap.http, neap.mail = new_http(world, requests), new_mail(world, state)
  neap.exec = new_exec(world, commands)
  local function adder(list, who)
    return function(pattern, ...)
      if type(pattern) ~= "string" then
        error(who .. ": what is it an answer to? A string, got " .. type(pattern), 3)
      end
      local stub = new_list(...)
      stub.pattern = pattern_of(pattern)
      list[#list + 1] = stub
    end
  end
  return {
    http = adder(requests, "t:http"), exec = adder(commands, "t:exec"),
    mail = function(...) state.mail = new_list(...) end,
  }
end

stubs.copy = copy

return stubs
