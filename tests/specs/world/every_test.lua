-- What neap.test promises, in `neap test` and under busted.
local test = require "neap.test"

describe("neap.test", function()
  local t

  before_each(function()
    t = test.load("every", { now = 1000000000 })
  end)

  local function run(act, options, more)
    local args = more or {}
    args.act = act
    return t:run(args, options)
  end

  it("runs a task with its helpers", function()
    local job = run("help", nil, { n = 4 })
    assert.equal("completed", job.state)
    assert.equal(8, job.result)
    assert.same({ { fraction = 0.5, text = "help" } }, job.progress)
    assert.equal(6, run("help").result)
  end)

  it("sets up once, and shows what ctx shows", function()
    local job = run("state", { timeout = "1m", queue = "q" })
    assert.same({ api = "http://x", count = 1, attempt = 1, task = "world.every", queue = "q",
                  deadline = 1000000060 }, job.result)
    assert.equal(1, job.elapsed)
    job = run("state", { attempt = 2 })
    assert.equal(0, job.elapsed)
    assert.equal(2, job.result.attempt)
    t = test.load("every", { config = { api = "http://y" } })
    assert.equal("http://y", run("state").result.api)
  end)

  it("lets sleepers interleave in no time", function()
    local job = run("sleepers")
    assert.is_nil(job.error)
    assert.same({ "b1", "a1", "b2", "a2", "b3", "a3" }, job.result.order)
    assert.same({ true, "B", 2 }, job.result.b)
    assert.same({ true, "A" }, job.result.a)
    assert.equal(1000000008, job.result.now)
    assert.equal(1000000008, job.result.time)
    assert.equal("01:46:48", job.result.date)
    assert.equal(8, job.elapsed)
  end)

  it("waits inside of coroutines", function()
    assert.same({ got = { 1, 2, 3 }, elapsed = 4 }, run("nested").result)
    assert.matches("every.lua:%d+: neap.sleep cannot wait here", run("sleep_in_sort").error.message)
  end)

  it("ends a job by ctx, whatever pcall says", function()
    local job = run("swallow")
    assert.equal("dead", job.state)
    assert.equal("fail", job.ended_by)
    assert.equal("no", job.error.message)
    assert.equal("closed", job.log[1].text)
    assert.same({ level = "error", text = "gave up", fields = { err = "no" } }, job.log[2])
    job = run("sort")
    assert.equal("cancelled", job.state)
    assert.equal("in a comparator", job.error.message)
    assert.equal("from inside", run("async_fail").error.message)
  end)

  it("follows the retry policy", function()
    for attempt, after in ipairs { 2, 4 } do
      local job = run("fail", { attempt = attempt })
      assert.equal("retryable", job.state)
      assert.equal("no luck", job.error.message)
      assert.equal(after, job.after)
    end
    local job = run("fail", { attempt = 3 })
    assert.equal("dead", job.state)
    assert.equal("gave up", job.log[1].text)
    job = run("retry", nil, { after = "7s" })
    assert.equal("retry", job.ended_by)
    assert.equal(7, job.after)
    assert.equal(2, run("retry").after)
    job = run("snooze")
    assert.equal("scheduled", job.state)
    assert.equal(60, job.after)
    assert.is_nil(job.error)
  end)

  it("says where it went wrong", function()
    assert.matches("every.lua:%d+: global 'oops' is not declared", run("global").error.message)
    local err = run("raise").error
    assert.equal("(error object is a table value)", err.message)
    assert.matches("every.lua:%d+: in", err.traceback)
    err = t:run({ n = "x" }).error
    assert.equal("args", err.code)
    assert.matches("args.act: missing", err.message)
    assert.matches("args.n: must be an integer, not a string", err.message)
    assert.matches("result.f: a function cannot cross", run("bad_result").error.message)
  end)

  it("answers http", function()
    t:http("GET http://x/r", { json = { a = 1 } })
    local job = run("http")
    assert.same({ a = 1 }, job.result)
    assert.equal("got\t200\n", job.printed)
    assert.equal("http://x/r", job.requests[1].url)
    t:http("GET http://x/*", { delay = "10s" }, { error = "refused", code = "connect" })
    job = run("http")
    assert.matches("no answer within 5s", job.error.message)
    assert.equal(5, job.elapsed)
    assert.matches("refused", run("http").error.message)
  end)

  it("runs programs", function()
    t:exec("wc -l", function(call) return { stdout = call.stdin } end)
    t:exec("false", { code = 1 })
    local job = run("exec")
    assert.same({ "a\n", "nil", "exit", 1 }, job.result)
    assert.equal(2, #job.commands)
  end)

  it("fails the spec where nothing answers", function()
    assert.error_matches(function() run("http") end,
                         "every.lua:%d+: neap.http: nothing answers GET http://x/r")
    assert.error_matches(function() run("pcall_http") end, "nothing answers")
    assert.error_matches(function() run("exec") end, "nothing runs wc %-l")
    assert.error_matches(function() run("never") end, "nothing says how a job of other.task ends")
    assert.equal(6, run("help").result) -- and goes on
  end)

  it("fails the spec where an answer raises", function()
    t:http("*", function() error("of the spec", 0) end)
    assert.has_error(function() run("pcall_http") end, "of the spec")
  end)

  it("refuses misuse as neap does", function()
    assert.matches("every.lua:%d+: neap.http.request: unknown option 'ulr' %(did you mean 'url'",
                   run("typo").error.message)
    assert.error_matches(function() t:run({}, { atempt = 1 }) end, "did you mean 'attempt'")
  end)

  it("notes jobs, and lets them end as the spec says", function()
    t:job("other.task", function(args)
      t.neap.sleep(10)
      return args[1] + 1
    end)
    local job = run("submit")
    assert.same({ true, 2 }, job.result)
    assert.equal(3611, job.elapsed)
    assert.equal("other.task", job.jobs[1].task)
    assert.equal("1h", job.jobs[1].options.delay)
    assert.equal("completed", job.jobs[1].state)
    assert.equal("audit.record", job.jobs[2].task)
    assert.equal("available", job.jobs[2].state)
    assert.same({ ok = false, code = "timeout" }, run("wait_with_timeout").result)
    t:job("bad.task", function() return nil, "broken" end)
    assert.same({ 2, "broken" }, run("all").result)
  end)

  it("runs another task of its world", function()
    t:job("other.task", t:load("other"))
    assert.same({ true, "other 1" }, run("submit").result)
  end)

  it("keeps to deadlines", function()
    local job = run("forever", { timeout = "1h" })
    assert.equal("timeout", job.error.code)
    assert.equal("retryable", job.state)
    assert.equal(3600, job.elapsed)
  end)

  it("has race, shared and the rest", function()
    t:job("other.task", function() t.neap.sleep(30) return "job" end)
    local job = run("race")
    assert.same({ 2, true, "quick", 2, 1 }, job.result)
    assert.equal("completed", job.jobs[1].state) -- it is not the job's to cancel
    assert.same({ 2, true, "job" }, run("race_job").result)
    assert.same({ true, "nil", true, 1, 5 }, run("shared").result)
  end)

  it("ends async functions as neap does", function()
    assert.same({ false, "error", 7, false, "timeout", "cancelled", 3 }, run("async_ends").result)
    assert.same({ false, "timeout", false, { true, "a", 2 }, 6, false }, run("signal").result)
    assert.equal("an async function failed and nobody waited for it: lost",
                 run("stray").error.message)
  end)

  it("works on real files", function()
    local dir = t:dir()
    local job = run("files", nil, { path = dir })
    assert.is_nil(job.error)
    assert.same({
      names = { "x file 6", "z file 5" }, text = "onetwo", type = "directory", mode = "string",
      none = "No such file or directory", code = "ENOENT", large = "EFBIG",
    }, job.result)
    assert.equal(dir, t:dir())
  end)

  it("has stand-ins for modules", function()
    assert.matches("there is no loop under test",
                   run("require", nil, { path = "luv" }).error.message)
    t = test.load("every", { modules = { luv = 7, ["a.b"] = 8 } })
    assert.equal(7, run("require", nil, { path = "luv" }).result)
    assert.equal(8, run("require", nil, { path = "a.b" }).result)
  end)

  it("moves the clock on", function()
    assert.equal(1000000000, t:now())
    t:sleep("1h")
    assert.equal(1000003600, t:now())
  end)

  it("says what is wrong with a task", function()
    assert.equal("nowhere", assert.error_matches(function() test.load("nowhere") end,
                                                 "(%a+).lua: No such file"))
    assert.error_matches(function() test.load("lib/broken") end,
                         "lib/broken.lua: runn: unknown field %(did you mean 'run'%?%)")
    assert.error_matches(function() test.load("lib/acts") end,
                         "lib/acts.lua:%d+: neap.sleep cannot be called while a file loads")
    assert.error_matches(function() test.load("every", { config = { apy = "x" } }) end,
                         "config.apy: unknown")
    assert.error_matches(function() test.load("every", { confg = {} }) end, "did you mean 'config'")
  end)
end)
