local test = require "neap.test"

describe("cache.clean", function()
  local t, entries, removed

  before_each(function()
    t = test.load("clean", { now = 1000 })
    removed = {}
    entries = {
      { name = "new", type = "file", size = 40, mtime = 990 },
      { name = "old", type = "file", size = 10, mtime = 100 },
      { name = "mid", type = "file", size = 30, mtime = 500 },
      { name = "link", type = "link", size = 9, mtime = 1 },
      { name = "sub", type = "directory", size = 4096, mtime = 1 },
    }
    t.neap.fs = {
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
        return nil, path .. ": No such file or directory", "ENOENT"
      end,
      remove = function(path)
        removed[#removed + 1] = path:match("^/var/cache/x/([^/]+)$")
        return true
      end,
    }
  end)

  local function attempt(args)
    args.dir = args.dir or "/var/cache/x"
    return t:run(args)
  end

  local function run(args)
    local job = attempt(args)
    assert.equal("completed", job.state)
    return job.result
  end

  local function refused(args)
    local job = attempt(args)
    assert.equal("fail", job.ended_by)
    return job.error.message
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
    local stat = t.neap.fs.stat
    t.neap.fs.stat = function(path)
      if path:find("old$") then
        return { type = "file", size = 10, mtime = 999 }
      end
      return stat(path)
    end
    run { max_age = 400 }
    assert.same({ "mid" }, removed)
  end)

  it("goes on after a file that cannot be deleted", function()
    local remove = t.neap.fs.remove
    t.neap.fs.remove = function(path)
      if path:find("old$") then
        return nil, path .. ": Operation not permitted", "EPERM"
      end
      return remove(path)
    end
    local result = run { max_age = 400 }
    assert.same({ "mid" }, removed)
    assert.equal(1, result.failed)
    assert.equal(1, result.files)
  end)

  it("fails where nothing could be deleted", function()
    t.neap.fs.remove = function(path) return nil, path .. ": Operation not permitted", "EPERM" end
    assert.equal("/var/cache/x/old: Operation not permitted",
                 attempt({ max_age = 400 }).error.message)
  end)

  it("gives way between batches", function()
    local naps = 0
    t.neap.sleep = function() naps = naps + 1 end
    entries = {}
    for i = 1, 1000 do
      entries[i] = { name = "f" .. i, type = "file", size = 1, mtime = i }
    end
    run { max_size = 0 }
    assert.equal(1000, #removed)
    assert.equal(3, naps)
  end)

  it("takes other spellings of the directory", function()
    for _, dir in ipairs { "/var/cache/x/", "//var/./cache//x/." } do
      assert.equal("/var/cache/x", run({ dir = dir, max_size = 0 }).dir)
    end
  end)

  it("refuses the root, the current directory and parents", function()
    for _, dir in ipairs { "/", "//", "/.", ".", "./" } do
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
    t.neap.fs.stat = function() return { type = "link", size = 0, mtime = 0 } end
    assert.equal("/var/cache/x: is not a directory but a link",
                 attempt({ max_size = 0 }).error.message)
  end)

  it("returns the error of a directory that is missing", function()
    t.neap.fs.stat = function(path) return nil, path .. ": No such file or directory", "ENOENT" end
    assert.equal("/var/cache/x: No such file or directory",
                 attempt({ max_size = 0 }).error.message)
  end)
end)
