# Secrets are in no output: not in what is printed, logged, measured or stored, nor after a crash.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # what the helpers and the tests set and read
load live

in_variable=Tr0ub4dor-variable
in_file=Tr0ub4dor-file
token=Tr0ub4dor-token

write_all() {
    export DB_PASSWORD=$in_variable
    printf '%s\n' "$in_file" >key.secret
    task plugins/s/uses.lua <<'LUA'
local neap = require "neap"
return {
  config = { password = "string", key = "string" },
  args = { how = "string" },
  retry = 1,
  setup = function(config) return { held = config.password } end,
  run = function(args, ctx)
    local password, key = ctx.config.password, ctx.config.key
    if args.how == "fine" then
      return { lengths = { #password, #key, #ctx.state.held } }
    elseif args.how == "http" then
      local res, why, code = neap.http.get("http://127.0.0.1:1/", { user = "u", password = password })
      error(why or "?")
    elseif args.how == "mail" then
      local ok, why = neap.mail.send { server = "smtp://127.0.0.1:1", user = "u", password = key,
                                       from = "a@b.c", to = "a@b.c", text = "t" }
      error(why or "?")
    elseif args.how == "deep" then
      local function deep(n, p) if n == 0 then error("deep") end return deep(n - 1, p) .. p end
      return deep(20, password)
    elseif args.how == "wait" then
      local f = io.open("waits", "w") f:close()
      neap.sleep("1h")
    end
    return ctx.config.nothing.there[password]
  end,
}
LUA
    cat >neap.ini <<'INI'
[task s.*]
config.password = env:DB_PASSWORD
config.key = file:key.secret
retry.base = 1ms
[schedule s1]
task = s.uses
every = 100ms
args = {"how": "deep"}
[schedule s2]
task = s.uses
every = 100ms
args = {"how": "fine"}
[schedule s3]
task = s.uses
every = 100ms
args = {"how": "http"}
[schedule s4]
task = s.uses
every = 100ms
args = {"how": "mail"}
[log]
level = debug
INI
}

# Everything that is in the directory but the secret's own file.
nothing_leaks() {
    local found
    found=$(grep -rlaF -e "$in_variable" -e "$in_file" -e "$token" --exclude='*.secret' . || true)
    [ -z "$found" ] || { echo "in: $found"; grep -raoF -e Tr0ub4dor . ; return 1; }
}

# Runs a command, whatever its status, and keeps what it prints.
keep() { # ARGS...
    "$NEAP" "$@" >>kept 2>&1 </dev/null || true
}

@test "what commands print has no secret" {
    write_all
    keep config
    keep check
    keep version
    local how
    for how in fine deep http mail nothing wrong; do
        keep run s.uses --arg how="$how"
        keep run s.uses --log-level debug --arg how="$how"
        keep map s.uses --as how ::: "$how" "$how"
        keep map -o jsonl s.uses --joblog "log.$how" --as how ::: "$how"
    done
    keep run s.uses --arg hwo=x
    keep test
    has kept 'env:DB_PASSWORD'
    has kept 'file:key.secret'
    has kept '{"lengths":[18,14,18]}'
    nothing_leaks
}

@test "mistakes in a secret are told without it" {
    write_all
    task plugins/s/strict.lua <<'LUA'
return {
  config = { port = "integer", mode = { "string", enum = { "a", "b" }, default = "a" },
             short = { "string", max_length = 3, default = "x" },
             like = { "string", pattern = "^%d+$", default = "1" } },
  run = function() end,
}
LUA
    local key
    for key in port mode short like unknown; do
        printf '[task s.strict]\nconfig.%s = env:DB_PASSWORD\n' "$key" >wrong.ini
        keep check -c wrong.ini
        keep run -c wrong.ini s.strict
        printf '[task s.strict]\nconfig.%s = file:key.secret\n' "$key" >wrong.ini
        keep check -c wrong.ini
    done
    printf '[log]\nlevel = env:DB_PASSWORD\n[http]\ntoken = %s\n' "$in_variable" >wrong.ini
    keep check -c wrong.ini
    rm wrong.ini
    printf '%s\0zero' "$in_file" >zero.secret
    keep check --set '[task s.uses] config.key=file:zero.secret'
    has kept 'config.port'
    has kept 'config.mode'
    nothing_leaks
}

@test "a daemon's log and files have no secret, nor after a crash" {
    write_all
    ulimit -c 0
    task plugins/s/on.lua <<'LUA'
return { config = { password = "string", key = "string" },
  run = function() error("on") end,
  on_dead = function(args, ctx, err) error("on_dead " .. #ctx.config.password) end }
LUA
    printf '[schedule s5]\ntask = s.on\nevery = 100ms\n[task s.on]\nretry = 0\non_dead = s.uses\n' >>neap.ini
    serve
    until_true has err 'on_dead 18'
    until_true has err '"msg":"attempt failed'
    signal_reload 'configuration read again'
    export DB_PASSWORD=$in_variable-new
    printf '[nonsense]\n' >bad.ini
    cat bad.ini >>neap.ini
    signal_reload nonsense
    sed -i '/nonsense/d' neap.ini
    cp err err.1
    kill -KILL "$pid"
    finish
    serve
    until_true has err 'on_dead 22'
    cp err err.2
    kill -SEGV "$pid"
    finish
    nothing_leaks
}

# Everything that may be asked of the API, over the socket and over TCP, with the token and without.
ask_all() { # SOCKET ADDRESS JOB
    local path method auth
    lua5.4 - "$ROOT/docs/openapi.json" "$3" <<'LUA' >asked
-- "METHOD PATH" of every route, by what the page looks like.
local path
for line in io.lines(arg[1]) do
  path = line:match('^  "(/[^"]*)": {') or path
  local method = line:match('^   "(%l+)": {')
  local known = method and ("get post patch delete"):find(method, 1, true)
  if path and known and path ~= "/api/v1/events" then
    local name = path:find("tasks") and "s.uses" or path:find("schedules") and "s1" or "default"
    print(method:upper(), (path:gsub("{id}", arg[2]):gsub("{name}", name)))
  end
end
LUA
    [ "$(wc -l <asked)" -gt 25 ] || { cat asked; return 1; }
    while read -r method path; do
        for auth in "Bearer $token" "Bearer ${token}x" "Bearer" "Basic eDp5"; do
            curl -sS -m 10 -i -X "$method" -H "Authorization: $auth" -d '{"path":"/nowhere/at/all"}' \
                -H 'Content-Type: application/json' "http://$2$path?wait=0&limit=5&wide=yes" >>kept 2>&1
        done
        curl -sS -m 10 -i -X "$method" --unix-socket "$1" -d '{' "http://localhost$path" >>kept 2>&1
        curl -sS -m 10 -i -X "$method" --unix-socket "$1" "http://localhost$path" >>kept 2>&1
    done <asked || true
    curl -sS -m 1 --unix-socket "$1" http://localhost/api/v1/events >>kept 2>&1 || true
    curl -sS -m 10 "http://$2/api/v1/jobs?token=x" -H 'Host: evil.example' >>kept 2>&1 || true
}

@test "the API and the client commands show no secret, nor does what is stored" {
    write_all
    export API_TOKEN=$token
    printf '[http]\nlisten = 127.0.0.1:0\ntoken = env:API_TOKEN\n[task s.uses]\nretry = 0\n' >>neap.ini
    keep config
    has kept 'token = env:API_TOKEN'
    serve
    local address job command
    address=$(grep -oE '127\.0\.0\.1:[0-9]+' err | head -n 1)
    job=$("$NEAP" submit s.uses --arg how=deep)
    job=${job##* }
    NEAP_TOKEN=$token keep wait "$job"
    keep submit s.uses --arg how=wait
    keep submit s.uses --arg how=wrong --wait
    keep submit s.uses --arg how=fine --wait
    until_true test -e waits
    ask_all neap.sock "$address" "$job"
    has kept '"task":"s.uses"'
    has kept 'HTTP/1.1 401'
    has kept 'neap_jobs_total'
    for command in "show $job" "logs $job" "explain $job" "ls" "ls -o json" "ls -o wide" "ls -o jsonl" \
        "queue" "schedule" "stats" "stats -o json" "stack" "reload" "backup copy.db" "backup copy.db" \
        "retry $job" "rm $job" "edit $job" "cancel state=running"; do
        # shellcheck disable=SC2086 # words
        keep $command
        # shellcheck disable=SC2086
        NEAP_TOKEN=$token keep $command --url "http://$address"
        # shellcheck disable=SC2086
        NEAP_TOKEN=${token}x keep $command --url "http://$address"
        # shellcheck disable=SC2086
        NEAP_TOKEN=$token keep $command --url "http://127.0.0.1:1"
    done
    [ -s copy.db ]
    cp err err.1
    kill -KILL "$pid"
    finish
    keep dump neap.db
    keep dump copy.db
    serve
    cp err err.2
    stop
    nothing_leaks
}
