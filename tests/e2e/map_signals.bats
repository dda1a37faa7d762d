# neap map and signals.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    common_tasks
}

@test "SIGTERM: running jobs end within drain, the rest is said not to have run" {
    seq 100 >in
    start map ./hold.lua -j 5 --joblog log
    until_true test -e running.5
    kill -TERM "$pid"
    until_true has err "SIGTERM"
    touch go
    finish
    [ "$status" = 143 ]
    [ "$(sort -n out)" = "$(seq 5)" ]
    lines log 6
    has err "5 jobs, 5 completed"
    has err "the input was not read to its end"
}

@test "what was not run runs with --resume" {
    seq 100 >in
    start map ./hold.lua -j 5 --joblog log
    until_true test -e running.5
    kill -TERM "$pid"
    until_true has err "SIGTERM"
    touch go
    finish
    "$NEAP" map ./hold.lua --joblog log --resume <in >>out
    sort -n out | cmp - in
}

@test "jobs in hand that had not started are named" {
    start map ./hold.lua --workers 1 --set '[pool default] slots=1' ::: a b c
    until_true test -e running.a
    kill -TERM "$pid"
    until_true has err "SIGTERM"
    touch go
    finish
    [ "$status" = 143 ]
    [ "$(cat out)" = a ]
    has err "not run: input 2: b"
    has err "not run: input 3: c"
    has err "2 not run"
}

@test "jobs that do not end within drain are stopped" {
    start map ./hold.lua --set '[neap] drain=100ms' ::: a
    until_true test -e running.a
    kill -TERM "$pid"
    finish
    [ "$status" = 143 ]
    has err "not run: input 1: a"
    [ ! -s out ]
}

@test "SIGINT does the same, with 130" {
    start map ./hold.lua ::: a
    until_true test -e running.a
    kill -INT "$pid"
    until_true has err "SIGINT"
    touch go
    finish
    [ "$status" = 130 ]
    [ "$(cat out)" = a ]
}

@test "a second signal ends it at once, with what is computed" {
    task mixed.lua <<'EOF'
local neap = require "neap"
return function(a)
  io.open("in." .. a, "w"):close()
  if a ~= "long" then return a end
  neap.sleep(600)
end
EOF
    start map ./mixed.lua -k ::: long quick1 quick2
    until_true test -e in.long -a -e in.quick1 -a -e in.quick2
    kill -TERM "$pid"
    until_true has err "SIGTERM"
    sleep 0.06 # one that follows sooner is taken for the same one
    kill -TERM "$pid"
    finish
    [ "$status" = 143 ]
    [ "$(cat out)" = $'quick1\nquick2' ]
    has err "not run: input 1: long"
}

@test "a second signal ends even what computes" {
    echo 'return function() io.open("busy", "w"):close() while true do end end' >busy.lua
    start map ./busy.lua ::: a
    until_true test -e busy
    kill -TERM "$pid"
    until_true has err "SIGTERM"
    sleep 0.06
    kill -INT "$pid"
    finish
    [ "$status" = 143 ] || [ "$status" = 130 ]
}

@test "a signal while it waits for input" {
    mkfifo pipe
    exec 7<>pipe
    env --default-signal=INT "$NEAP" map ./echo.lua <pipe >out 2>err 3>&- &
    pid=$!
    pids+=("$pid")
    echo a >&7
    until_true lines out 1
    kill -TERM "$pid"
    finish
    exec 7>&-
    [ "$status" = 143 ]
}

@test "a signal while only children run" {
    task plugins/p/parent.lua <<<'local n = require "neap" return function(a) n.submit("p.child", {}) return a end'
    task plugins/p/child.lua <<<'local n = require "neap" return function() io.open("child", "w"):close() n.sleep(600) end'
    start map p.parent --set '[neap] drain=100ms' ::: a
    until_true test -e child
    kill -TERM "$pid"
    finish
    [ "$status" = 143 ]
    [ "$(cat out)" = a ]
}

@test "timeout(1), which signals twice, is one signal" {
    touch go
    task nap.lua <<<'local n = require "neap" return function(a) io.open("napping", "w"):close() n.sleep(1.5) return a end'
    run -143 --separate-stderr timeout --preserve-status -s TERM 0.7 "$NEAP" map ./nap.lua ::: a
    is a
}

@test "SIGINT that the shell has it ignore stays ignored" {
    env --ignore-signal=INT "$NEAP" map ./hold.lua ::: a >out 2>err 3>&- &
    pid=$!
    pids+=("$pid")
    until_true test -e running.a
    kill -INT "$pid"
    touch go
    finish
    [ "$status" = 0 ]
    [ "$(cat out)" = a ]
}
