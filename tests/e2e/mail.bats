# neap.mail against servers on loopback; Python reads what they got.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load servers

setup_file() {
    serve post
    local plain login tls rude hostile
    read -r plain login tls rude hostile <"$BATS_FILE_TMPDIR/post.ports"
    export SMTP=smtp://127.0.0.1:$plain LOGIN=smtp://127.0.0.1:$login
    export SMTPS=smtps://127.0.0.1:$tls RUDE=smtp://127.0.0.1:$rude HOSTILE=smtp://127.0.0.1:$hostile
    export CA=$BATS_FILE_TMPDIR/post.pem BOX=$BATS_FILE_TMPDIR
}

teardown_file() {
    stop_serving post
}

# Modules for the tasks: got() is the mail that came last.
setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    mkdir lib
    cat >lib/box.lua <<'EOT'
local neap = require "neap"
local box = {}
function box.got()
  local last = 0
  for _, e in ipairs(neap.fs.list(os.getenv("BOX"))) do
    last = math.max(last, tonumber(e.name:match("^mail%.(%d+)$")) or 0)
  end
  local f = assert(io.open(os.getenv("BOX") .. "/mail." .. last))
  local text = f:read("a")
  f:close()
  return neap.json.decode(text), last
end
function box.send(changes)
  local mail = { server = os.getenv("SMTP"), from = "ada@example.org", to = "bob@example.org", text = "hello" }
  for k, v in pairs(changes or {}) do mail[k] = v end
  return neap.mail.send(mail)
end
function box.fails(want, changes)
  local none, message, code = box.send(changes)
  assert(none == nil and code == want, tostring(code) .. ": " .. tostring(message))
  return message
end
return box
EOT
}

