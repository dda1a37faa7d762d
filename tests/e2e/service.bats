# serve as a service of systemd's: what it tells, its log, its unit.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # what the helpers and the tests set and read
load live

# A manager at ADDRESS; what it hears is in the file told.
listen() { # ADDRESS
    /usr/bin/python3 "$ROOT/tests/support/notified.py" "$1" told 3>&- &
    pids+=("$!")
    until_true test -e told
    export NOTIFY_SOCKET=$1
}

lines_with() { # TEXT COUNT: in told, at least
    [ "$(grep -cF -- "$1" told)" -ge "$2" ]
}

one_task() {
    task plugins/a/one.lua <<<'return function() end'
    printf '[log]\nlevel = info\n' >neap.ini
}

life() { # ADDRESS
    one_task
    listen "$1"
    serve
    until_true lines_with 'READY=1|STATUS=runs ' 1
    signal_reload 'configuration read again'
    until_true lines_with 'READY=1|STATUS=reloaded' 1
    grep -qE '^RELOADING=1\|MONOTONIC_USEC=[0-9]+\|STATUS=' told
    usec=$(sed -n 's/.*MONOTONIC_USEC=\([0-9]*\).*/\1/p' told)
    [ "$usec" -gt 0 ] && [ "$((usec / 1000000))" -le "$(cut -d. -f1 /proc/uptime)" ]
    printf '[nonsense]\n' >neap.ini
    signal_reload nonsense
    until_true lines_with 'READY=1|STATUS=the last reload was refused' 1
    stop
    until_true lines_with 'STOPPING=1|STATUS=SIGTERM: draining' 1
    run ! lines_with WATCHDOG 1 # nobody asked for it
}

@test "systemd hears of start, reload and end" {
    life "$PWD/notify"
}

@test "also at an abstract address" {
    life "@neap-test-$$-$RANDOM"
}

@test "addresses that are none, or nobody listens at, do no harm" {
    one_task
    local address
    for address in '' / relative @ "$PWD/nobody" "/$(printf 'x%.0s' {1..200})" vsock:2:1; do
        export NOTIFY_SOCKET=$address WATCHDOG_USEC=100000
        serve
        stop
    done
}

@test "the watchdog is fed while the engine answers, and starves when it does not" {
    one_task
    listen "$PWD/notify"
    export WATCHDOG_USEC=200000
    serve
    until_true lines_with WATCHDOG=1 3
    /usr/bin/python3 "$ROOT/tests/support/freeze.py" "$pid" thaw >frozen 3>&- &
    local freezer=$!
    pids+=("$freezer")
    until_true test -s frozen || { wait "$freezer" || skip "may not stop threads here"; }
    local before
    before=$(grep -c WATCHDOG=1 told)
    sleep 0.6 # six times the interval at which it feeds
    [ "$(grep -c WATCHDOG=1 told)" -le "$((before + 1))" ]
    touch thaw
    until_true lines_with WATCHDOG=1 "$((before + 3))"
    stop
}

@test "the watchdog is fed through a long drain" {
    task plugins/a/hold.lua <<'LUA'
local neap = require "neap"
return function()
  io.open("running", "w"):close()
  while not io.open("go") do neap.sleep(0.01) end
end
LUA
    printf '[schedule s]\ntask = a.hold\nevery = 50ms\n' >neap.ini
    listen "$PWD/notify"
    export WATCHDOG_USEC=200000
    serve
    until_true test -e running
    kill -TERM "$pid"
    until_true lines_with STOPPING=1 1
    local before
    before=$(grep -c WATCHDOG=1 told)
    until_true lines_with WATCHDOG=1 "$((before + 3))"
    touch go
    ends
    [ "$status" = 0 ]
}

@test "the watchdog of somebody else is not fed, and children hear of none" {
    task plugins/a/env.lua <<'LUA'
local neap = require "neap"
return function()
  local out = assert(neap.exec { "env" }).stdout
  assert(neap.fs.write("env.new", out))
  os.rename("env.new", "env")
end
LUA
    printf '[schedule s]\ntask = a.env\nevery = 50ms\n' >neap.ini
    listen "$PWD/notify"
    export WATCHDOG_PID=1 WATCHDOG_USEC=20000
    serve
    until_true test -e env
    run ! grep -q 'NOTIFY_SOCKET\|WATCHDOG' env
    stop
    run ! lines_with WATCHDOG 1
}

@test "in the journal a line has its priority, and no time" {
    task plugins/a/log.lua <<'LUA'
local neap = require "neap"
return function()
  neap.log.warn("two\nlines", { n = 1 })
  error("no")
end
LUA
    printf '[schedule s]\ntask = a.log\nevery = 50ms\n[task *]\nretry = 0\n' >neap.ini
    : >err
    export JOURNAL_STREAM
    JOURNAL_STREAM=$(stat -c %d:%i err)
    start serve
    until_true has err '<6>msg=started'
    until_true has err '<4>msg="two\nlines" task=a.log@1 job='
    until_true has err '<3>msg="dead: '
    run ! grep -v '^<[3-7]>msg=' err
    stop
    printf '[log]\nformat = json\n' >>neap.ini
    serve # whoever asks for JSON gets it
    stop
    rm neap.ini
    JOURNAL_STREAM=1:2 # somebody else's stderr
    serve
    stop
}

@test "the unit file is one that systemd takes" {
    command -v systemd-analyze >/dev/null || skip "no systemd-analyze"
    sed "s,@BINDIR@,$(dirname "$NEAP")," "$ROOT/share/neap.service" >neap.service
    run systemd-analyze verify --man=no "$PWD/neap.service"
    [ "$status" = 0 ] && is ""
}

@test "the configuration that comes with it works, and clients find the daemon by it" {
    mkdir -p etc/plugins state run
    sed "s,/etc/neap,$PWD/etc,; s,/var/lib/neap,$PWD/state,; s,/run/neap,$PWD/run," \
        "$ROOT/share/neap.ini" >etc/neap.ini
    neap 0 check -c etc/neap.ini
    serve -c etc/neap.ini
    export NEAP_CONFIG=$PWD/etc/neap.ini
    neap 0 stats
    stop
    [ -s state/neap.db ]
    [ "$(find state -type f -perm /077)" = "" ]
}
