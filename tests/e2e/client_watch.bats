# neap ls -w and events: jobs as they change.
# shellcheck disable=SC2154 # output and stderr are set in helper.bash and by bats
load client.bash

serving() {
    work_tasks
    daemon
}

@test "ls -w on a terminal draws in place, and ends on SIGINT" {
    serving
    submit work.hold '{"n":1}'
    until_true in_state running "$id"
    script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "script(1) gets no pseudo-terminal"
    (
        until_true has screen running
        touch go
        until_true has screen completed
        pkill -INT -P "$(cat watcher)"
    ) 3>&- &
    pids+=($!)
    run env TERM=xterm script -qefc \
        "stty rows 24 cols 80; echo \$\$ >watcher; '$NEAP' ls -w; echo status \$?" screen </dev/null
    expect running
    expect completed
    expect $'\e[2A'
    expect "status 130"
}

@test "ls -w on a terminal goes on through a restart of the daemon" {
    serving
    submit work.echo
    script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "script(1) gets no pseudo-terminal"
    first=$pid
    (
        until_true has screen completed
        kill -KILL "$first"
        until_true has screen "trying again"
        touch gone
        until_true has screen work.say
        pkill -INT -P "$(cat watcher)"
    ) 3>&- &
    pids+=($!)
    (
        until_true test -e gone
        "$NEAP" serve 2>err2 3>&- &
        echo "$!" >second
        until_true answers
        "$NEAP" submit work.say >/dev/null
    ) 3>&- &
    pids+=($!)
    run env TERM=xterm script -qefc \
        "stty rows 24 cols 80; echo \$\$ >watcher; '$NEAP' ls -w; echo status \$?" screen </dev/null
    kill -KILL "$(cat second)"
    expect work.say
    expect "status 130"
}

@test "ls -w off a terminal prints what there is, then changes" {
    serving
    submit work.hold '{"n":1}'
    until_true in_state running "$id"
    env --default-signal=INT "$NEAP" ls -w >changes 2>watch.err 3>&- &
    pids+=($!)
    until_true has changes running
    touch go
    until_true has changes "$id completed"
    kill -INT "${pids[-1]}"
    status=0
    wait "${pids[-1]}" || status=$?
    [ "$status" = 130 ]
}

@test "ls -w ends when its reader has gone" {
    serving
    set +o pipefail
    timeout 20 "$NEAP" ls -w -o jsonl | head -n 0
    [ "${PIPESTATUS[0]}" != 124 ]
}

@test "events streams what changes" {
    serving
    "$NEAP" events -o jsonl task=work.echo >changes 3>&- &
    pids+=($!)
    until_true eval '"$NEAP" submit work.echo >/dev/null; test -s changes'
    until_true has changes '"state":"completed"'
    has changes '"task":"work.echo"'
}