@test "a plain mail arrives, with its headers" {
    good <<'EOT'
local box = require "box"
return function()
  local sent = assert(box.send { subject = "Greetings", cc = { "c@example.org" }, bcc = "d@example.org",
    reply_to = "Ada <replies@example.org>", headers = { ["X-Kind"] = "test" } })
  local mail = box.got()
  assert(mail.from == "ada@example.org")
  assert(table.concat(mail.rcpt, " ") == "bob@example.org c@example.org d@example.org")
  local h = mail.headers
  assert(h.from == "ada@example.org" and h.to == "bob@example.org" and h.cc == "c@example.org")
  assert(not h.bcc and h["reply-to"] == "Ada <replies@example.org>" and h["x-kind"] == "test")
  assert(h.subject == "Greetings" and h["message-id"] == sent.id and sent.id:find("^<[^@]+@example%.org>$"))
  assert(h.date:find("^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d %+0000$") and h["mime-version"] == "1.0")
  assert(#mail.parts == 1 and mail.parts[1].type == "text/plain" and mail.parts[1].text == "hello\r\n")
  assert(not mail.tls and not mail.login and #mail.defects == 0)
  return true
end
EOT
}

@test "texts of any kind arrive as they were" {
    good <<'EOT'
local box = require "box"
local function crlf(text) return (text:gsub("\r?\n", "\r\n")) end
return function()
  local texts = {
    "", ".", ".\n", "..\n.\n\n.x\nend", ("long "):rep(1000), ("x"):rep(5000), "Grüße, 世界\n",
    "trailing \nspace\t\n=3D = equals", "\n\n\nblank", ("ü"):rep(500) .. "\n.\n" .. ("."):rep(300),
    "From here\nnul \0 and \1", "crlf\r\nand lf\n", (".\n"):rep(5000),
  }
  for i, text in ipairs(texts) do
    assert(box.send { text = text })
    local mail = box.got()
    local got = mail.parts[1].text
    local want = crlf(text)
    assert(got == want or got == want .. "\r\n", i .. ": " .. got:sub(1, 200))
    assert(mail.ascii and mail.longest <= 998 and mail.bare == 0 and #mail.defects == 0, i)
  end
  return true
end
EOT
}

@test "names and subjects beyond ASCII, long ones, odd ones" {
    good <<'EOT'
local box = require "box"
return function()
  for _, subject in ipairs { "Grüße aus Köln", ("Ünïcödé "):rep(40) .. "end", ("word "):rep(100) .. "end",
      "=?UTF-8?Q?not_one?=", "a\tb", ("x"):rep(900), "世界" } do
    assert(box.send { subject = subject })
    local mail = box.got()
    assert(mail.headers.subject == subject, mail.headers.subject)
    assert(mail.ascii and mail.longest <= 998 and #mail.defects == 0)
  end
  assert(box.send { subject = "bad \xff" })
  assert(box.got().headers.subject == "bad \u{FFFD}")
  assert(box.send { from = "Zoë Ångström <zoe@example.org>", to = {
    '"Doe, Jon" <jon@example.org>', "Just Me <me@example.org>", "plain@example.org", "Ünï <u@example.org>" } })
  local mail = box.got()
  assert(mail.headers.from == "Zoë Ångström <zoe@example.org>", mail.headers.from)
  assert(mail.headers.to == '"Doe, Jon" <jon@example.org>, Just Me <me@example.org>, plain@example.org, '
    .. "Ünï <u@example.org>", mail.headers.to)
  assert(mail.from == "zoe@example.org" and #mail.rcpt == 4 and #mail.defects == 0)
  return true
end
EOT
}

@test "HTML beside text, and attachments" {
    printf 'a\nb\r\n.\n\0\377' >data.bin
    good <<'EOT'
local box = require "box"
return function()
  assert(box.send { html = "<b>fett: ü</b>" })
  local mail = box.got()
  assert(mail.headers["content-type"]:find("^multipart/alternative"))
  assert(mail.parts[1].type == "text/plain" and mail.parts[2].type == "text/html")
  assert(mail.parts[2].text == "<b>fett: ü</b>\r\n")
  local html = { server = os.getenv("SMTP"), from = "a@example.org", to = "b@example.org", html = "<p>only</p>" }
  assert(require("neap").mail.send(html))
  mail = box.got()
  assert(#mail.parts == 1 and mail.parts[1].type == "text/html")

  local all = {}
  for i = 0, 255 do all[#all + 1] = string.char(i) end
  all = table.concat(all):rep(100)
  assert(box.send { html = "<i>x</i>", attachments = {
    { path = "data.bin" }, { data = all, name = "bïn \"x\".bin", type = "image/png" },
    { data = "", name = "empty" }, { data = "csv", name = 'q"uote.csv', type = "text/csv; charset=UTF-8" } } })
  mail = box.got()
  local p = mail.parts
  assert(mail.headers["content-type"]:find("^multipart/mixed") and #p == 6 and #mail.defects == 0)
  assert(p[1].type == "text/plain" and p[2].type == "text/html")
  assert(p[3].name == "data.bin" and p[3].type == "application/octet-stream")
  assert(p[3].text == "a\nb\r\n.\n\0ÿ")
  local want = all:gsub(".", function(c) return utf8.char(c:byte()) end)
  assert(p[4].name == 'bïn "x".bin' and p[4].type == "image/png" and p[4].text == want)
  assert(p[5].name == "empty" and p[5].text == "" and p[6].name == 'q"uote.csv' and p[6].text == "csv")
  assert(mail.ascii and mail.longest <= 998)

  assert(box.fails("io", { attachments = { { path = "none.bin" } } }):find("^none.bin: "))
  assert(box.fails("io", { attachments = { { path = "." } } }))
  assert(box.fails("too_large", { text = ("x"):rep(65 * 1024 * 1024) }))
  return true
end
EOT
}

@test "TLS and login" {
    good <<'EOT'
local box = require "box"
return function()
  local login, smtps, ca = os.getenv("LOGIN"), os.getenv("SMTPS"), os.getenv("CA")
  local function ada(more)
    local t = { server = login, ca = ca, user = "ada", password = "secret" }
    for k, v in pairs(more or {}) do t[k] = v end
    return t
  end
  assert(box.send(ada()))
  local mail = box.got()
  assert(mail.login and mail.tls)
  assert(box.send(ada { tls = "starttls" }))
  assert(box.send(ada { server = smtps }))
  assert(box.got().login)
  assert(box.send(ada { ca = false or nil, verify = false }))
  box.fails("tls", { server = login, user = "ada", password = "secret" }) -- unknown authority
  box.fails("tls", { server = smtps, user = "ada", password = "secret" })
  assert(box.fails("login", ada { password = "wrong" }):find("535 5.7.8"))
  box.fails("refused", { server = login, ca = ca }) -- it wants a login
  box.fails("login", ada { server = login, tls = "none" }) -- it offers none without TLS
  box.fails("login", { user = "ada", password = "secret" }) -- nor does this one at all
  box.fails("tls", { tls = "starttls" }) -- this one has no TLS

  -- a server that never answers to QUIT holds up nothing
  local neap = require "neap"
  local began = neap.now()
  box.fails("login", { server = os.getenv("RUDE"), user = "ada", password = "wrong" })
  assert(box.send { server = os.getenv("RUDE"), user = "ada", password = "secret" })
  assert(box.got().login and neap.now() - began < 10)
  return true
end
EOT
}

@test "what fails says how" {
    good <<'EOT'
local box = require "box"
return function()
  assert(box.fails("refused", { to = { "bob@example.org", "nobody@example.org" } }):find("nobody@example.org: 550"))
  assert(box.fails("busy", { to = "later@example.org" }):find("451"))
  assert(box.fails("refused", { to = "spam@example.org" }):find("554"))
  box.fails("connect", { server = "smtp://127.0.0.1:1" })
  box.fails("resolve", { server = "smtp://no.such.host.invalid" })
  box.fails("url", { server = "127.0.0.1:25" })
  box.fails("url", { server = "smtp://ada:secret@127.0.0.1" })
  assert(box.fails("timeout", { to = "slow@example.org", timeout = "300ms" }):find("0.3 s"))
  for _, to in ipairs { "", "ada", "@example.org", "ada@", "a b@example.org", "ada@exam ple.org", "<ada@example.org",
      "ada@example.org>", "a@example.org, b@example.org", "ada@example.org\r\nRCPT TO:<eve@example.org>",
      "Eve\r\nBcc: eve@example.org <ada@example.org>", "ädа@example.org", ("x"):rep(300) .. "@example.org",
      "ada@example.org\0", 'A "B <ada@example.org>' } do
    box.fails("address", { to = { to } })
    box.fails("address", { from = to })
    box.fails("address", { reply_to = to })
  end
  return true
end
EOT
    [ ! -e "$BOX/mail.1" ] || ! grep -l eve@ "$BOX"/mail.*
}

@test "a server that means harm holds up nothing" {
    good <<'EOT'
local box = require "box"
return function()
  local server = os.getenv("HOSTILE")
  for name, code in pairs { flood = "protocol", line = "protocol", garbage = "protocol", early = "protocol",
      drop = "io", unread = "protocol" } do
    box.fails(code, { server = server, to = name .. "@example.org", text = ("x"):rep(10000000), timeout = "20s" })
  end
  return true
end
EOT
}

@test "a misuse raises, naming function and argument" {
    good <<'EOT'
local box = require "box"
local function raises(want, changes)
  local ok, err = pcall(box.send, changes)
  assert(not ok and tostring(err):find("neap.mail.send", 1, true) and tostring(err):find(want, 1, true), tostring(err))
end
return function()
  raises("unknown option 'subjet' (did you mean 'subject'?)", { subjet = "x" })
  raises("subject has a line break", { subject = "x\r\nBcc: eve@example.org" })
  raises("subject has a line break", { subject = "x\ny" })
  raises("the header X-A has a line break", { headers = { ["X-A"] = "x\r\n\r\nbody" } })
  raises("the header 'X A' cannot be set", { headers = { ["X A"] = "x" } })
  raises("the header 'To' cannot be set", { headers = { To = "x" } })
  raises("the header 'Content-Type' cannot be set", { headers = { ["Content-Type"] = "x" } })
  raises("headers is a table of strings", { headers = { X = 1 } })
  raises("tls is auto, starttls or none, not 'yes'", { tls = "yes" })
  raises("to is an address or a list of addresses, got number", { to = 1 })
  raises("to[1] is a string, got boolean", { to = { true } })
  raises("there is no recipient", { to = {} })
  raises("a password without user", { password = "x" })
  raises("unknown option 'file'", { attachments = { { file = "x" } } })
  raises("each has data or a path", { attachments = { { name = "x" } } })
  raises("each has data or a path", { attachments = { { name = "x", path = "x", data = "x" } } })
  raises("a name is missing", { attachments = { { data = "x" } } })
  raises("a name has a line break", { attachments = { { data = "x", name = "a\r\nb" } } })
  raises("is no type such as", { attachments = { { data = "x", name = "a", type = "text\r\nX: y" } } })
  raises("is no type such as", { attachments = { { data = "x", name = "a", type = "text" } } })
  raises("server is a string", { server = 25 })
  raises("timeout", { timeout = "soon" })
  local neap = require "neap"
  local ok, err = pcall(neap.mail.send, { server = "smtp://127.0.0.1", to = "a@example.org" })
  assert(not ok and err:find("from is missing"))
  ok, err = pcall(neap.mail.send, { from = "a@example.org" })
  assert(not ok and err:find("server is missing"))
  return true
end
EOT
}

@test "a job that is cancelled hangs up at once; others send meanwhile" {
    mkdir -p plugins/t
    cp -r lib plugins/t/lib
    task plugins/t/slow.lua <<'EOT'
local box = require "box"
return function() return coroutine.wrap(box.send)({ to = "slow@example.org", timeout = 0 }) end
EOT
    task plugins/t/go.lua <<'EOT'
local neap, box = require "neap", require "box"
local where = os.getenv("BOX")
local function wait_for(name)
  for _ = 1, 1000 do
    if neap.fs.stat(where .. "/" .. name) then return end
    neap.sleep(0.01)
  end
  error("never " .. name)
end
return function()
  os.remove(where .. "/slow.begun")
  os.remove(where .. "/slow.gone")
  local job = neap.submit("t.slow")
  wait_for("slow.begun")
  for _ = 1, 10 do assert(box.send()) end -- while the server thinks about the other
  assert(job:state() == "running")
  job:cancel()
  wait_for("slow.gone")
  local ok, err = job:wait()
  assert(not ok and err.code == "cancelled")
  return true
end
EOT
    neap 0 run t.go
    is true
}

@test "100 mails at once from one worker" {
    printf '[pool default]\nworkers = 1\n' >neap.ini
    task go.lua <<'EOT'
local box = require "box"
return function(n) return assert(box.send { subject = "number " .. n, to = "many@example.org" }) and n end
EOT
    seq 100 >in
    run -0 bash -c '"$NEAP" map -j 100 ./go.lua <in | sort -n | cmp - in'
    [ "$(grep -l '"many@example.org"' "$BOX"/mail.* | wc -l)" = 100 ]
}
