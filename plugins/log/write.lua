-- Appends a line to a file. Each line is one write(2) on a descriptor opened with O_APPEND, so the
-- lines of all workers, and of other programs, stay whole. A file that would pass max_size is
-- renamed to FILE.1, that to FILE.2 and so on; `keep` of them stay.
local neap = require "neap"

local LOCK_TTL = "10s" -- a worker that died while it rotated holds nobody up for longer
local PATIENCE = 2     -- seconds; then the line goes into the file although it is too large

-- Newlines inside a line are shown as \n: one job, one line.
local function line_of(args)
  if args.fields then
    return neap.json.encode(args.fields) .. "\n"
  end
  local text = args.line:gsub("[\r\n]+$", ""):gsub("\r", "\\r"):gsub("\n", "\\n")
  return text .. "\n"
end

-- Where to write, or nil and why not.
local function path_of(file, dir)
  if not dir then
    return file
  elseif file:sub(1, 1) == "/" or ("/" .. file .. "/"):find("/../", 1, true) then
    return nil, "file: must be a path below config.dir, without '..'"
  end
  return dir:gsub("/*$", "/", 1) .. file
end

-- The open file and its size (nil where it has none, such as a pipe), or nil and why not.
local function open(path)
  local out, message = io.open(path, "a")
  if not out then
    return nil, message
  end
  out:setvbuf("no") -- or the C library would split a long line
  return out, (out:seek("end"))
end

local function rotate(path, keep)
  if keep == 0 then
    return os.remove(path)
  end
  for i = keep - 1, 1, -1 do
    os.rename(path .. "." .. i, path .. "." .. i + 1) -- fails where there are not so many yet
  end
  return os.rename(path, path .. ".1")
end

local function is_full(size, need, max)
  return size and size > 0 and size + need > max
end

-- Rotates unless another worker just did. Returns whether it did.
local function make_room(path, need, args, ctx)
  local lock, give_up = neap.shared("log.write"), neap.now() + PATIENCE
  while not lock:add(path, ctx.id, LOCK_TTL) do
    if neap.now() > give_up then
      return false
    end
    neap.sleep(0.005)
  end
  local _ <close> = setmetatable({}, { __close = function() lock:delete(path) end })
  local out, size = open(path)
  if not out then
    return false -- the caller finds out why
  end
  out:close()
  if not is_full(size, need, args.max_size) then
    return false
  end
  local ok, why = rotate(path, args.keep)
  if not ok then
    neap.log.warn("cannot rotate", { file = path, why = why })
  end
  return ok or false
end

local function run(args, ctx)
  if (args.line == nil) == (args.fields == nil) then
    ctx:fail("give either line or fields")
  end
  local path, refusal = path_of(args.file, ctx.config and ctx.config.dir)
  if not path then
    ctx:fail(refusal)
  end
  local line, rotated = line_of(args), false
  local out, size = open(path)
  if out and is_full(size, #line, args.max_size) then
    out:close()
    rotated = make_room(path, #line, args, ctx)
    out, size = open(path)
  end
  if not out then
    return nil, size -- the message
  end
  local ok, why = out:write(line)
  out:close()
  if not ok then
    return nil, path .. ": " .. why
  end
  return { file = path, bytes = #line, rotated = rotated }
end

return {
  summary = "Append a line to a file, with rotation by size",
  args = {
    file = { "string", min_length = 1, help = "the file; made if it is not there" },
    line = { "string", optional = true, help = "the text; newlines inside show as \\n" },
    fields = { "table", optional = true, help = "instead of line: written as one line of JSON" },
    max_size = { "size", default = "16M", min = 1, help = "rotate before the file passes this" },
    keep = { "integer", default = 5, min = 0, max = 100, help = "rotated files that stay" },
  },
  config = {
    dir = { "string", optional = true, min_length = 1,
            help = "only files below this directory are written; file is relative to it" },
  },
  run = run,
}
