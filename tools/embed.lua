-- lua5.4 tools/embed.lua LIST OUT: the files named in LIST, one a line, as one C file. Those of
-- scripts/ also as bytecode, which loads ten times as fast: every state begins with them. And what
-- the stock tasks declare.
local list, out = table.unpack(arg)
local strip, declare = dofile("tools/strip.lua"), dofile("tools/declare.lua")

-- Octal for what C strings cannot hold; '?' too, for C11 still knows trigraphs.
local function escaped(s)
  return (s:gsub('[^\n -~]', function(c) return ("\\%03o"):format(c:byte()) end)
           :gsub('["?]', "\\%0"))
end

local function literal(data)
  local lines = {}
  for line in data:gmatch("[^\n]*\n?") do
    if line ~= "" then
      local text = escaped((line:gsub("\\", "\\\\"))):gsub("\n", "\\n")
      lines[#lines + 1] = '    "' .. text .. '"'
    end
  end
  return #lines > 0 and table.concat(lines, "\n") or '    ""'
end

-- One entry of embedded_tasks (base/embedded.h).
local function declaration(one)
  local retry = one.retry or {}
  local function text(name)
    return one[name] and literal(one[name]) or "NULL"
  end
  return ("    {%s},\n"):format(table.concat({
    text("plugin"), text("name"), literal(one.path), text("summary"), text("queue"),
    text("args_schema"), text("config"), one.priority or 0, one.timeout_ms or -1,
    retry.max or -1, retry.backoff or -1, retry.base_ms or -1, retry.cap_ms or -1,
    ("%.17g"):format(retry.jitter or -1), tostring(one.has_on_dead == true),
    tostring(one.reentrant == true),
  }, ", "))
end

local entries, bodies, paths, tasks = {}, {}, {}, {}
for path in io.lines(list) do
  if path ~= "" then
    local f = assert(io.open(path, "rb"))
    local data = f:read("a")
    f:close()
    local n = #entries
    paths[#paths + 1] = path
    bodies[#bodies + 1] = ("static const char file_%d[] =\n%s;\n"):format(n, literal(data))
    local code = ", NULL, 0"
    local name = path:match("^scripts/(.*)")
    if name then
      bodies[#bodies + 1] = ("static const char code_%d[] =\n%s;\n")
        :format(n, literal(strip(string.dump(assert(load(data, "@neap:scripts/" .. name))))))
      code = (", (const unsigned char *)code_%d, sizeof code_%d - 1"):format(n, n)
    end
    entries[#entries + 1] = ('    {"%s", (const unsigned char *)file_%d, sizeof file_%d - 1%s},\n')
      :format(escaped(path), n, n, code)
  end
end

for _, one in ipairs(declare(paths)) do tasks[#tasks + 1] = declaration(one) end

local o = assert(io.open(out .. ".tmp", "wb"))
o:write("/* Made by tools/embed.lua. */\n#include \"base/embedded.h\"\n\n",
        table.concat(bodies, "\n"), "\nconst struct embedded_file embedded_files[] = {\n",
        table.concat(entries), "    {0},\n};\n\nconst size_t embedded_count = ", #entries,
        ";\n\nconst struct embedded_task embedded_tasks[] = {\n", table.concat(tasks),
        "    {0},\n};\n")
assert(o:close())
assert(os.rename(out .. ".tmp", out))
