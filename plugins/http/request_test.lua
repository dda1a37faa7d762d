local test = require "neap.test"

local URL = "http://api.test/users/7"

describe("http.request", function()
  local t

  before_each(function()
    t = test.load("request", { now = 1445412420 }) -- Wed, 21 Oct 2015 07:27:00 GMT
  end)

  local function run(args)
    args.url = args.url or URL
    return t:run(args)
  end

  it("returns status, headers and body", function()
    t:http("GET " .. URL, { status = 200, headers = { ETag = "x" }, body = "ada" })
    local job = run {}
    assert.equal("completed", job.state)
    assert.same({ status = 200, headers = { etag = "x" }, body = "ada", url = URL }, job.result)
  end)

  it("sends method, headers and body", function()
    t:http("PUT " .. URL, { status = 204 })
    local job = run { method = "PUT", headers = { Accept = "text/plain" }, body = "new" }
    assert.equal(204, job.result.status)
    assert.equal("new", job.requests[1].body)
    assert.equal("text/plain", job.requests[1].headers.accept)
    assert.equal(30, job.requests[1].timeout)
  end)

  it("sends JSON", function()
    t:http("POST *", {})
    local job = run { method = "POST", json = { user = 7 } }
    assert.equal('{"user":7}', job.requests[1].body)
    assert.equal("application/json", job.requests[1].headers["content-type"])
    job = run { method = "POST", json = { user = 7 }, body = "x" }
    assert.equal("give either body or json", job.error.message)
  end)

  it("takes a 404 for an answer unless told what to expect", function()
    t:http("*", { status = 404 })
    assert.equal(404, run({}).result.status)
    for _, expect in ipairs { { 200 }, { "2xx" }, { "200-299", "405" } } do
      local job = run { expect = expect }
      assert.equal("dead", job.state)
      assert.equal("fail", job.ended_by)
      assert.equal("GET " .. URL .. ": status 404", job.error.message)
    end
    for _, expect in ipairs { { 200, 404 }, { "4xx" }, { "300-404" } } do
      assert.equal("completed", run({ expect = expect }).state)
    end
  end)

  it("tries what may pass again", function()
    for _, status in ipairs { 408, 429, 500, 503 } do
      t:http("*", { status = status })
      for _, expect in ipairs { {}, { 200 } } do
        local job = run { expect = expect }
        assert.equal("retryable", job.state)
        assert.equal("GET " .. URL .. ": status " .. status, job.error.message)
        assert.equal(2, job.after) -- as the policy says
      end
    end
    assert.equal("completed", run({ expect = { 503 } }).state)
  end)

  it("waits as long as the server asks for", function()
    for text, seconds in pairs {
      ["7"] = 7, ["0"] = 0, ["Wed, 21 Oct 2015 07:28:00 GMT"] = 60,
      ["Wed, 21 Oct 2015 07:00:00 GMT"] = 0, ["Tue, 01 Mar 2016 00:00:00 GMT"] = 86400,
      ["99999999"] = 86400, soon = 2, ["Wed, 21 Foo 2015 07:28:00 GMT"] = 2,
    } do
      t:http("*", { status = 503, headers = { ["Retry-After"] = text } })
      assert.equal(seconds, run({}).after, text)
    end
  end)

  it("fails the attempt where there is no answer", function()
    t:http("*", { error = "Could not resolve host", code = "resolve" }, { delay = "10s" })
    local job = run {}
    assert.equal("retryable", job.state)
    assert.equal("Could not resolve host", job.error.message)
    job = run { timeout = "2s" }
    assert.matches("no answer", job.error.message)
    assert.equal(2, job.elapsed)
  end)

  it("puts the body into a file", function()
    local path = os.tmpname()
    t:http("*", { body = ("x"):rep(3000000) })
    local job = run { to = path }
    local file = assert(io.open(path))
    assert.equal(3000000, #file:read("a"))
    file:close()
    os.remove(path)
    assert.equal(path, job.result.to)
    assert.is_nil(job.result.body)
    t:http("*", { status = 404, body = ("x"):rep(3000000) })
    job = run { to = "/nowhere/at/all" }
    assert.equal(404, job.result.status)
    assert.is_nil(job.result.to)
    assert.equal(1024000, #job.result.body)
  end)

  it("ends a job whose body is too large for a result", function()
    t:http("*", { body = ("x"):rep(1100000) })
    local job = run {}
    assert.equal("dead", job.state)
    assert.matches("give `to`", job.error.message)
  end)

  it("writes below config.dir only", function()
    t = test.load("request", { config = { dir = "/srv/files/" } })
    for _, path in ipairs { "/etc/passwd", "../x", "a/../../x" } do
      assert.equal("to: must be a path below config.dir, without '..'",
                   run({ to = path }).error.message)
    end
  end)

  it("refuses what it cannot do", function()
    assert.equal("args", run({ url = "ftp://x/" }).error.code)
    assert.equal("args", run({ method = "get me" }).error.code)
    assert.equal('expect: a status such as 204, "2xx" or "200-299", not fine',
                 run({ expect = { "fine" } }).error.message)
  end)
end)
