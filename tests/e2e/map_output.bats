# neap map: output that cannot go out, and how much is held back.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    common_tasks
}

# The exit statuses of both ends of a pipe: piped READER ARGS...
piped() {
    local reader=$1
    shift
    run -0 --separate-stderr env --default-signal=PIPE bash -c \
        '"$0" "${@:2}" | eval "$1"; echo "${PIPESTATUS[0]}"' "$NEAP" "$reader" "$@"
}

@test "a full disk is an error" {
    run -74 --separate-stderr bash -c '"$0" map ./echo.lua ::: a b >/dev/full' "$NEAP"
    expect_error "neap map: cannot write output: No space left on device"
}

@test "a full disk ends a run that has much left" {
    run -74 --separate-stderr bash -c 'yes | "$0" map ./echo.lua >/dev/full' "$NEAP"
}

@test "a closed stdout is an error" {
    run -74 --separate-stderr bash -c '"$0" map ./echo.lua ::: a >&-' "$NEAP"
}

@test "map | head -1 ends promptly and quietly" {
    run -0 --separate-stderr env --default-signal=PIPE bash -c \
        'yes | "$0" map ./echo.lua | head -1; echo "${PIPESTATUS[1]}"' "$NEAP"
    is $'y\n141'
    quiet
}

@test "a reader that left is seen while jobs run and nothing is written" {
    piped 'head -1' map ./hold.lua --as x :::
    task some.lua <<'EOF'
local neap = require "neap"
return function(a) if a == "wait" then neap.sleep(600) end return a end
EOF
    piped 'head -1' map ./some.lua ::: first wait
    is $'first\n141'
    quiet
}

@test "a reader that is slow loses nothing" {
    n=50000
    [ -z "${NEAP_SHORT:-}" ] || n=20000 # still more than pipes hold
    run -0 bash -c 'seq "$1" | "$0" map -k ./echo.lua | { sleep 0.5; md5sum; }' "$NEAP" "$n"
    is "$(seq "$n" | md5sum)"
}

@test "a second signal ends a run whose reader has stopped reading" {
    mkfifo pipe
    # shellcheck disable=SC2217 # it only holds the pipe open
    sleep 600 <pipe 3>&- &
    pids+=("$!")
    seq 200000 >in
    env --default-signal=INT,PIPE "$NEAP" map ./echo.lua <in >pipe 2>err 3>&- &
    pid=$!
    pids+=("$pid")
    # It listens once it reads, and then it goes on until the pipe is full.
    reads() { [ "$(awk '/^pos/ { print $2 }' "/proc/$pid/fdinfo/0")" -gt 0 ]; }
    until_true reads
    kill -TERM "$pid"
    kill -INT "$pid"
    finish
    [ "$status" = 143 ] || [ "$status" = 130 ]
}

@test "stdin that cannot be read is bad data" {
    run -65 --separate-stderr bash -c '"$0" map ./echo.lua </' "$NEAP"
    expect_error "standard input"
}

input_at() { # how far it has read its input
    awk '/^pos/ { print $2 }' "/proc/$pid/fdinfo/0"
}

@test "-k holds back a bounded amount, and loses nothing" {
    task first.lua <<'EOF'
local neap = require "neap"
return function(a)
  if a == "first" then
    while not io.open("go") do neap.sleep(0.02) end
  end
  return a
end
EOF
    # What is held back is limited in bytes: longer lines fill it sooner.
    if [ -n "${NEAP_SHORT:-}" ]; then
        { echo first; seq -f "%g $(printf 'x%.0s' $(seq 30000))" 3000; } >in
    else
        { echo first; seq 1500000; } >in
    fi
    start map -k ./first.lua
    settled() { # once it starts nothing new, it reads no more
        local before
        before=$(input_at)
        sleep 0.5
        [ "$before" -gt 4000000 ] && [ "$(input_at)" = "$before" ]
    }
    until_true settled
    [ "$(input_at)" -lt "$(wc -c <in)" ]
    [ ! -s out ]
    [ -n "$sanitized" ] || [ "$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status")" -lt 400000 ]
    touch go
    finish
    [ "$status" = 0 ]
    cmp in out
}

@test "input of any length is read in bounded memory" {
    n=1000000
    [ -z "${NEAP_SHORT:-}$sanitized" ] || n=30000 # then memory says nothing
    seq "$n" >in
    start map ./echo.lua
    peak=0
    while [ -e "/proc/$pid/status" ] && kill -0 "$pid" 2>/dev/null; do
        now=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true)
        peak=${now:-$peak}
        sleep 0.05
    done
    finish
    [ "$status" = 0 ]
    lines out "$n"
    [ -n "$sanitized" ] || [ "$peak" -lt 300000 ]
}

@test "objects come out the same each time, their keys sorted" {
    task o.lua <<<'return function() return { zeta = 1, alpha = { y = 1, x = 2 }, mid = 3, beta = 4, [10] = 5, [9] = 6 } end'
    for _ in 1 2 3; do
        neap 0 map ./o.lua ::: a
        is '{"10":5,"9":6,"alpha":{"x":2,"y":1},"beta":4,"mid":3,"zeta":1}'
    done
}
