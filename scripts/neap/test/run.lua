-- The specs of one file in `neap test`, with busted's words: describe, it, before_each and so on.
--
-- parts: core with begin(name) and report(kind, name, message, traceback) of the C side, and
-- compile(text, path). Each test is reported once: "ok", "failed", "pending"; "error" is what kept
-- tests from running.
local parts = ...

local core, script = parts.core, parts.script
local type, ipairs, pairs, error, tostring, xpcall = type, ipairs, pairs, error, tostring, xpcall
local select, setmetatable, concat, insert = select, setmetatable, table.concat, table.insert
local traceback = debug.traceback

local run = {}

local PENDING = setmetatable({}, { __tostring = function() return "pending" end })

-- --- errors --------------------------------------------------------------------------------------

-- Without the frames that are ours.
local function plain_trace()
  local lines = {}
  for line in traceback("", 3):gmatch("[^\n]+") do
    if not line:find("^%s*neap:scripts/") and not line:find("^%s*%[C%]: in %?")
      and not line:find("^stack traceback") then
      lines[#lines + 1] = line:gsub("^%s+", "")
    end
  end
  local function is_ours(line)
    return line and (line:find("^%[C%]") or line == "(...tail calls...)")
  end
  while is_ours(lines[#lines]) do
    lines[#lines] = nil
  end
  while is_ours(lines[1]) do
    table.remove(lines, 1)
  end
  return #lines > 1 and concat(lines, "\n") or "" -- one line says what the message does
end

local function keep(err)
  if type(err) == "table" and err.kept then
    return err
  end
  return { kept = true, value = err, trace = plain_trace(),
           message = type(err) == "table" and type(err.message) == "string" and err.message
             or core.text(err) }
end

-- true, or nil and {message=, trace=, value=}
local function try(f, ...)
  local ok, err = xpcall(f, keep, ...)
  if ok then
    return true
  end
  return nil, type(err) == "table" and err or { message = tostring(err), trace = "" }
end

-- --- the words -----------------------------------------------------------------------------------

local HOOKS = { before_each = true, after_each = true, setup = true, teardown = true }
local SAME = {
  context = "describe", insulate = "describe", expose = "describe", spec = "it", test = "it",
  lazy_setup = "setup", strict_setup = "setup", lazy_teardown = "teardown",
  strict_teardown = "teardown",
}

local function new_block(name, parent)
  local block = { name = name, parent = parent, items = {} }
  for hook in pairs(HOOKS) do
    block[hook] = {}
  end
  return block
end

local function full_name(block, name)
  while block and block.name do
    name = name and block.name .. " " .. name or block.name
    block = block.parent
  end
  return name or ""
end

local function check_call(word, name, f)
  if type(name) ~= "string" then
    error(word .. ": a name, got " .. type(name), 3)
  elseif f ~= nil and type(f) ~= "function" then
    error(word .. ": a function, got " .. type(f), 3)
  end
end

-- The functions of a spec file; they fill `self.block`.
local function words_of(self)
  local words = {}
  function words.describe(name, f)
    check_call("describe", name, f)
    if self.running then
      error("describe inside a test", 2)
    end
    local block = new_block(name, self.block)
    insert(self.block.items, { block = block })
    self.block = block
    local ok, err = try(f or function() end)
    self.block = block.parent
    if not ok then
      insert(block.items, { broken = err })
    end
  end
  function words.it(name, f)
    check_call("it", name, f)
    if self.running then
      error("it inside a test", 2)
    end
    insert(self.block.items, { name = name, f = f })
  end
  function words.pending(name)
    if self.running then
      self.reason = name
      error(PENDING, 0)
    end
    insert(self.block.items, { name = tostring(name) })
  end
  function words.finally(f)
    if not self.running then
      error("finally is for inside of a test", 2)
    end
    insert(self.finals, f)
  end
  for hook in pairs(HOOKS) do
    words[hook] = function(f)
      if type(f) ~= "function" then
        error(hook .. ": a function, got " .. type(f), 2)
      elseif self.running then
        error(hook .. " inside a test", 2)
      end
      insert(self.block[hook], f)
    end
  end
  for other, word in pairs(SAME) do
    words[other] = words[word]
  end
  words.assert = script("neap/test/assert.lua")()
  return words
end

-- --- running -------------------------------------------------------------------------------------

local function call_all(list)
  for _, f in ipairs(list) do
    local ok, err = try(f)
    if not ok then
      return nil, err
    end
  end
  return true
end

local function before_each(block)
  if block.parent then
    local ok, err = before_each(block.parent)
    if not ok then
      return nil, err
    end
  end
  return call_all(block.before_each)
end

local function after_each(block)
  local ok, err = true, nil
  while block do
    local good, why = call_all(block.after_each)
    ok, err = ok and good, err or why
    block = block.parent
  end
  return ok, err
end

local function report(kind, name, err)
  core.report(kind, name, err and err.message, err and err.trace)
end

local function run_test(self, block, item, name)
  core.begin(name)
  if not item.f then
    return report("pending", name)
  end
  self.running, self.finals, self.reason = true, {}, nil
  local ok, err = before_each(block)
  if ok then
    ok, err = try(item.f)
  end
  local good, why = call_all(self.finals)
  ok, err = ok and good, err or why
  good, why = after_each(block)
  ok, err = ok and good, err or why
  self.running = false
  if err and err.value == PENDING then
    return report("pending", name, { message = self.reason and tostring(self.reason) })
  end
  report(ok and "ok" or "failed", name, err)
end

local function wanted(self, block)
  for _, item in ipairs(block.items) do
    if item.block and wanted(self, item.block) or item.broken
      or item.name and (not self.filter or full_name(block, item.name):find(self.filter)) then
      return true
    end
  end
  return false
end

local run_block

local function run_item(self, block, item)
  if item.block then
    run_block(self, item.block)
  elseif item.broken then
    report("error", full_name(block), item.broken)
  else
    local name = full_name(block, item.name)
    if not self.filter or name:find(self.filter) then
      run_test(self, block, item, name)
    end
  end
end

function run_block(self, block)
  if not wanted(self, block) then
    return
  end
  core.begin(full_name(block))
  local ok, err = call_all(block.setup)
  if not ok then
    report("error", full_name(block, "setup"), err)
  else
    for _, item in ipairs(block.items) do
      run_item(self, block, item)
    end
  end
  core.begin(full_name(block))
  ok, err = call_all(block.teardown)
  if not ok then
    report("error", full_name(block, "teardown"), err)
  end
end

-- --- the file ------------------------------------------------------------------------------------

-- Modules: neap.test, what lies in lib/ and beside the spec, and what Lua finds.
local function add_searchers(dir)
  package.preload["neap.test"] = function()
    return script("neap/test/init.lua")(parts)
  end
  package.preload.neap = function()
    error("a spec has no neap of its own: use t.neap, of require \"neap.test\".load(FILE)", 0)
  end
  package.path = ("%s/lib/?.lua;%s/lib/?/init.lua;%s/?.lua;%s"):format(dir, dir, dir, package.path)
end

local function open_globals(words)
  for name, f in pairs(words) do
    _G[name] = f
  end
  _G.print = function(...)
    local out = {}
    for i = 1, select("#", ...) do
      out[i] = tostring((select(i, ...)))
    end
    core.say(concat(out, "\t") .. "\n")
  end
  _G.os.exit = function() error("os.exit is not available in a spec", 2) end
end

-- Runs a spec file; filter: a Lua pattern of full names, or nil.
function run.file(path, text, filter)
  local self = { block = new_block(), filter = filter }
  add_searchers(path:match("^(.*)/") or ".")
  open_globals(words_of(self))
  local chunk, message = load(text:gsub("^#[^\n]*", "", 1), "@" .. path, "t")
  if not chunk then
    return report("error", "", { message = message })
  end
  core.begin("")
  local ok, err = try(chunk)
  if not ok then
    return report("error", "", err)
  end
  run_block(self, self.block)
end

return run
