# neap serve in the foreground: its log, its signals.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load helper

@test "serve in an empty directory starts, says where it looked, and ends well" {
    start serve
    until_true has err '"msg":"started"'
    has err plugins
    kill -TERM "$pid"
    finish
    [ "$status" = 0 ]
    [ ! -s out ]
    [ "$(jq -s length <err 2>/dev/null || lua5.4 -e 'print(select(2, io.read("a"):gsub("\n", "")))' <err)" -ge 2 ]
}

@test "serve ends well on SIGINT" {
    start serve
    until_true has err '"msg":"started"'
    kill -INT "$pid"
    finish
    [ "$status" = 0 ]
}

@test "serve runs schedules" {
    task plugins/tick/tock.lua <<<'return function() local f = io.open("ticks", "a") f:write("x\n") f:close() end'
    printf '[schedule often]\ntask = tick.tock\nevery = 100ms\n' >neap.ini
    start serve
    until_true test -s ticks
    kill -TERM "$pid"
    finish
    [ "$status" = 0 ]
}

# A schedule starts a job that holds.
holding() {
    task plugins/a/hold.lua <<'EOF'
local neap = require "neap"
return function()
  io.open("running", "w"):close()
  while true do
    local f = io.open("go")
    if f then f:close() break end
    neap.sleep(0.01)
  end
  io.open("ended", "w"):close()
end
EOF
    printf '[neap]\ndrain = %s\n[schedule once]\ntask = a.hold\nevery = 100ms\n' "$1" >neap.ini
    start serve
    until_true test -e running
}

@test "SIGTERM lets running jobs end" {
    holding 25s
    kill -TERM "$pid"
    until_true has err draining
    touch go
    finish
    [ "$status" = 0 ]
    [ -e ended ]
}

@test "what does not end within drain is stopped" {
    holding 200ms
    kill -TERM "$pid"
    finish
    [ "$status" = 0 ]
    [ ! -e ended ]
}

@test "a second signal ends it at once" {
    holding 25s
    kill -TERM "$pid"
    until_true has err draining
    sleep 0.06 # one that follows sooner is taken for the same one
    kill -INT "$pid"
    finish
    [ "$status" = 143 ] || [ "$status" = 130 ]
    [ ! -e ended ]
}

@test "SIGHUP reads the configuration again, or refuses it whole" {
    printf '[log]\nlevel = info\n' >neap.ini
    start serve
    until_true has err '"msg":"started"'
    kill -HUP "$pid"
    until_true has err "configuration read again"
    printf '[log]\nlevl = info\n' >neap.ini
    kill -HUP "$pid"
    until_true has err "neap.ini:2"
    kill -0 "$pid"
    kill -TERM "$pid"
    finish
    [ "$status" = 0 ]
}

@test "a broken task is logged and stops nothing" {
    task plugins/a/good.lua <<<'return function() end'
    task plugins/b/bad.lua <<<'return function('
    start serve
    until_true has err '"msg":"started"'
    has err "bad.lua:2"
    has err '"broken":1'
    kill -TERM "$pid"
    finish
    [ "$status" = 0 ]
}

@test "a bad configuration ends it with 78" {
    printf '[neap]\ndrian = 1s\n' >neap.ini
    neap 78 serve
    expect_error "neap.ini:2"
}

@test "format = logfmt" {
    printf '[log]\nformat = logfmt\n' >neap.ini
    start serve
    until_true has err 'level=info msg=started'
    kill -TERM "$pid"
    finish
}
