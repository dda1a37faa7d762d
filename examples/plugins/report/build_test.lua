-- neap test examples
local test = require "neap.test"

describe("report.build", function()
  local t

  before_each(function()
    t = test.load("build")
    t.neap.fs.list = function(dir)
      if dir ~= "/srv" then
        return nil, dir .. ": No such file or directory"
      end
      return {
        { name = "small", type = "file", size = 10, mtime = 0 },
        { name = "big", type = "file", size = 3000, mtime = 0 },
        { name = "sub", type = "directory", size = 4096, mtime = 0 },
      }
    end
  end)

  it("submits a report of the largest files", function()
    local job = t:run { dir = "/srv", top = 1 }
    assert.equal("completed", job.state)
    assert.equal(2, job.result.files)
    assert.equal(3010, job.result.bytes)
    assert.equal("report.deliver", job.jobs[1].task)
    assert.equal("        3000  big\n", job.jobs[1].args.text)
  end)

  it("has its report delivered", function()
    t:job("report.deliver", t:load("deliver"))
    local job = t:run { dir = "/srv", to = "log" }
    assert.equal("logged", job.jobs[1].result)
    assert.equal("report on /srv", job.log[1].text)
    assert.same({ lines = 2 }, job.log[1].fields)
  end)

  it("gives up on a directory that is not there", function()
    local job = t:run { dir = "/nowhere" }
    assert.equal("dead", job.state)
    assert.equal("/nowhere: No such file or directory", job.error.message)
    assert.same({}, job.jobs)
  end)
end)
