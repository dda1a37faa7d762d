-- Reads what valgrind --tool=callgrind wrote: what each function executed itself.
local callgrind = {}

-- What a function belongs to: a layer of core/, Lua, the C library, its malloc or its mutexes.
local function group(object, file, fn)
  local layer = file:match("core/(%a+)/") or file:match("core/neap") and "neap"
  if layer then return "core/" .. layer end
  if object:find("/neap$") then return file:find("embedded") and "other" or "Lua" end
  if object:find("libc%.so") then
    if fn:find("mutex") then return "mutexes" end
    local memory = fn:find("alloc") or fn:find("free") or fn:find("unlink_chunk")
    return memory and "malloc and free" or "C library"
  end
  return "other"
end

local function namer() -- names are written once, then numbers stand for them
  local known = {}
  return function(text)
    local id, name = text:match("^%((%d+)%)%s*(.*)$")
    if not id then return text end
    if name ~= "" then known[id] = name end
    return known[id] or "?"
  end
end

-- function -> { self, calls, group }
function callgrind.read(path)
  local object, file, fn, called, skip = "?", "?", nil, nil, false
  local objects, files, fns, out = namer(), namer(), namer(), {}
  local function entry(name)
    out[name] = out[name] or { self = 0, calls = 0 }
    return out[name]
  end
  for line in io.lines(path) do
    local key, value = line:match("^(%l+)=(.*)$")
    if key == "ob" then object = objects(value)
    elseif key == "fl" then file = files(value)
    elseif key == "fi" or key == "fe" or key == "cfi" or key == "cfl" then files(value)
    elseif key == "cob" then objects(value)
    elseif key == "fn" then
      fn = fns(value):gsub("'%d+$", "")
      entry(fn).group = group(object, file, fn)
    elseif key == "cfn" then called = fns(value):gsub("'%d+$", "")
    elseif key == "calls" then
      local e = entry(called)
      e.calls = e.calls + tonumber(value:match("^%d+"))
      skip = true -- the next line is what the called one took
    elseif line:find("^[%d+*-]") and fn then
      if skip then skip = false
      else entry(fn).self = entry(fn).self + (tonumber(line:match("^%S+ (%d+)")) or 0) end
    end
  end
  return out
end

-- What each function executed for one job: `many` less `few`, which were `jobs` fewer.
function callgrind.per_job(many, few, jobs)
  local out = {}
  for name, e in pairs(many) do
    local other = few[name] or { self = 0, calls = 0 }
    local self, calls = (e.self - other.self) / jobs, (e.calls - other.calls) / jobs
    out[#out + 1] = { name = name, self = self, calls = calls, group = e.group or "other" }
  end
  table.sort(out, function(a, b) return a.self > b.self end)
  return out
end

return callgrind
