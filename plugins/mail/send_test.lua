local test = require "neap.test"

describe("mail.send", function()
  local t

  before_each(function()
    t = test.load("send", { config = {
      server = "smtps://mx.test", user = "neap", password = "secret", from = "neap@example.org",
    } })
  end)

  local function run(args)
    args.to = args.to or "ada@example.org"
    args.text = args.text or "hello"
    return t:run(args)
  end

  it("sends by the configured server", function()
    t:mail()
    local job = run { subject = "Report", cc = { "b@example.org", "c@example.org" } }
    assert.equal("completed", job.state)
    assert.equal("<1@test>", job.result.id)
    assert.same({
      server = "smtps://mx.test", tls = "auto", user = "neap", password = "secret",
      from = "neap@example.org", to = "ada@example.org", cc = { "b@example.org", "c@example.org" },
      subject = "Report", text = "hello", timeout = 60,
    }, job.mails[1])
  end)

  it("takes the sender of the job first", function()
    t:mail()
    assert.equal("eve@example.org", run({ from = "eve@example.org" }).mails[1].from)
    t = test.load("send")
    t:mail()
    local job = run {}
    assert.equal("dead", job.state)
    assert.equal("from: neither an argument nor config.from", job.error.message)
    assert.equal("smtp://127.0.0.1:25", run({ from = "eve@example.org" }).mails[1].server)
  end)

  it("sends attachments and HTML", function()
    t:mail()
    local attachments = { { name = "a.txt", type = "text/plain", data = "x" } }
    local mail = run({ html = "<p>x", attachments = attachments }).mails[1]
    assert.equal("<p>x", mail.html)
    assert.same(attachments, mail.attachments)
  end)

  it("ends the job where the server refuses for good", function()
    t:mail { error = "550 5.1.1 no such user", code = "refused" }
    local job = run {}
    assert.equal("dead", job.state)
    assert.equal("550 5.1.1 no such user", job.error.message)
  end)

  it("tries again where it refuses for now, or does not answer", function()
    t:mail({ error = "451 4.3.0 try later", code = "busy" }, { delay = "2m" })
    local job = run {}
    assert.equal("retryable", job.state)
    assert.equal("451 4.3.0 try later", job.error.message)
    assert.equal(30, job.after)
    job = run {}
    assert.equal("retryable", job.state)
    assert.equal(60, job.elapsed)
  end)

  it("refuses what is no mail", function()
    assert.equal("give text, html or both",
                 t:run({ to = "ada@example.org" }).error.message)
    assert.equal("to: must be an address or a list of them", run({ to = {} }).error.message)
    assert.equal("cc[2]: must be a string, not a number",
                 run({ cc = { "a@b.c", 1 } }).error.message)
    assert.equal("args", t:run({ text = "x" }).error.code)
    assert.error_matches(function() test.load("send", { config = { server = "http://x" } }) end,
                         "config.server: does not match")
  end)
end)
