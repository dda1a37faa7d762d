# neap.http against a server on loopback.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load servers

setup_file() {
    serve web
    local plain tls
    read -r plain tls <"$BATS_FILE_TMPDIR/web.ports"
    export WEB=http://127.0.0.1:$plain WEBS=https://127.0.0.1:$tls CA=$BATS_FILE_TMPDIR/web.pem
}

teardown_file() {
    stop_serving web
}

@test "a request: method, headers, body; the response: status, headers, body, url" {
    good <<'EOT'
local neap = require "neap"
local web = os.getenv("WEB")
return function()
  local r = assert(neap.http.get(web .. "/echo?x=1"))
  local said = assert(r:json())
  assert(r.status == 200 and r.url == web .. "/echo?x=1" and r.headers["content-type"] == "application/json")
  assert(said.method == "GET" and said.path == "/echo?x=1" and said.headers["user-agent"]:find("^neap/"))
  assert(said.body == "" and not said.headers["content-type"])

  said = neap.http.post(web .. "/echo", { body = "a\0b", headers = { ["X-One"] = "1", Two = 2, Empty = "" } }):json()
  assert(said.method == "POST" and said.body == "a\0b" and said.headers["content-length"] == "3")
  assert(said.headers["x-one"] == "1" and said.headers.two == "2" and said.headers.empty == "")
  assert(not said.headers["content-type"] and not said.headers.expect)

  said = neap.http.post(web .. "/echo"):json()
  assert(said.method == "POST" and said.body == "" and said.headers["content-length"] == "0")

  for _, method in ipairs { "put", "PATCH", "DELETE", "OPTIONS", "X-ODD" } do
    said = neap.http.request { url = web .. "/echo", method = method, body = "text" }:json()
    assert(said.method == method:upper() and said.body == "text")
  end
  said = neap.http.request { url = web .. "/echo", method = "DELETE" }:json()
  assert(said.method == "DELETE" and said.body == "" and not said.headers["content-length"])
  said = neap.http.request { url = web .. "/echo", body = "with a get" }:json()
  assert(said.method == "GET" and said.body == "with a get")

  r = assert(neap.http.request { url = web .. "/bytes/5000", method = "HEAD" })
  assert(r.status == 200 and r.body == "" and r.headers["content-length"] == "5000")
  r = assert(neap.http.get(web .. "/status/404"))
  assert(r.status == 404 and r.body == "status 404")
  r = assert(neap.http.get(web .. "/status/500"))
  assert(r.status == 500)
  r = assert(neap.http.get(web .. "/twice"))
  assert(r.headers["x-twice"] == "a, b" and r.headers["x-empty"] == "")
  r = assert(neap.http.get(web .. "/chunks/100"))
  assert(r.body == ("y"):rep(102400) and not r.headers["x-trailer"])
  r = assert(neap.http.get(web .. "/gzip/3"))
  assert(r.body == ("unpacked"):rep(3))
  r = assert(neap.http.get(web .. "/gzip/3", { headers = { ["Accept-Encoding"] = "gzip" } }))
  assert(r.body:sub(1, 2) == "\x1f\x8b")
  said = neap.http.get(web .. "/echo", { user = "ada", password = "secret" }):json()
  assert(said.headers.authorization == "Basic YWRhOnNlY3JldA==")
  r = assert(neap.http.post(web .. "/echo", { body = ("z"):rep(3000000) }))
  assert(#r.body > 3000000)
  return true
end
EOT
}

@test "JSON goes out and comes back" {
    good <<'EOT'
local neap = require "neap"
local web = os.getenv("WEB")
return function()
  local said = neap.http.post(web .. "/echo", { json = { list = neap.array {}, n = 1 } }):json()
  assert(said.body == '{"list":[],"n":1}' and said.headers["content-type"] == "application/json")
  said = neap.http.request { url = web .. "/echo", method = "PUT", json = false,
    headers = { ["content-type"] = "application/x" } }:json()
  assert(said.body == "false" and said.headers["content-type"] == "application/x" and said.method == "PUT")
  local value, message = neap.http.get(web .. "/slow/0"):json()
  assert(value == nil and message:find("line 1"))
  local ok, err = pcall(neap.http.post, web .. "/echo", { json = { f = print } })
  assert(not ok and err:find("json.f: a function cannot cross"), err)
  return true
end
EOT
}

@test "requests wait inside coroutines, nested ones, too; not where Lua cannot" {
    good <<'EOT'
local neap = require "neap"
local web = os.getenv("WEB")
return function()
  local function get() return neap.http.get(web .. "/slow/20").body end
  local body = coroutine.wrap(function()
    coroutine.yield(1)
    local ok, text = pcall(coroutine.wrap(function() return get() end))
    return ok and text .. get()
  end)
  assert(body() == 1)
  assert(body() == "slowslow")
  local ok, err = pcall(table.sort, { 2, 1 }, function() get() return false end)
  assert(not ok and err:find("neap.http.get cannot wait here"), err)
  return true
end
EOT
}

@test "a response that does not fit into the state fails its job, and leaks nothing" {
    printf '[pool default]\nworkers = 1\nmemory = 24M\n' >neap.ini
    task big.lua <<'EOT'
local neap = require "neap"
return function(n)
  local kept = {}
  for i = 1, 6 do
    local res, message, code = neap.http.get(os.getenv("WEB") .. "/bytes/8000000")
    if not res then return code end
    kept[i] = res.body
  end
  return #kept
end
EOT
    seq 4 >in
    run "$NEAP" map -j 4 ./big.lua <in
    [ "$status" -le 1 ] || { echo "$status: $output"; false; }
    expect memory
}

@test "a response can be the result" {
    echo 'return function() return require("neap").http.get(os.getenv("WEB") .. "/slow/0") end' >t.lua
    neap 0 run ./t.lua
    expect '"body":"slow"'
    expect '"status":200'
}

@test "redirects are followed, up to a limit, and only to http and https" {
    good <<'EOT'
local neap = require "neap"
local web = os.getenv("WEB")
return function()
  local r = assert(neap.http.get(web .. "/redirect/10"))
  assert(r.status == 200 and r.url == web .. "/echo" and not r.headers.location)
  local none, message, code = neap.http.get(web .. "/redirect/11")
  assert(none == nil and code == "redirects" and message:find("10"))
  none, message, code = neap.http.get(web .. "/redirect/3", { redirects = 2 })
  assert(none == nil and code == "redirects")
  r = assert(neap.http.get(web .. "/redirect/3", { redirects = 0 }))
  assert(r.status == 302 and r.headers.location == "/redirect/2" and r.body == "away")
  none, message, code = neap.http.get(web .. "/see/302/file:///etc/passwd")
  assert(none == nil and code == "protocol" and message:find("file"), message)

  -- what becomes of method and body
  local want = {
    { "POST", 301, "GET", "" }, { "POST", 302, "GET", "" }, { "POST", 303, "GET", "" },
    { "POST", 307, "POST", "b" }, { "POST", 308, "POST", "b" },
    { "PUT", 301, "PUT", "b" }, { "PUT", 302, "PUT", "b" }, { "PUT", 303, "GET", "" },
    { "PUT", 307, "PUT", "b" }, { "DELETE", 303, "GET", "" },
  }
  for _, w in ipairs(want) do
    local said = neap.http.request { url = web .. "/see/" .. w[2] .. "/echo", method = w[1], body = "b" }:json()
    assert(said.method == w[3] and said.body == w[4], w[1] .. " " .. w[2] .. " " .. said.method)
  end

  -- what names the user does not go to another host
  local elsewhere = web:gsub("127.0.0.1", "localhost")
  local said = neap.http.get(web .. "/see/302/" .. elsewhere .. "/echo",
    { user = "u", password = "p", headers = { Cookie = "c", ["X-Other"] = "o" } }):json()
  assert(not said.headers.authorization and not said.headers.cookie and said.headers["x-other"] == "o")
  return true
end
EOT
}

@test "TLS: verified unless told otherwise" {
    good <<'EOT'
local neap = require "neap"
local web, ca = os.getenv("WEBS"), os.getenv("CA")
return function()
  local none, message, code = neap.http.get(web .. "/echo")
  assert(none == nil and code == "tls" and message:find("certificate"), message)
  assert(neap.http.get(web .. "/echo", { ca = ca }).status == 200)
  assert(neap.http.get(web .. "/echo", { verify = false }).status == 200)
  none, message, code = neap.http.get(web .. "/echo") -- the connection made without is not used
  assert(none == nil and code == "tls")
  none, message, code = neap.http.get(web .. "/echo", { ca = "none.pem" })
  assert(none == nil and code == "tls")
  none, message, code = neap.http.get(web:gsub("127.0.0.1", "127.0.0.2") .. "/echo", { ca = ca })
  assert(none == nil and (code == "tls" or code == "connect"), message)
  return true
end
EOT
}

@test "what fails says how" {
    good <<'EOT'
local neap = require "neap"
local web = os.getenv("WEB")
local function fails(want, ...)
  local none, message, code = neap.http.get(...)
  assert(none == nil and code == want and #message > 0, tostring(code) .. ": " .. tostring(message))
  return message
end
return function()
  fails("connect", "http://127.0.0.1:1/")
  fails("resolve", "http://no.such.host.invalid/")
  fails("url", "ftp://127.0.0.1/")
  fails("url", "127.0.0.1")
  fails("url", "http://127.0.0.1\0.example.org/")
  fails("url", "http://127.0.0.1 x/")
  fails("io", web .. "/cut")
  fails("protocol", web .. "/garbage")
  assert(fails("too_large", web .. "/bytes/1001", { max_body = 1000 }):find("1000 bytes"))
  assert(#neap.http.get(web .. "/bytes/1000", { max_body = 1000 }).body == 1000)
  fails("too_large", web .. "/chunks/2", { max_body = "1K" })
  fails("too_large", web .. "/gzip/1000", { max_body = "1K" }) -- it is what it unpacks to that counts
  assert(neap.http.get(web .. "/fields/900").headers["x-899"])
  fails("too_large", web .. "/fields/1001")
  local before = neap.now()
  assert(fails("timeout", web .. "/slow/20000", { timeout = "200ms" }):find("0.2 s"))
  fails("timeout", web .. "/begin", { timeout = 0.2 })
  assert(neap.now() - before < 10)
  assert(neap.http.get(web .. "/slow/1", { timeout = "none", connect_timeout = 0 }).body == "slow")
  return true
end
EOT
}

@test "a misuse raises, naming function and argument" {
    good <<'EOT'
local neap = require "neap"
local function raises(want, f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok and tostring(err):find(want, 1, true), tostring(err))
end
local request, get = neap.http.request, neap.http.get
return function()
  raises("neap.http.request: a table of options is needed, got nil", request)
  raises("neap.http.request: url is missing", request, {})
  raises("neap.http.request: url is a string, got number", request, { url = 1 })
  raises("neap.http.get: the URL is a string, got nil", get, nil)
  raises("neap.http.request: unknown option 'metod' (did you mean 'method'?)", request, { metod = "GET" })
  raises("neap.http.get: unknown option 'url'", get, "http://x", { url = "x" })
  raises("neap.http.get: a table of options is needed, got string", get, "http://x", "y")
  raises("neap.http.request: method is a word", request, { url = "http://x", method = "GET /" })
  raises("the header X has a line break", get, "http://x", { headers = { X = "a\r\nY: b" } })
  raises("the header X has a line break", get, "http://x", { headers = { X = "a\0b" } })
  raises("'X: y' cannot be the name of a header", get, "http://x", { headers = { ["X: y"] = "a" } })
  raises("the header X is a string or an integer, got table", get, "http://x", { headers = { X = {} } })
  raises("neap sets the header Content-Length", get, "http://x", { headers = { ["Content-Length"] = 5 } })
  raises("headers is a table", get, "http://x", { headers = "X: y" })
  raises("either body or json", get, "http://x", { body = "", json = 1 })
  raises("timeout", get, "http://x", { timeout = "soon" })
  raises("redirects is an integer from 0 to 100", get, "http://x", { redirects = -1 })
  raises("max_body", get, "http://x", { max_body = "much" })
  raises("max_body", get, "http://x", { max_body = "2G" })
  raises("verify is true or false", get, "http://x", { verify = 0 })
  raises("to has a NUL byte", get, "http://x", { to = "a\0" })
  return true
end
EOT
    echo 'require("neap").http.get("http://127.0.0.1:1/") return function() end' >early.lua
    neap 78 run ./early.lua
    expect_error "neap.http.get cannot be called while a file loads"
}

@test "a body goes to a file once it is whole" {
    mkdir d
    good <<'EOT'
local neap = require "neap"
local web = os.getenv("WEB")
local function names()
  local list = {}
  for _, entry in ipairs(neap.fs.list("d")) do list[#list + 1] = entry.name end
  return table.concat(list, " ")
end
local function content(path) local f = assert(io.open(path)) return f:read("a"), f:close() end
return function()
  local r = assert(neap.http.get(web .. "/bytes/3000000", { to = "d/big" }))
  assert(r.status == 200 and r.body == nil and r.headers["content-length"] == "3000000")
  assert(content("d/big") == ("x"):rep(3000000) and names() == "big")
  assert(r:json() == nil)

  -- what fails leaves the old file, and nothing else
  for _, path in ipairs { "/cut", "/garbage" } do
    assert(neap.http.get(web .. path, { to = "d/big" }) == nil)
    assert(neap.fs.stat("d/big").size == 3000000 and names() == "big", names())
  end
  local none, message, code = neap.http.get(web .. "/begin", { to = "d/big", timeout = "200ms" })
  assert(code == "timeout" and names() == "big")
  none, message, code = neap.http.get(web .. "/bytes/2000", { to = "d/big", max_body = 1000 })
  assert(code == "too_large" and names() == "big")
  r = assert(neap.http.get(web .. "/status/404", { to = "d/big" })) -- an error page is no download
  assert(r.status == 404 and r.body == "status 404" and names() == "big")
  assert(neap.fs.stat("d/big").size == 3000000)

  none, message, code = neap.http.get(web .. "/echo", { to = "missing/file" })
  assert(none == nil and code == "io" and message:find("^missing/file"), message)
  assert(neap.http.get(web .. "/bytes/0", { to = "d/big" }).status == 200)
  assert(neap.fs.stat("d/big").size == 0)
  return true
end
EOT
}

@test "connections are used again" {
    good <<'EOT'
local neap = require "neap"
local web = os.getenv("WEB")
return function()
  assert(neap.http.get(web .. "/state"))
  local before = neap.http.get(web .. "/state"):json().accepted
  for _ = 1, 50 do assert(neap.http.get(web .. "/status/200")) end
  assert(neap.http.get(web .. "/state"):json().accepted == before)
  return true
end
EOT
}

@test "a connection that the server has closed meanwhile is not missed" {
    good <<'EOT'
local neap = require "neap"
local web = os.getenv("WEB")
return function()
  for i = 1, 20 do
    assert(neap.http.get(web .. "/last").body == "last")
    if i % 2 == 0 then neap.sleep("10ms") end
    local r = assert(neap.http.post(web .. "/echo", { body = "b" }))
    assert(r.body:find('"body": "b"'), r.body)
  end
  return true
end
EOT
}

@test "proxies are those of the environment" {
    cat >t.lua <<'EOT'
return function(url) return require("neap").http.get(url):json().path end
EOT
    http_proxy=$WEB neap 0 run ./t.lua '"http://no.such.host.invalid/echo"'
    is http://no.such.host.invalid/echo
    http_proxy=http://127.0.0.1:1 no_proxy=127.0.0.1 neap 0 run ./t.lua "\"$WEB/echo\""
    is /echo
}

@test "a job that is cancelled closes its connection at once, and removes its file" {
    task plugins/t/child.lua <<'EOT'
local neap = require "neap"
return function(path)
  local closed <close> = setmetatable({}, { __close = function()
    local none, why = neap.http.get(os.getenv("WEB") .. "/echo")
    io.open("closed", "w"):write(tostring(none), " ", tostring(why)):close()
  end })
  local inner = coroutine.wrap(function() return neap.http.get(os.getenv("WEB") .. path, { to = "d/file" }) end)
  inner()
end
EOT
    task plugins/t/parent.lua <<'EOT'
local neap = require "neap"
local function state() return neap.http.get(os.getenv("WEB") .. "/state"):json() end
local function wait(what, f) for _ = 1, 2000 do if f() then return end neap.sleep(0.01) end error("never " .. what) end
return function()
  for _, path in ipairs { "/slow/60000", "/begin" } do
    local before = state()
    local job = neap.submit("t.child", path)
    wait("asked", function() return state().waiting == before.waiting + 1 end)
    assert(#neap.fs.list("d") == 1)
    job:cancel()
    wait("gone", function() return state().gone == before.gone + 1 end)
    local ok, err = job:wait()
    assert(not ok and err.code == "cancelled")
    assert(#neap.fs.list("d") == 0)
    local f = assert(io.open("closed"))
    assert(f:read("a") == "nil killed")
    f:close()
  end
  return true
end
EOT
    mkdir d
    neap 0 run t.parent
    is true
}

@test "a name that is looked up for ever holds nobody, and is left behind with its job" {
    command -v gcc >/dev/null || skip "no compiler"
    [ -z "$sanitized" ] || skip "what is preloaded is not instrumented"
    cat >slow.c <<'EOT'
#include <netdb.h>
#include <unistd.h>
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    (void)node, (void)service, (void)hints, (void)out;
    sleep(60);
    return EAI_AGAIN;
}
EOT
    gcc -shared -fPIC -o slow.so slow.c
    task plugins/t/child.lua <<'EOT'
return function() return require("neap").http.get("http://a.name.invalid/") end
EOT
    task plugins/t/go.lua <<'EOT'
local neap = require "neap"
return function()
  local jobs = {}
  for i = 1, 40 do jobs[i] = neap.submit("t.child") end -- more than are looked up at once
  local none, _, code = neap.http.get("http://b.name.invalid/", { timeout = "300ms" })
  assert(none == nil and code == "timeout")
  assert(neap.http.get(os.getenv("WEB") .. "/echo").status == 200)
  for _, job in ipairs(jobs) do job:cancel() end
  for _, job in ipairs(jobs) do assert(not job:wait()) end
  return true
end
EOT
    began=$SECONDS
    LD_PRELOAD=$PWD/slow.so neap 0 run t.go
    is true
    [ $((SECONDS - began)) -lt 20 ]
}

@test "a deadline and a lost race end a request" {
    task plugins/t/late.lua <<'EOT'
local neap = require "neap"
return { timeout = "200ms", run = function() return neap.http.get(os.getenv("WEB") .. "/slow/60000") end }
EOT
    task plugins/t/go.lua <<'EOT'
local neap = require "neap"
local function state() return neap.http.get(os.getenv("WEB") .. "/state"):json() end
local function gone(count)
  for _ = 1, 2000 do if state().gone == count then return end neap.sleep(0.01) end
  error("never gone: " .. count)
end
return function()
  local before = state().gone
  local ok, err = neap.submit("t.late"):wait()
  assert(not ok and err.code == "timeout")
  gone(before + 1)
  local function slow() return neap.http.get(os.getenv("WEB") .. "/slow/60000") end
  neap.race { slow, slow, function() return neap.http.get(os.getenv("WEB") .. "/slow/50") end }
  gone(before + 3)
  local first, second = neap.async(slow), neap.async(slow)
  neap.sleep("50ms")
  first:cancel()
  gone(before + 4)
  return second ~= nil -- which ends with the job
end
EOT
    neap 1 run t.go # as t.late failed
    is true
}

@test "300 requests over TLS, from two workers" {
    task fetch.lua <<'EOT'
local neap = require "neap"
return function(n)
  return neap.http.get(os.getenv("WEBS") .. "/slow/20", { ca = os.getenv("CA") }).body == "slow" and n
end
EOT
    printf '[pool default]\nworkers = 2\n' >neap.ini
    seq 300 >in
    run -0 bash -c '"$NEAP" map -j 100 ./fetch.lua <in | sort -n | cmp - in'
}

@test "1,000 requests at once to a slow server, from two workers" {
    task fetch.lua <<'EOT'
local neap = require "neap"
return function(n)
  local r = assert(neap.http.get(os.getenv("WEB") .. "/slow/500"))
  assert(r.status == 200 and r.body == "slow")
  return n
end
EOT
    printf '[pool default]\nworkers = 2\nslots = 1024\n' >neap.ini
    seq 1000 >in
    run -0 bash -c '"$NEAP" map -j 1000 ./fetch.lua <in | sort -n | cmp - in' 
}

@test "the bodies of a worker are bounded together" {
    printf '[pool default]\nworkers = 1\nmemory = 64M\n' >neap.ini
    task hold.lua <<'EOT'
local neap = require "neap"
return function()
  local _, message, code = neap.http.get(os.getenv("WEB") .. "/hold/10000000", { timeout = "5s" })
  return code .. " " .. message
end
EOT
    seq 10 >in
    neap 0 map -j 10 ./hold.lua <in
    held=$(grep -c "timeout not done within 5 s" <<<"$output")
    refused=$(grep -c "too_large this worker's responses are larger than its memory may be" <<<"$output")
    [ $((held + refused)) = 10 ]
    [ "$held" -ge 1 ]
    [ "$refused" -ge 4 ] # six fit
}

@test "more requests than descriptors: they take turns" {
    task fetch.lua <<'EOT'
local neap = require "neap"
return function(n) return neap.http.get(os.getenv("WEB") .. "/slow/50") and n end
EOT
    seq 300 >in
    run -0 bash -c 'ulimit -n 100; "$NEAP" map -j 300 ./fetch.lua <in | sort -n | cmp - in'
}

@test "libcurl is opened at the first request, not before; without it the call says so" {
    task maps.lua <<'EOT'
local neap = require "neap"
local function loaded()
  for line in io.lines("/proc/self/maps") do if line:find("libcurl") then return true end end
  return false
end
return function()
  local before = loaded()
  neap.http.get(os.getenv("WEB") .. "/echo")
  return { before, loaded() }
end
EOT
    neap 0 run ./maps.lua
    is '[false,true]'
    [ -z "$sanitized" ] || return 0
    # a libcurl that cannot be opened
    mkdir lib
    echo no library >lib/libcurl.so.4
    echo 'local neap = require "neap" return function() local _, m, c = neap.http.get(os.getenv("WEB")) return c .. ": " .. m end' >none.lua
    LD_LIBRARY_PATH=$PWD/lib neap 0 run ./none.lua
    expect "unavailable: libcurl"
}
