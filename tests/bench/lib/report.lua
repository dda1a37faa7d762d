-- What a part found, as Markdown: a section of docs/benchmarks.md.
local report = {}
report.__index = report

function report.new(title, note)
  return setmetatable({ lines = { "## " .. title, "" }, note = note, ratios = {} }, report)
end

function report:say(...)
  self.lines[#self.lines + 1] = string.format(...)
end

function report:text(...)
  self:say(...)
  self:say("%s", "")
end

-- 1234567 -> 1,234,567; three digits of what is smaller than 100.
function report.number(x)
  if type(x) ~= "number" then return tostring(x) end
  if math.abs(x) < 100 and x ~= math.floor(x) then return (("%.3g"):format(x)) end
  local s = ("%.0f"):format(x)
  local more
  repeat s, more = s:gsub("^(-?%d+)(%d%d%d)", "%1,%2") until more == 0
  return s
end

local function all(values)
  local out = {}
  for i, v in ipairs(values) do out[i] = report.number(v) end
  return table.concat(out, " · ")
end

-- The table of what bench:compare measured, and the commands.
function report:measured(bench, contenders)
  self:say("| | %s, median | all runs |", contenders[1].unit)
  self:say("|---|---:|---|")
  for _, c in ipairs(contenders) do
    if c.missing then
      local why = bench:short(c.missing):gsub("%s+", " "):gsub("|", "/"):sub(1, 200)
      self:say("| %s | not measured | %s |", c.name, why)
    else
      self:say("| %s | %s | %s |", c.name, report.number(c.median), all(c.values))
    end
  end
  self:say("%s", "")
  for _, c in ipairs(contenders) do
    if c.command then self:say("- %s: `%s`", c.name, bench:short(c.command)) end
  end
  self:say("%s", "")
end

-- A bar: `what` is `value`, which must be at least or at most `bar`. nil: not measured.
function report:bar(what, value, relation, bar)
  local bars = self.bars or {}
  self.bars = bars
  local met
  if value == nil then
    met = "not measured"
  elseif relation == "at least" then
    met = value >= bar and "met" or "**missed**"
  else
    met = value <= bar and "met" or "**missed**"
  end
  bars[#bars + 1] = ("| %s | %s | %s %s | %s |"):format(what,
    value and report.number(value) or "", relation, report.number(bar), met)
end

-- The ratio of two contenders, against a bar.
function report:ratio(contenders, one, other, relation, bar)
  local a, b = contenders[one].median, contenders[other].median
  self:bar(("%s / %s"):format(one, other), a and b and a / b, relation, bar)
end

function report:close()
  if not self.bars then return end
  self:say("| bar | is | should be | |")
  self:say("|---|---:|---|---|")
  for _, line in ipairs(self.bars) do self:say("%s", line) end
  self:say("%s", "")
  self.bars = nil
end

function report:markdown()
  self:close()
  if self.note then table.insert(self.lines, 3, self.note .. "\n") end
  return table.concat(self.lines, "\n")
end

-- The page cut at its titles: what is before the first, and title -> section.
function report.cut(page)
  local head, sections, title = {}, {}, nil
  for line in page:gmatch("([^\n]*)\n") do
    title = line:match("^## (.+)") or title
    if not title then
      head[#head + 1] = line
    else
      sections[title] = sections[title] or {}
      table.insert(sections[title], line)
    end
  end
  for name, lines in pairs(sections) do
    sections[name] = table.concat(lines, "\n"):gsub("%s+$", "") .. "\n"
  end
  return table.concat(head, "\n"), sections
end

return report
