-- make -C build -Bn verbose=1 config=CONFIG | lua5.4 tools/commands.lua CONFIG COMPILER
-- Two things that premake's makefiles cannot do. Removes what is stale: make sees no change of
-- flags, of an archive's members or of the list of sources, so each output's command is compared
-- with the one it was made by (kept in build/CONFIG/.commands). And writes compile_commands.json.
local config, compiler = table.unpack(arg)
local record = "build/" .. config .. "/.commands"
local root = os.getenv("PWD")

local function quoted(s) return '"' .. s:gsub('[\\"]', "\\%0") .. '"' end

local now, compiles = {}, {}
for line in io.lines() do
  line = line:match("^%s*(.-)%s*$")
  local source = line:match(' %-c "?([^" ]+)"?$')
  local output = line:match(' %-o "?([^" ]+)"?') or line:match('^%S*ar %-rcs "?([^" ]+)')
  if output then now[output] = line .. " # " .. compiler end
  if source then
    compiles[#compiles + 1] = ('{"directory":%s,"file":%s,"command":%s}')
      :format(quoted(root .. "/build"), quoted(source), quoted(line))
  end
end

local old = {}
local f = io.open(record)
if f then
  for line in f:lines() do
    local output, command = line:match("^(%S+)\t(.*)$")
    if output then old[output] = command end
  end
  f:close()
end

for output, command in pairs(old) do
  if now[output] ~= command then
    os.remove("build/" .. output)
    os.remove("build/" .. output:gsub("%.o$", ".d")) -- names a source that may have moved
  end
end

local function write(path, text)
  local o = assert(io.open(path .. ".tmp", "w"))
  o:write(text)
  assert(o:close())
  assert(os.rename(path .. ".tmp", path))
end

local lines = {}
for output, command in pairs(now) do lines[#lines + 1] = output .. "\t" .. command .. "\n" end
table.sort(lines)
write(record, table.concat(lines))
if config ~= "fuzz" then
  write("compile_commands.json", "[" .. table.concat(compiles, ",\n") .. "]\n")
end
