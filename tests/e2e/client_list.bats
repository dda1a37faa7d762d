# neap ls, show, logs, wait: looking at jobs.
# shellcheck disable=SC2154 # output and stderr are set in helper.bash and by bats
load client.bash

serving() {
    work_tasks
    daemon
}

several() { # three that completed, two that failed, one that holds
    serving
    for n in 1 2 3; do submit work.echo "$n"; "$NEAP" wait "$id"; done
    for n in 1 2; do submit work.fail; "$NEAP" wait "$id" || true; done
    submit work.hold '{"n":1}'
    until_true in_state running "$id"
}

@test "ls lists the newest first, in a table" {
    several
    neap 0 ls
    [ "${#lines[@]}" = 7 ]
    [[ ${lines[0]} =~ ^ID\ +STATE\ +TASK\ +QUEUE ]]
    [[ ${lines[1]} =~ ^$id\ +running\ +work.hold\ +hold ]]
    [[ ${lines[2]} =~ dead.*no\ good ]]
    neap 0 ls --oldest -n 1
    [ "${#lines[@]}" = 2 ]
    expect completed
}

@test "ls filters; ids alone will do, too" {
    several
    neap 0 ls state=dead -o name
    [ "${#lines[@]}" = 2 ]
    neap 0 ls state=dead,completed task=work.echo -o name
    [ "${#lines[@]}" = 3 ]
    neap 0 ls "$id" -o name
    is "$id"
    neap 0 ls text=good -o name
    [ "${#lines[@]}" = 2 ]
    neap 0 ls 'priority>5' -o name
    is ""
    neap 64 ls staet=dead
    expect_error "did you mean state?"
    neap 64 ls state=deda
    neap 64 ls nonsense
}

@test "ls -o json and jsonl are the documents" {
    several
    neap 0 ls -o jsonl
    [ "${#lines[@]}" = 6 ]
    neap 0 ls -o json
    lua5.4 - "$output" <<'EOF'
local text = arg[1]
assert(text:match('^{"jobs":%[{.*}%]}$'), text)
EOF
    neap 0 ls -o wide
    expect SUBMITTED
}

@test "ls goes through all pages; head ends it" {
    serving
    seq 1200 | "$NEAP" submit work.echo --jsonl >ids
    neap 0 ls -o name
    [ "$(sort <<<"$output")" = "$(sort ids)" ]
    neap 0 ls -o name -n 700
    [ "$(tail -n 700 ids | sort)" = "$(sort <<<"$output")" ]
    set +o pipefail
    run bash -c "'$NEAP' ls | head -n 1; exit \${PIPESTATUS[0]}"
    [ "$status" = 0 ] || [ "$status" = 141 ]
    [ "${#lines[@]}" = 1 ]
}

dead_line() { # of $output, without colours
    grep dead <<<"$output" | tr -d '\r' | sed 's/\x1b\[[0-9]*m//g'
}

@test "ls on a terminal: 50 jobs, cut to its width, no control bytes" {
    serving
    seq 60 | "$NEAP" submit work.echo --jsonl >/dev/null
    neap 1 submit work.fail '{"why":"\u001b[31mred\u009b2J \u202eturned and very long, longer than any line of this terminal is, really"}' --wait
    on_terminal 0 "'$NEAP' ls"
    expect "there are more"
    [ "$(grep -c completed <<<"$output")" = 49 ]
    [ "$(dead_line | wc -m)" = 81 ]
    COLUMNS=150 on_terminal 0 "'$NEAP' ls"
    [ "$(dead_line | wc -m)" = 151 ]
    [[ $(dead_line) == *'\x1b[31mred\x9b2J \u{202e}turned'* ]] || { dead_line; false; }
    NO_COLOR=1 on_terminal 0 "'$NEAP' ls -n 3"
    [[ $output != *$'\e'* ]]
}

@test "show tells everything" {
    serving
    submit work.fail '{"why":"rain"}'
    neap 1 wait "$id"
    neap 0 show "$id"
    expect "id          $id"
    expect "state       dead"
    expect 'args        {"why":"rain"}'
    expect "no good: rain"
    expect "stack traceback"
    neap 66 show 0000000000001
    expect_error "0000000000001"
    neap 64 show nonsense
}

@test "logs prints what the job printed; -f goes on to its end" {
    serving
    submit work.say
    neap 0 wait "$id"
    neap 0 logs "$id"
    is "first line
second line"
    submit work.hold '{"n":1}'
    "$NEAP" logs -f "$id" >log 3>&- &
    pids+=($!)
    until_true has log begun
    touch go
    wait "${pids[-1]}"
    has log ended
}

@test "wait: 0 all completed, 1 one failed, 75 not in time, 66 unknown" {
    several
    neap 75 wait "$id" --timeout 50ms
    neap 75 wait "$id" --timeout 0
    neap 64 wait "$id" --timeout soon
    touch go
    neap 0 wait "$id"
    mapfile -t ids < <("$NEAP" ls state=completed -o name)
    neap 0 wait "${ids[@]}"
    mapfile -t ids < <("$NEAP" ls state=dead,completed -o name)
    neap 1 wait "${ids[@]}"
    expect_error "is dead"
    neap 66 wait 0000000000001
}

@test "the daemon cannot be reached: 69, and what to do" {
    work_tasks
    neap 69 ls
    expect_error "neap.sock"
    expect_error "neap serve"
    neap 69 ls --socket "$PWD/other.sock"
    expect_error "other.sock"
    NEAP_SOCKET=set.sock neap 69 stats
    expect_error "set.sock"
    printf '[http]\nsocket = conf.sock\n' >neap.ini
    neap 69 stats
    expect_error "conf.sock"
    neap 64 ls --url nonsense
}

@test "the socket of the configuration, of NEAP_SOCKET, and one whose path is long" {
    work_tasks
    long=$PWD/$(printf 'd%.0s' {1..60})/$(printf 'e%.0s' {1..60})
    mkdir -p "$long" conf
    printf '[neap]\nplugins = ../plugins\n[http]\nsocket = some.sock\n' >conf/neap.ini
    start serve -c conf/neap.ini
    until_true env NEAP_CONFIG=conf/neap.ini "$NEAP" stats
    [ -S conf/some.sock ]
    NEAP_SOCKET=conf/some.sock neap 0 ls
    neap 0 ls -c conf/neap.ini
    ln "conf/some.sock" "$long/some.sock"
    neap 0 ls --socket "$long/some.sock"
}
