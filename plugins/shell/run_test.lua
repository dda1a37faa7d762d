local test = require "neap.test"

describe("shell.run", function()
  local t

  before_each(function()
    t = test.load "run"
  end)

  it("runs a program and returns what it wrote", function()
    t:exec("convert in.png out.jpg", { stdout = "done\n", stderr = "a warning\n" })
    local job = t:run { command = { "convert", "in.png", "out.jpg" } }
    assert.equal("completed", job.state)
    assert.same({ code = 0, stdout = "done\n", stderr = "a warning\n" }, job.result)
    assert.same({ "convert", "in.png", "out.jpg" }, job.commands[1].command)
  end)

  it("hands stdin, directory and variables on", function()
    t:exec("cat | wc", function(call)
      assert.equal("some text", call.stdin)
      assert.equal("/srv", call.cwd)
      assert.same({ LANG = "C", HOME = false }, call.env)
      return { stdout = "1" }
    end)
    local job = t:run { command = "cat | wc", stdin = "some text", cwd = "/srv",
                        env = { LANG = "C", HOME = false } }
    assert.equal("1", job.result.stdout)
  end)

  it("fails the attempt with the end of stderr", function()
    t:exec("*", { code = 3, stderr = "first\nlast words\n" }, { code = 4 })
    local job = t:run { command = "false" }
    assert.equal("retryable", job.state)
    assert.equal(10, job.after)
    assert.equal("exit status 3: first\nlast words", job.error.message)
    assert.equal("exit status 4", t:run({ command = "false" }).error.message)
  end)

  it("keeps whole lines of a long stderr", function()
    t:exec("*", { code = 1, stderr = ("a line of words\n"):rep(1000) .. "the end\n" })
    local message = t:run({ command = "x" }).error.message
    assert.matches("^exit status 1: %.%.%.a line of words\n", message)
    assert.matches("the end$", message)
    assert.is_true(#message < 2100)
  end)

  it("takes other exit codes for good", function()
    t:exec("grep *", { code = 1 })
    assert.equal("completed", t:run({ command = "grep x f", ok = { 0, 1 } }).state)
    assert.equal("retryable", t:run({ command = "grep x f", ok = { 0, 2 } }).state)
  end)

  it("fails the attempt where the program is killed or takes too long", function()
    t:exec("*", { signal = 11 }, { delay = "1h" })
    assert.equal("was killed by signal 11", t:run({ command = "x" }).error.message)
    local job = t:run { command = "x", timeout = "1m30s" }
    assert.equal("did not end within 90 s", job.error.message)
    assert.equal(90, job.elapsed)
  end)

  it("fails the attempt where it cannot start", function()
    t:exec("*", { error = "nowhere: No such file or directory", code = "ENOENT" })
    local job = t:run { command = { "nowhere" } }
    assert.equal("retryable", job.state)
    assert.equal("nowhere: No such file or directory", job.error.message)
  end)

  it("refuses what is no command", function()
    for _, command in ipairs { "", {}, { 1 }, 5, { a = "b" } } do
      local job = t:run { command = command }
      assert.equal("dead", job.state)
      assert.matches("^command", job.error.message)
    end
    assert.equal("command[2]: must be a string, not a number",
                 t:run({ command = { "x", 2 } }).error.message)
  end)
end)
