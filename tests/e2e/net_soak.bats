# Requests and mails of all kinds, ended at any moment: nothing is left of them.
# shellcheck disable=SC2154 # set by bats and helper.bash
load servers

setup_file() {
    serve web
    serve post
    local plain tls smtp login
    read -r plain tls <"$BATS_FILE_TMPDIR/web.ports"
    read -r smtp login _ <"$BATS_FILE_TMPDIR/post.ports"
    export PLAIN=$plain WEBS=https://127.0.0.1:$tls CA=$BATS_FILE_TMPDIR/web.pem
    export SMTP=smtp://127.0.0.1:$smtp LOGIN=smtp://127.0.0.1:$login POST_CA=$BATS_FILE_TMPDIR/post.pem
}

teardown_file() {
    stop_serving web
    stop_serving post
}

@test "requests and mails that end at any moment leave nothing" {
    mkdir d
    task plugins/t/one.lua <<'EOT'
local neap = require "neap"
local plain = os.getenv("PLAIN")
local web, localhost = "http://127.0.0.1:" .. plain, "http://localhost:" .. plain
local paths = { "/echo", "/slow/5", "/slow/200", "/chunks/50", "/begin", "/cut", "/last", "/bytes/200000",
  "/redirect/3", "/garbage" }
local function request(kind, path)
  local o = { timeout = "150ms" }
  if kind == 1 then return neap.http.get(web .. path, o) end
  if kind == 2 then return neap.http.get(localhost .. path, o) end
  if kind == 3 then o.to = "d/" .. math.random(1000) return neap.http.get(web .. path, o) end
  if kind == 4 then o.ca = os.getenv("CA") return neap.http.get(os.getenv("WEBS") .. path, o) end
  if kind == 5 then return neap.http.get("http://127.0.0.1:1/", o) end
  if kind == 6 then return neap.http.get("http://no.such.host.invalid/", o) end
  local mail = { server = os.getenv("SMTP"), from = "a@b.c", to = "d@e.f", text = "hello", timeout = "150ms" }
  if kind == 8 then
    mail.server, mail.ca, mail.user = os.getenv("LOGIN"), os.getenv("POST_CA"), "ada"
    mail.password = math.random(2) == 1 and "secret" or "wrong"
  end
  return neap.mail.send(mail)
end
return function()
  return (request(math.random(8), paths[math.random(#paths)])) ~= nil
end
EOT
    task plugins/t/go.lua <<'EOT'
local neap = require "neap"
local function fds() return #neap.fs.list("/proc/self/fd") end
return function(rounds)
  local most = 0
  for round = 1, rounds do
    local jobs = {}
    for i = 1, 40 do jobs[i] = neap.submit("t.one") end
    neap.sleep(math.random() * 0.1)
    for _, job in ipairs(jobs) do if math.random(2) == 1 then job:cancel() end end
    for _, job in ipairs(jobs) do job:wait() end
    if round > rounds // 2 then assert(fds() <= most + 60, fds() .. " descriptors after " .. most)
    else most = math.max(most, fds()) end
  end
  for _, entry in ipairs(neap.fs.list("d")) do assert(not entry.name:find("part"), entry.name) end
  return true
end
EOT
    printf '[pool default]\nworkers = 2\n' >neap.ini
    run "$NEAP" run t.go "${ROUNDS:-20}"
    [[ $output == *true* ]] || { echo "$status: $output" | tail -n 30; false; }
    [ "$status" -le 1 ] # jobs were cancelled
}
