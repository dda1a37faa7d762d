-- What the structure tests share: lists of files, and TAP.
local check = {}

local function lines(command)
  local pipe = assert(io.popen(command))
  local out = {}
  for line in pipe:lines() do out[#out + 1] = line end
  pipe:close()
  return out
end
check.lines = lines

function check.files(where, pattern)
  return lines(("find %s -type f -name '%s' 2>/dev/null | sort"):format(where, pattern))
end

-- The #include "..." lines of a file: calls fn(line number, header).
function check.includes(file, fn)
  local n = 0
  for line in io.lines(file) do
    n = n + 1
    local header = line:match('^%s*#%s*include%s*"([^"]+)"')
    if header then fn(n, header) end
  end
end

local count, failed = 0, 0
function check.report(name, problems)
  count = count + 1
  print(("%s %d - %s"):format(#problems == 0 and "ok" or "not ok", count, name))
  for _, p in ipairs(problems) do print("# " .. p) end
  if #problems > 0 then failed = failed + 1 end
end

function check.done()
  print("1.." .. count)
  os.exit(failed == 0)
end

return check
