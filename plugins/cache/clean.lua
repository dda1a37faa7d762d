-- Deletes files in a directory: those older than max_age, then the oldest until the rest is within
-- max_size. Only plain files directly in the directory: symbolic links and directories are neither
-- followed nor removed.
local neap = require "neap"

local BATCH = 256 -- files between two chances for other jobs

-- The directory without doubled or closing slashes and without ".", or nil and why not.
local function plain_path(dir)
  local parts = {}
  for part in dir:gmatch("[^/]+") do
    if part == ".." then
      return nil, "dir: must not contain '..'"
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  if #parts == 0 then
    return nil, "dir: must name a directory other than '/' and '.'"
  end
  return (dir:sub(1, 1) == "/" and "/" or "") .. table.concat(parts, "/")
end

-- The plain files of a directory, oldest first, and their bytes; or nil and why not.
local function files_of(dir)
  local stat, message = neap.fs.stat(dir)
  if not stat then
    return nil, message
  elseif stat.type ~= "directory" then
    return nil, dir .. ": is not a directory but a " .. stat.type
  end
  local entries, why = neap.fs.list(dir)
  if not entries then
    return nil, why
  end
  local files, bytes = {}, 0
  for _, entry in ipairs(entries) do
    if entry.type == "file" then
      files[#files + 1] = entry
      bytes = bytes + entry.size
    end
  end
  table.sort(files, function(a, b)
    if a.mtime ~= b.mtime then
      return a.mtime < b.mtime
    end
    return a.name < b.name
  end)
  return files, bytes
end

-- Removes a file unless it changed since it was listed: true, false (left alone), or nil and why.
local function remove(path, entry)
  local stat = neap.fs.stat(path)
  if not stat then
    return false -- somebody else removed it
  elseif stat.type ~= "file" or stat.mtime ~= entry.mtime then
    return false
  end
  return neap.fs.remove(path)
end

local function run(args, ctx)
  if not args.max_age and not args.max_size then
    ctx:fail("give max_age, max_size or both")
  end
  local dir, refusal = plain_path(args.dir)
  if not dir then
    ctx:fail(refusal)
  end
  local files, left = files_of(dir)
  if not files then
    return nil, left -- the message
  end
  local oldest = args.max_age and neap.now() - args.max_age
  local result = { dir = dir, dry_run = args.dry_run, files = 0, bytes = 0, failed = 0 }
  local why
  for i, entry in ipairs(files) do
    local old = oldest and entry.mtime < oldest
    if not old and not (args.max_size and left > args.max_size) then
      break -- they are sorted: nothing after this one is old either
    end
    local path = dir .. "/" .. entry.name
    local gone, message = args.dry_run, nil
    if not gone then
      gone, message = remove(path, entry)
    end
    if gone then
      result.files, result.bytes = result.files + 1, result.bytes + entry.size
      left = left - entry.size
    elseif message then
      result.failed = result.failed + 1
      why = why or message
    end
    if i % BATCH == 0 then
      ctx:progress(i / #files, result.files .. " files")
      neap.sleep(0)
    end
  end
  result.left_files, result.left_bytes = #files - result.files, left
  if why and result.files == 0 then
    return nil, why
  elseif why then
    neap.log.warn("some files stay", { dir = dir, failed = result.failed, why = why })
  end
  return result
end

return {
  summary = "Delete the oldest files of a directory, by age or total size",
  args = {
    dir = { "string", min_length = 1, help = "the directory; its subdirectories are left alone" },
    max_age = { "duration", optional = true, help = "delete files not modified for longer" },
    max_size = { "size", optional = true, help = "delete the oldest until the rest is within it" },
    dry_run = { "boolean", default = false, help = "count only, delete nothing" },
  },
  run = run,
}
