-- luacheck: std +busted
local neap = require "neap"
local clean = require "cache.clean"

describe("cache.clean", function()
  local fs, now, ctx, entries, removed

  before_each(function()
    fs, now = neap.fs, neap.now
    removed = {}
    entries = {
      { name = "new", type = "file", size = 40, mtime = 990 },
      { name = "old", type = "file", size = 10, mtime = 100 },
      { name = "mid", type = "file", size = 30, mtime = 500 },
      { name = "link", type = "link", size = 9, mtime = 1 },
      { name = "sub", type = "directory", size = 4096, mtime = 1 },
    }
    neap.now = function() return 1000 end
    neap.fs = {
      list = function(dir)
        assert.equal("/var/cache/x", dir)
        return entries
      end,
      stat = function(path)
        if path == "/var/cache/x" then
          return { type = "directory", size = 0, mtime = 0 }
        end
        for _, entry in ipairs(entries) do
          if path == "/var/cache/x/" .. entry.name then
            return entry
          end
        end
        return nil, path .. ": No such file or directory", 2
      end,
      remove = function(path)
        removed[#removed + 1] = path:match("^/var/cache/x/([^/]+)$")
        return true
      end,
    }
    ctx = { fail = function(_, why) error({ failed = why }, 0) end, progress = function() end }
  end)

  after_each(function()
    neap.fs, neap.now = fs, now
  end)

  local function run(args)
    args.dir = args.dir or "/var/cache/x"
    args.dry_run = args.dry_run or false
    return clean.run(args, ctx)
  end

  local function refused(args)
    local ok, err = pcall(run, args)
    assert(not ok, "not refused")
    return err.failed
  end

  it("deletes what is older than max_age, oldest first", function()
    local result = run { max_age = 400 }
    assert.same({ "old", "mid" }, removed)
    assert.same({ dir = "/var/cache/x", dry_run = false, files = 2, bytes = 40, failed = 0,
                  left_files = 1, left_bytes = 40 }, result)
  end)

  it("keeps what is exactly max_age old", function()
    run { max_age = 500 }
    assert.same({ "old" }, removed)
  end)

  it("deletes the oldest until the rest is within max_size", function()
    run { max_size = 70 }
    assert.same({ "old" }, removed)
  end)

  it("applies both", function()
    run { max_age = 600, max_size = 30 }
    assert.same({ "old", "mid", "new" }, removed)
  end)

  it("deletes nothing where all is within the limits", function()
    local result = run { max_age = 1000, max_size = 80 }
    assert.same({}, removed)
    assert.equal(3, result.left_files)
  end)

  it("counts only in a dry run", function()
    local result = run { max_size = 0, dry_run = true }
    assert.same({}, removed)
    assert.equal(3, result.files)
    assert.equal(80, result.bytes)
    assert.equal(0, result.left_bytes)
  end)

  it("leaves links and directories alone", function()
    run { max_size = 0 }
    assert.same({ "old", "mid", "new" }, removed)
  end)

  it("leaves a file that changed since it was listed", function()
    local stat = neap.fs.stat
    neap.fs.stat = function(path)
      if path:find("old$") then
        return { type = "file", size = 10, mtime = 999 }
      end
      return stat(path)
    end
    run { max_age = 400 }
    assert.same({ "mid" }, removed)
  end)

  it("goes on after a file that cannot be deleted", function()
    local remove = neap.fs.remove
    neap.fs.remove = function(path)
      if path:find("old$") then
        return nil, path .. ": Operation not permitted", 1
      end
      return remove(path)
    end
    local result = run { max_age = 400 }
    assert.same({ "mid" }, removed)
    assert.equal(1, result.failed)
    assert.equal(1, result.files)
  end)

  it("fails where nothing could be deleted", function()
    neap.fs.remove = function(path) return nil, path .. ": Operation not permitted", 1 end
    local value, message = run { max_age = 400 }
    assert.is_nil(value)
    assert.equal("/var/cache/x/old: Operation not permitted", message)
  end)

  it("gives way between batches", function()
    local sleep, naps = neap.sleep, 0
    neap.sleep = function() naps = naps + 1 end
    entries = {}
    for i = 1, 1000 do
      entries[i] = { name = "f" .. i, type = "file", size = 1, mtime = i }
    end
    run { max_size = 0 }
    neap.sleep = sleep
    assert.equal(1000, #removed)
    assert.equal(3, naps)
  end)

  it("takes other spellings of the directory", function()
    for _, dir in ipairs { "/var/cache/x/", "//var/./cache//x/." } do
      assert.equal("/var/cache/x", run({ dir = dir, max_size = 0 }).dir)
    end
  end)

  it("refuses the root, the current directory and parents", function()
    for _, dir in ipairs { "/", "", "//", "/.", ".", "./" } do
      assert.equal("dir: must name a directory other than '/' and '.'",
                   refused { dir = dir, max_size = 0 })
    end
    for _, dir in ipairs { "..", "/var/cache/../..", "a/.." } do
      assert.equal("dir: must not contain '..'", refused { dir = dir, max_size = 0 })
    end
  end)

  it("wants a limit", function()
    assert.equal("give max_age, max_size or both", refused {})
  end)

  it("refuses a directory that is a link", function()
    neap.fs.stat = function() return { type = "link", size = 0, mtime = 0 } end
    local value, message = run { max_size = 0 }
    assert.is_nil(value)
    assert.equal("/var/cache/x: is not a directory but a link", message)
  end)

  it("returns the error of a directory that is missing", function()
    neap.fs.stat = function(path) return nil, path .. ": No such file or directory", 2 end
    local value, message = run { max_size = 0 }
    assert.is_nil(value)
    assert.equal("/var/cache/x: No such file or directory", message)
  end)
end)
