# neap submit: one job, many, and waiting for them.
# shellcheck disable=SC2154 # output and stderr are set in helper.bash and by bats
load client.bash

serving() {
    work_tasks
    daemon
}

@test "submit prints the id; the job runs" {
    serving
    neap 0 submit work.echo '{"a":[1,2.5,"x"]}'
    quiet
    [[ $output =~ ^[0-9A-Z]{13}$ ]]
    id=$output
    neap 0 wait "$id"
    neap 0 show "$id" -o json
    expect '"args":{"a":[1,2.5,"x"]}'
    expect '"result":{"a":[1,2.5,"x"]}'
}

@test "ids are taken in any case" {
    serving
    submit work.echo
    neap 0 wait "${id,,}"
    neap 0 show "${id,,}"
    expect "$id"
}

@test "--wait prints the result as run does" {
    serving
    neap 0 submit work.echo '"text"' --wait
    is text
    neap 0 submit work.echo '{"big":9007199254740993,"f":0.1}' --wait=10s
    is '{"big":9007199254740993,"f":0.1}'
    neap 0 submit work.echo - --wait <<<'[1,null]'
    is '[1,null]'
    neap 0 submit work.echo null -w
    is ""
}

@test "--wait exits 1 if the job failed, and says why with its traceback" {
    serving
    neap 1 submit work.fail '{"why":"rain"}' --wait
    is ""
    expect_error "no good: rain"
    expect_error "fail.lua:1"
}

@test "--wait=TIME ends with 75 and names the job, which goes on" {
    serving
    neap 75 submit work.hold '{"n":1}' --wait=50ms
    expect_error "neap wait"
    touch go
    neap 0 wait "$(grep -o '[0-9A-Z]\{13\}' <<<"$stderr" | head -n 1)"
}

@test "--follow shows the log on standard error, then the result" {
    serving
    neap 0 submit work.say --follow
    is said
    expect_error "first line
second line"
}

@test "--arg converts by the schema that the daemon has" {
    serving
    neap 0 submit work.typed --arg count=7 --arg name=7 --arg 'deep={"x":[1]}' --wait -o json
    expect '"count":7'
    expect '"name":"7"'
    expect '"x":[1]'
    neap 65 submit work.typed --arg count=seven
    expect_error "not a whole number"
    neap 65 submit work.typed --arg cuont=7
    expect_error "did you mean count?"
    neap 66 submit work.tpyed --arg count=7
    neap 64 submit work.typed '{}' --arg count=7
    neap 64 submit work.typed --arg count=7 --arg count=8
}

@test "options become what the job has" {
    serving
    submit work.echo --priority high --delay 1h --expires 2030-01-01T00:00:00Z
    neap 0 show "$id" -o json
    expect '"priority":10'
    expect '"state":"scheduled"'
    expect '"expires_at":"2030-01-01T00:00:00.000Z"'
    submit work.echo --queue hold --at 2031-01-01T00:00:00Z
    neap 0 show "$id"
    expect "queue       hold"
    expect "2031-01-01"
}

@test "wrong options are refused with 64, wrong data with 65, unknown tasks with 66" {
    serving
    neap 64 submit
    neap 64 submit work.echo --delay soon
    neap 64 submit work.echo --priority most
    neap 64 submit work.echo --after X
    neap 64 submit work.echo --timeout never
    neap 64 submit work.echo --wait=soon
    neap 64 submit work.echo --unique a --unique-by b
    neap 65 submit work.echo '{"a":'
    neap 65 submit work.echo - <<<'{'
    neap 66 submit work.ehco
    expect_error "work.echo"
    neap 66 submit work.echo --queue hodl
    expect_error "hold"
}

@test "unique jobs and idempotency keys: the same id again" {
    serving
    submit work.hold '{"n":1}' --unique key
    first=$id
    neap 0 submit work.hold '{"n":2}' --unique key
    is "$first"
    expect_error "already"
    neap 0 submit work.hold '{"n":1,"m":2}' --unique-by n
    second=$output
    [ "$second" != "$first" ]
    neap 0 submit work.hold '{"n":1,"m":3}' --unique-by n
    is "$second"
    neap 0 submit work.echo '{"k":1}' --idempotency-key abc
    third=$output
    neap 0 submit work.echo '{"k":1}' --idempotency-key abc
    is "$third"
    neap 75 submit work.echo '{"k":2}' --idempotency-key abc
    neap 64 submit work.echo --idempotency-key $'a\nb'
}

@test "after: a job waits for others" {
    serving
    submit work.hold '{"n":1}'
    first=$id
    submit work.echo --after "$first"
    in_state pending "$id"
    neap 0 show "$id"
    expect "after       $first"
    touch go
    neap 0 wait "$id"
    submit work.fail
    failed=$id
    neap 1 wait "$failed"
    submit work.echo --after "$failed" --after-failed run
    neap 0 wait "$id"
}

@test "--jsonl submits a job a line; each is answered" {
    serving
    printf '%s\n' '{"n":1}' '' 'nonsense' '"x"' '{"n":2}' >lines
    neap 65 submit work.echo --jsonl --priority 3 <lines
    [ "$(wc -l <<<"$output")" = 3 ]
    expect_error "line 3"
    for id in $output; do
        neap 0 wait "$id"
    done
    neap 0 show "$id" -o json
    expect '"priority":3'
    expect '"result":{"n":2}'
    neap 64 submit work.echo --jsonl --wait <lines
    neap 64 submit work.echo '{}' --jsonl <lines
}

@test "- submits whole requests" {
    serving
    printf '%s\n' '{"task":"work.echo","args":[1],"priority":5}' '{"task":"work.nothing"}' \
        '{"task":"work.echo","prioriti":1}' '{"task":"work.echo"}' >lines
    run -65 --separate-stderr "$NEAP" submit - <lines
    [ "$(grep -c '^[0-9A-Z]\{13\}$' <<<"$output")" = 2 ]
    expect_error "line 2"
    expect_error "line 3"
    neap 65 submit - -o jsonl <lines
    [ "$(wc -l <<<"$output")" = 4 ]
    expect '"error":'
}

@test "lines are submitted as they come" {
    serving
    mkfifo pipe
    "$NEAP" submit work.echo --jsonl <pipe >ids 3>&- &
    pids+=($!)
    exec 7>pipe
    echo '{"n":1}' >&7
    until_true lines ids 1
    echo '{"n":2}' >&7
    until_true lines ids 2
    exec 7>&-
    wait "${pids[-1]}"
}

@test "ten thousand lines" {
    serving
    seq 10000 >lines
    neap 0 submit work.echo --jsonl <lines
    [ "$(sort -u <<<"$output" | wc -l)" = 10000 ]
}
