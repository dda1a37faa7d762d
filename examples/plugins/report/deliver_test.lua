local test = require "neap.test"

describe("report.deliver", function()
  local path

  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  it("appends to the file", function()
    local t = test.load("deliver", { config = { out = path } })
    t:run { title = "one", text = "1\n", to = "file" }
    t:run { title = "two", text = "2\n", to = "file" }
    local file <close> = assert(io.open(path))
    assert.equal("== one\n1\n== two\n2\n", file:read("a"))
    assert.equal(2, t.state.count)
  end)

  it("tries again, and says so at the end", function()
    local t = test.load("deliver", { config = { out = "/nowhere/at/all" } })
    local args = { title = "one", text = "1\n", to = "file" }
    local job = t:run(args)
    assert.equal("retryable", job.state)
    assert.near(0.2, job.after, 0.001)
    job = t:run(args, { attempt = 6 })
    assert.equal("dead", job.state)
    assert.equal("no report on one", job.log[1].text)
  end)
end)
