-- A layer includes itself and those below it; the faces see only neap.h and base.
package.path = "tests/structure/lib/?.lua;" .. package.path
local check = require "check"

local LEVEL = { base = 1, model = 2, parts = 3, runtime = 4, engine = 5, neap = 6 }

-- The layer of a path inside core/: its folder, or "neap" for neap*.c beside the folders.
local function layer(path)
  return path:match("^(%w+)/") or (path:match("^neap_?%w*%.[ch]$") and "neap") or nil
end

local function exists(path)
  local f = io.open(path)
  if f then f:close() end
  return f ~= nil
end

local function problem(from, header)
  if header == "neap.h" then return from == "neap.h" and "includes itself" end
  if not exists("core/" .. header) then return "is no file under core/ (includes start there)" end
  if from == "neap.h" then return "neap.h includes nothing of ours" end
  local own, its = layer(from), layer(header)
  if own == "faces" then
    return its ~= "base" and its ~= "faces" and "a face may include only neap.h, base/ and faces/"
  end
  if its == "faces" then return "nothing includes a face" end
  if not LEVEL[own] or not LEVEL[its] then return "is in no known layer" end
  return LEVEL[its] > LEVEL[own] and (its .. " is above " .. own)
end

local problems = {}
for _, file in ipairs(check.files("core", "*.[ch]")) do
  check.includes(file, function(line, header)
    local why = problem(file:sub(6), header)
    if why then
      problems[#problems + 1] = ('%s:%d: "%s": %s'):format(file, line, header, why)
    end
  end)
end
check.report("layers", problems)
check.done()
