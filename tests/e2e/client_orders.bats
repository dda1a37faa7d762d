# neap cancel, retry, rm, edit, queue and schedule: orders to the daemon.
# shellcheck disable=SC2154 # output and stderr are set in helper.bash and by bats
load client.bash

serving() {
    work_tasks
    daemon
}

dead() { # COUNT
    for ((n = 0; n < $1; n++)); do
        submit work.fail
        "$NEAP" wait "$id" || true
    done
}

@test "cancel by id, also of a running job" {
    serving
    submit work.hold '{"n":1}'
    until_true in_state running "$id"
    neap 0 cancel "$id"
    until_true in_state cancelled "$id"
    neap 75 cancel "$id"
    expect_error "$id"
    neap 66 cancel 0000000000001
    neap 64 cancel nonsense
    neap 64 cancel
}

@test "ids from standard input" {
    serving
    for n in 1 2 3; do submit work.echo --delay 1h; done
    "$NEAP" ls state=scheduled -o name >ids
    neap 0 cancel - <ids
    neap 0 ls state=cancelled -o name
    [ "${#lines[@]}" = 3 ]
}

@test "retry runs dead jobs again" {
    serving
    dead 1
    task plugins/work/fail.lua <<<'return function() return "well" end'
    until_true eval '"$NEAP" submit work.fail --wait'
    neap 0 retry "$id"
    until_true in_state completed "$id"
}

@test "a filter off a terminal needs --yes; --dry-run only counts" {
    serving
    dead 3
    neap 64 rm state=dead
    expect_error "3 jobs would be deleted"
    neap 0 rm state=dead --dry-run
    is "3 jobs would be deleted"
    neap 0 ls -o name
    [ "${#lines[@]}" = 3 ]
    neap 0 rm state=dead --yes
    is "3 jobs deleted"
    neap 0 ls -o name
    is ""
    neap 0 rm state=dead
    is "0 jobs deleted"
    neap 64 rm staet=dead --yes
    expect_error "did you mean state?"
}

@test "a filter on a terminal asks" {
    serving
    dead 2
    on_terminal 1 "'$NEAP' rm state=dead" $'n\n'
    expect "2 jobs will be deleted"
    neap 0 ls state=dead -o name
    [ "${#lines[@]}" = 2 ]
    on_terminal 0 "'$NEAP' rm state=dead" $'y\n'
    neap 0 ls state=dead -o name
    is ""
}

@test "edit changes priority and due time, of one job and of many" {
    serving
    submit work.echo --delay 1h
    neap 0 edit "$id" --priority critical
    neap 0 show "$id" -o json
    expect '"priority":20'
    neap 0 edit "$id" --due now
    neap 0 wait "$id"
    for n in 1 2; do submit work.echo --delay 1h; done
    neap 0 edit state=scheduled --priority low --yes
    is "2 jobs changed"
    neap 0 ls 'priority<0' -o name
    [ "${#lines[@]}" = 2 ]
    neap 0 edit "id=$id" priority=-10 --priority 3 --yes # a term is never what to set
    is "1 job changed"
    neap 0 edit priority=-9 --priority 4 --yes
    is "0 jobs changed"
    neap 0 ls priority=3 -o name
    is "$id"
    neap 0 ls 'priority>=3' state=scheduled -o name
    is "$id"
    neap 64 edit "$id"
    neap 64 edit "$id" --priority most
    neap 65 edit "$id" --due sometime
}

@test "queue: list, pause, resume, limits" {
    serving
    neap 0 queue
    expect hold
    neap 0 queue pause hold
    submit work.hold '{"n":1}'
    touch go
    neap 0 queue show hold -o json
    expect '"paused":true'
    neap 0 explain "$id"
    expect paused
    in_state available "$id"
    neap 0 queue resume hold
    neap 0 wait "$id"
    neap 0 queue set hold concurrency=1 rate=100/s
    neap 0 queue show hold -o json
    expect '"concurrency":1'
    neap 0 queue set hold concurrency=default
    neap 0 queue ls -o name
    expect hold
    neap 66 queue pause hodl
    expect_error hold
    neap 64 queue puase hold
    expect_error "did you mean pause?"
    neap 64 queue set hold concurency=1
    expect_error "did you mean concurrency?"
    neap 64 queue set hold
    neap 64 queue pause
    neap 65 queue set hold concurrency=many
}

@test "schedule: list, run now, pause, resume" {
    work_tasks
    printf '[schedule daily]\ntask = work.say\ncron = 0 3 1 1 *\n' >neap.ini
    daemon
    neap 0 schedule
    expect daily
    expect work.say
    neap 0 schedule run daily
    until_true eval '"$NEAP" ls task=work.say state=completed -o name | grep -q .'
    neap 0 schedule pause daily
    neap 0 schedule show daily -o json
    expect '"paused":true'
    neap 0 schedule resume daily
    neap 66 schedule run dayly
}

@test "stats" {
    serving
    dead 1
    neap 0 stats
    expect "dead"
    expect "work.fail"
    neap 0 stats -o json
    expect '"total"'
}

@test "stack shows where a job is" {
    serving
    submit work.hold '{"n":1}'
    until_true in_state running "$id"
    neap 0 stack
    expect "$id work.hold"
    expect hold.lua
    neap 0 stack "$id"
    expect hold.lua
}

@test "explain says why a job waits" {
    serving
    submit work.echo --delay 1h
    neap 0 explain "$id"
    expect "due"
    neap 66 explain 0000000000001
}

@test "reload: all or nothing, with each mistake" {
    serving
    printf '[queue extra]\nconcurrency = 1\n' >neap.ini
    stop
    daemon
    printf '[queue extra]\nconcurrency = 2\n[queue more]\nrate = 1/s\n' >neap.ini
    neap 0 reload
    neap 0 queue show extra -o json
    expect '"concurrency":2'
    printf '[queue extra]\nconcurency = 2\n[log]\nlevel = loud\n' >neap.ini
    neap 78 reload
    expect_error "neap.ini:2"
    expect_error "neap.ini:4"
    neap 0 queue show extra -o json
    expect '"concurrency":2'
    for n in {1..100}; do printf '[queue q%s]\nconcurency = 2\n' "$n"; done >neap.ini
    neap 78 reload
    expect_error "neap.ini:2"
    expect_error "and more"
    [ "$(grep -c 'did you mean' <<<"$stderr")" = "$(grep -c 'concurrency?)$' <<<"$stderr")" ]
}

@test "backup copies everything while it runs" {
    serving
    submit work.echo '"kept"'
    neap 0 wait "$id"
    mkdir elsewhere
    (cd elsewhere && "$NEAP" backup --socket ../neap.sock copy.db)
    [ -s elsewhere/copy.db ]
    neap 0 backup whole.db
    stop
    printf '[store]\nurl = sqlite:whole.db\n' >neap.ini
    daemon
    neap 0 show "$id"
    expect '"kept"'
}

@test "over TCP with a token" {
    work_tasks
    printf '[http]\nlisten = 127.0.0.1:0\n' >neap.ini
    port=$(lua5.4 -e 'math.randomseed(os.time() + '$$') print(math.random(20000, 30000))')
    printf '[http]\nlisten = 127.0.0.1:%s\ntoken = file:token\n' "$port" >neap.ini
    (umask 077; echo secret-word >token)
    daemon
    NEAP_TOKEN=secret-word neap 0 ls --url "http://127.0.0.1:$port"
    NEAP_TOKEN=wrong neap 69 ls --url "http://127.0.0.1:$port/"
    neap 69 ls --url "http://127.0.0.1:$port"
}
