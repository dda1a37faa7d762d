-- A stand-in for the C helpers that the scripts get as `core`.
local core = {}

core.null = setmetatable({}, { __name = "neap.null" })
core.array_mark = { __name = "neap.array", __metatable = "neap.array" }

function core.array(list)
  return setmetatable(list, core.array_mark)
end

-- Edit distance where a swap of neighbours counts one.
local function distance(a, b)
  local rows = {}
  for i = 0, #a do
    rows[i] = { [0] = i }
  end
  for j = 0, #b do
    rows[0][j] = j
  end
  for i = 1, #a do
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local best = math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1,
                            rows[i - 1][j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, rows[i - 2][j - 2] + 1)
      end
      rows[i][j] = best
    end
  end
  return rows[#a][#b]
end

function core.nearest(word, candidates)
  local best, limit = nil, math.max(1, #word // 3)
  for _, candidate in ipairs(candidates) do
    local d = distance(word, candidate)
    if d <= limit and d < #word then
      best, limit = candidate, d - 1
    end
  end
  return best
end

local UNITS = { d = 86400000, h = 3600000, m = 60000, s = 1000, ms = 1 }

function core.duration(value)
  local seconds = tonumber(value)
  if seconds then
    return seconds >= 0 and seconds < 1e15 and math.ceil(seconds * 1000) or nil
  end
  local total, rest = 0, value
  repeat
    local number, unit, more = rest:match("^(%d+%.?%d*)(%a+)(.*)$")
    if not number or not UNITS[unit] then
      return nil
    end
    total, rest = total + tonumber(number) * UNITS[unit], more
  until rest == ""
  return math.ceil(total)
end

function core.size(value)
  if type(value) == "number" then
    local bytes = math.tointeger(value)
    return bytes and bytes >= 0 and bytes or nil
  end
  local number, unit = value:match("^(%d+)([KMG]?)$")
  local shift = { [""] = 0, K = 10, M = 20, G = 30 }
  return number and tonumber(number) << shift[unit] or nil
end

return core
