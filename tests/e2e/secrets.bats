# Secrets are in no output: not in what is printed, logged, measured or stored, nor after a crash.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # what the helpers and the tests set and read
load live

in_variable=Tr0ub4dor-variable
in_file=Tr0ub4dor-file

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
    found=$(grep -rlaF -e "$in_variable" -e "$in_file" --exclude='*.secret' . || true)
    [ -z "$found" ] || { echo "in: $found"; grep -raoF -e "$in_variable" -e "$in_file" . ; return 1; }
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
