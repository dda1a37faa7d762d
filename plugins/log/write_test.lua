local test = require "neap.test"

local function read(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read("a")
  file:close()
  return text
end

describe("log.write", function()
  local path, t

  before_each(function()
    path = os.tmpname()
    t = test.load("write")
  end)

  after_each(function()
    for _, suffix in ipairs { "", ".1", ".2", ".3", ".4" } do
      os.remove(path .. suffix)
    end
  end)

  local function attempt(args)
    args.file = args.file or path
    args.max_size, args.keep = args.max_size or 1024, args.keep or 2
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

  it("appends a line and says so", function()
    assert.same({ file = path, bytes = 4, rotated = false }, run { line = "one" })
    run { line = "two\n" }
    run { line = "" }
    assert.equal("one\ntwo\n\n", read(path))
  end)

  it("keeps one job on one line", function()
    run { line = "a\nb\r\nc\r\n" }
    assert.equal("a\\nb\\r\\nc\n", read(path))
  end)

  it("writes fields as JSON", function()
    run { fields = { user = 1 } }
    assert.same({ user = 1 }, t.neap.json.decode(read(path)))
  end)

  it("wants either line or fields", function()
    assert.equal("give either line or fields", refused {})
    assert.equal("give either line or fields", refused { line = "x", fields = {} })
  end)

  it("rotates before the file passes its size", function()
    for i = 1, 4 do
      assert.equal(i > 1, run({ line = ("x"):rep(8) .. i, max_size = 15 }).rotated)
    end
    assert.equal("xxxxxxxx4\n", read(path))
    assert.equal("xxxxxxxx3\n", read(path .. ".1"))
    assert.equal("xxxxxxxx2\n", read(path .. ".2"))
    assert.is_nil(read(path .. ".3"))
  end)

  it("fills the file up to its size exactly", function()
    run { line = "1234", max_size = 10 }
    assert.equal(false, run({ line = "5678", max_size = 10 }).rotated)
    assert.equal(true, run({ line = "9", max_size = 10 }).rotated)
  end)

  it("keeps none with keep = 0", function()
    run { line = "old", max_size = 4, keep = 0 }
    run { line = "new", max_size = 4, keep = 0 }
    assert.equal("new\n", read(path))
    assert.is_nil(read(path .. ".1"))
  end)

  it("writes a line that is longer than the size allows", function()
    run { line = ("x"):rep(100), max_size = 10 }
    assert.equal(101, #read(path))
  end)

  it("leaves the rotation to who has the lock, and writes all the same", function()
    t.neap.shared("log.write"):add(path, "another job")
    run { line = "one", max_size = 4 }
    local job = attempt { line = "two", max_size = 4 }
    assert.equal(false, job.result.rotated)
    assert.near(2, job.elapsed, 0.01)
    assert.equal("one\ntwo\n", read(path))
  end)

  it("gives the lock back", function()
    run { line = "one", max_size = 4 }
    run { line = "two", max_size = 4 }
    assert.is_nil(t.neap.shared("log.write"):get(path))
  end)

  it("returns an error for what it cannot open", function()
    local job = attempt { file = "/nowhere/at/all", line = "x" }
    assert.equal("retryable", job.state)
    assert.matches("/nowhere/at/all", job.error.message, 1, true)
  end)

  it("writes to what has no size", function()
    assert.equal(false, run({ file = "/dev/null", line = "x" }).rotated)
  end)

  it("stays below config.dir", function()
    local dir, name = path:match("^(.*)/([^/]*)$")
    t = test.load("write", { config = { dir = dir } })
    run { file = name, line = "x" }
    assert.equal("x\n", read(path))
    for _, file in ipairs { path, "../" .. name, "a/../../b", ".." } do
      assert.equal("file: must be a path below config.dir, without '..'",
                   refused { file = file, line = "x" })
    end
  end)
end)
