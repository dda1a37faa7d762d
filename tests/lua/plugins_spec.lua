-- What the stock tasks and the examples declare, and cache.clean on real files. (The specs beside
-- the stock tasks run by themselves: ./dev test plugins.)
local lfs = require "lfs"
local core = dofile("scripts/neap/test/plain.lua")
local schema = assert(loadfile("scripts/schema.lua"))(core)
local task = assert(loadfile("scripts/task.lua"))(core, schema)
local test = require "neap.test"

-- What task files require at their top level.
package.path = "examples/plugins/report/lib/?.lua;" .. package.path
package.preload.neap = function() return {} end

local function lua_files(root)
  local files = {}
  for name in lfs.dir(root) do
    local path = root .. "/" .. name
    if name:sub(1, 1) ~= "." and lfs.attributes(path, "mode") == "directory" then
      for _, file in ipairs(lua_files(path)) do
        files[#files + 1] = file
      end
    elseif name:find("%.lua$") then
      files[#files + 1] = path
    end
  end
  table.sort(files)
  return files
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

describe("the task", function()
  for _, root in ipairs { "plugins", "examples" } do
    for _, path in ipairs(lua_files(root)) do
      if not path:find("_test%.lua$") and not path:find("/lib/") then
        it(path .. " declares itself well", function()
          local chunk = assert(load(read(path):gsub("^#[^\n]*", ""), "@" .. path, "t"))
          local _, problems = task.read(chunk(), "t")
          assert.is_nil(problems and table.concat(problems, "\n"))
        end)
      end
    end
  end
end)

describe("cache.clean on real files", function()
  local t, root, dir

  before_each(function()
    t = test.load("../../plugins/cache/clean")
    root = os.tmpname()
    os.remove(root)
    dir = root .. "/cache"
    assert(lfs.mkdir(root))
    assert(lfs.mkdir(dir))
    assert(lfs.mkdir(dir .. "/sub"))
    for i, path in ipairs { root .. "/outside", dir .. "/sub/inner", dir .. "/a", dir .. "/b" } do
      write(path, "12345")
      assert(lfs.touch(path, i * 1000, i * 1000))
    end
    assert(lfs.link(root .. "/outside", dir .. "/link", true))
    assert(lfs.link(dir, root .. "/alias", true))
  end)

  after_each(function()
    for _, path in ipairs { "/cache/sub/inner", "/cache/sub", "/cache/a", "/cache/b", "/cache/link",
                            "/cache", "/alias", "/outside", "" } do
      os.remove(root .. path)
    end
  end)

  local function exists(path)
    return lfs.symlinkattributes(path) ~= nil
  end

  it("deletes plain files of the directory and nothing else", function()
    local result = t:run({ dir = dir, max_size = 0 }).result
    assert.equal(2, result.files)
    assert.equal(10, result.bytes)
    assert.is_false(exists(dir .. "/a") or exists(dir .. "/b"))
    for _, path in ipairs { root .. "/outside", dir .. "/sub/inner", dir .. "/link" } do
      assert.is_true(exists(path), path)
    end
  end)

  it("refuses a link to the directory, with a slash at its end, too", function()
    for _, path in ipairs { root .. "/alias", root .. "/alias/" } do
      assert.equal(root .. "/alias: is not a directory but a link",
                   t:run({ dir = path, max_size = 0 }).error.message)
    end
    assert.is_true(exists(dir .. "/a"))
  end)
end)
