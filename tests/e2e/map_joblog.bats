# neap map --joblog, --resume, --resume-failed.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    common_tasks
}

column() { # FILE NUMBER
    tail -n +2 "$1" | cut -f "$2" | sort
}

@test "the log has GNU parallel's columns and two more, one line a job" {
    neap 1 map --joblog log ./echo.lua ::: a 'b c' bad
    [ "$(head -n 1 log)" = $'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\tCputime\tBytes' ]
    lines log 4
    [ "$(column log 1)" = $'1\n2\n3' ]
    [ "$(column log 7)" = $'0\n0\n1' ]
    [ "$(column log 9)" = $'echo a\necho b c\necho bad' ]
    [ -z "$(awk -F '\t' 'NF != 11' log)" ]
    [[ $(sed -n 2p log | cut -f 3) =~ ^[0-9]{10}\.[0-9]{3}$ ]]
    [[ $(sed -n 2p log | cut -f 10) =~ ^[0-9]+\.[0-9]{6}$ ]]
    [ "$(sed -n 2p log | cut -f 11)" -gt 0 ]
}

@test "a log is replaced, unless resuming" {
    neap 0 map --joblog log ./echo.lua ::: a b c
    neap 0 map --joblog log ./echo.lua ::: d
    lines log 2
}

@test "--resume leaves out what is logged, failed or not, and adds to the log" {
    neap 1 map --joblog log ./echo.lua ::: a bad
    neap 0 map -k --joblog log --resume ./echo.lua ::: a bad c d
    is $'c\nd'
    lines log 5
    neap 0 map --joblog log --resume ./echo.lua ::: a bad c d
    is ""
    lines log 5
}

@test "--resume-failed runs the failed ones again" {
    neap 1 map --joblog log ./echo.lua ::: a bad
    neap 1 map --joblog log --resume-failed ./echo.lua ::: a bad c
    is c
    expect_error "neap: echo: "
    lines log 5
}

@test "the same input twice counts twice" {
    neap 0 map --joblog log ./echo.lua ::: a a b
    neap 0 map --joblog log --resume ./echo.lua ::: a a a b b
    [ "$(sort <<<"$output")" = $'a\nb' ]
}

@test "another task's lines do not count" {
    cp echo.lua other.lua
    neap 0 map --joblog log ./echo.lua ::: a
    neap 0 map --joblog log --resume ./other.lua ::: a
    is a
}

@test "inputs with tabs, newlines and backslashes are one line, and known again" {
    printf 'a\tb\0c\nd\0e\\f\0' >in
    "$NEAP" map -0 --joblog log ./echo.lua <in
    lines log 4
    [ -z "$(awk -F '\t' 'NF != 11' log)" ]
    run -0 "$NEAP" map -0 --joblog log --resume ./echo.lua < <(cat in; printf 'a\\tb')
    is 'a\tb'
}

@test "a last line that was cut off is not believed" {
    neap 0 map -k --joblog log ./echo.lua ::: a b c
    for cut in 1 5 20 30; do
        cp log torn
        truncate -s "-$cut" torn
        neap 0 map -k --joblog torn --resume ./echo.lua ::: a b c
        [ "$cut" -gt 20 ] || is c
        lines torn 4
        [ -z "$(awk -F '\t' 'NF != 11' torn)" ]
    done
}

@test "a file that is no job log is refused and left alone" {
    for text in 'precious' 'Seq' $'other\tthings\n'; do
        printf '%s' "$text" >precious
        cp precious copy
        if [ "$text" = Seq ]; then continue; fi
        neap 65 map --joblog precious --resume ./echo.lua ::: a
        is ""
        cmp precious copy
    done
}

@test "--resume without a log yet begins one" {
    neap 0 map --joblog log --resume ./echo.lua ::: a
    lines log 2
    : >empty
    neap 0 map --joblog empty --resume ./echo.lua ::: a
    lines empty 2
}

@test "a log that cannot be written is an error" {
    neap 74 map --joblog nowhere/log ./echo.lua ::: a
    expect_error "nowhere/log"
    neap 74 map --joblog /dev/full ./echo.lua ::: a
    expect_error "/dev/full"
}

@test "what is logged is on stdout, even after kill -9" {
    task nap.lua <<<'local n = require "neap" return function(a) n.sleep(0.01) return a end'
    seq 3000 >in
    : >total
    for order in -k ""; do
        read -ra k <<<"$order"
        rm -f log
        : >total
        for round in 1 2 3; do
            start map -j 20 "${k[@]}" ./nap.lua --joblog log --resume
            logged() { [ "$(wc -l <log)" -ge $((round * 400)) ]; }
            until_true logged
            kill -KILL "$pid"
            finish
            cat out >>total
            tail -n +2 log | sed '$!b; /\tnap [0-9]*\t[0-9.]*\t[0-9]*$/!d' | cut -f 9 | cut -d ' ' -f 2 | sort >logged.txt
            sort total | uniq | comm -13 - logged.txt >lost
            [ ! -s lost ]
        done
        "$NEAP" map -j 200 "${k[@]}" ./nap.lua --joblog log --resume <in >>total
        sort -n total | uniq | cmp - in
    done
}
