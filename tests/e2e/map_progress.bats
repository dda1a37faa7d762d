# neap map on a terminal: the bar, the word about input; and the lines of progress elsewhere.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    common_tasks
    task nap.lua <<<'local n = require "neap" return function(a) n.sleep(0.25) if a == "bad" then error("no") end return a end'
}

# Runs a command line with a terminal as its stdin, stdout and stderr; what it shows is in $output.
# A bare chroot has no terminals to give (devpts). on_terminal STATUS COMMAND [INPUT]
on_terminal() {
    script -qec true /dev/null </dev/null >terminal 2>&1 || skip "script(1) gets no pseudo-terminal"
    run "-$1" script -qec "$2" /dev/null < <(printf '%s' "${3:-}"; sleep 0.1)
}

@test "--bar shows how far it has come" {
    on_terminal 1 "'$NEAP' map --bar -j 1 ./nap.lua ::: a bad c d"
    expect "/4, "
    expect "ETA "
    expect "1 failed"
    expect "slowest "
    expect "4 jobs, 3 completed, 1 failed, in "
}

@test "--bar knows the number of lines of a file" {
    seq 4 >in
    on_terminal 0 "'$NEAP' map --bar -j 1 ./nap.lua <in"
    expect "/4, "
}

@test "no bar without --bar, with NO_COLOR, or off a terminal" {
    erase=$'\033[K'
    on_terminal 0 "'$NEAP' map -j 1 ./nap.lua ::: a b"
    [[ $output != *"$erase"* ]]
    on_terminal 0 "NO_COLOR=1 '$NEAP' map --bar -j 1 ./nap.lua ::: a b"
    [[ $output != *"$erase"* ]]
    run -0 "$NEAP" map --bar -j 1 ./nap.lua ::: a b
    [[ $output != *"$erase"* ]]
}

@test "on a terminal it says what it waits for" {
    on_terminal 0 "'$NEAP' map ./echo.lua" $'a\n\004'
    expect "reading inputs from the terminal"
    expect "Ctrl-D"
}

@test "off a terminal it says nothing of the kind" {
    run -0 --separate-stderr "$NEAP" map ./echo.lua </dev/null
    quiet
}

# bats test_tags=slow
@test "a line of progress every ten seconds off a terminal" {
    task long.lua <<<'local n = require "neap" return function(a) n.sleep(tonumber(a)) return a end'
    neap 0 map ./long.lua ::: 0 11
    [[ $stderr =~ neap\ map:\ 1/2,\ 50% ]]
    [ "$(wc -l <<<"$stderr")" = 1 ]
}
