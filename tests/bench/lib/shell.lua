-- Programs, files and their words.
local shell = {}

function shell.quote(word)
  word = tostring(word)
  if word:find("^[%w_./:=@%%+,-]+$") then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

function shell.join(words)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = shell.quote(word) end
  return table.concat(quoted, " ")
end

-- What a shell command prints, without the last newline; nil, text when it fails.
function shell.output(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1"))
  local text = pipe:read("a"):gsub("\n$", "")
  if pipe:close() then return text end
  return nil, text
end

function shell.must(command)
  local text, err = shell.output(command)
  return text or error(("%s: %s"):format(command, err), 0)
end

function shell.has(program)
  return shell.output("command -v " .. shell.quote(program)) ~= nil
end

function shell.read(file)
  local f = io.open(file, "rb")
  if not f then return nil end
  local text = f:read("a")
  f:close()
  return text
end

function shell.write(file, text)
  local f = assert(io.open(file, "wb"))
  assert(f:write(text))
  assert(f:close())
end

return shell
