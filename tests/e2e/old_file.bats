# A file that an earlier version of neap wrote opens, and everything in it goes on. The file of each
# version of the store is kept: tests/store/vN.db, made by the first test with NEAP_KEEP_FILE=PATH.
# shellcheck disable=SC2034,SC2154 # what the helpers set and read
load live

world() {
    task plugins/a/echo.lua <<'LUA'
return function(args, ctx)
  print("said before", args.n)
  return { n = args.n, args = args, attempt = ctx.attempt, after = ctx.after }
end
LUA
    task plugins/a/fail.lua <<'LUA'
return function(args, ctx)
  print("about to fail")
  error("no good: attempt " .. ctx.attempt)
end
LUA
    # nothing in it is too old, whenever this runs
    cat >neap.ini <<'INI'
[store]
keep_completed = none, none
keep_dead = none, none
[queue held]
paused = yes
[queue slow]
[task a.fail]
retry = 3
retry.base = 30000d
retry.cap = 30000d
[schedule s]
task = a.echo
cron = 0 0 29 2 *
tz = UTC
args = {"n": 99}
INI
}

job() { # ARGS...: submits one, its id is in $id
    id=$("$NEAP" submit -o name "$@")
}

shown() { # FILTER... : the one such job, in $output
    local -a found
    mapfile -t found < <("$NEAP" ls -o name "$@")
    [ "${#found[@]}" = 1 ] || { echo "for $*: ${found[*]}"; return 1; }
    id=${found[0]}
    neap 0 show -o json "$id"
    output=$(tr -d ' \n' <<<"$output") # however it is laid out
}

fill() {
    serve
    neap 0 submit a.echo '{"n":1,"text":"größe \u0000 \n","list":[1,2.5,null,{}],"big":9007199254740993}' --wait
    neap 1 submit a.fail --retries 0 --wait
    neap 0 submit a.fail
    until_true shown state=retryable task=a.fail
    job a.echo '{"n":2}' --queue held --priority high --timeout 90s --retries 7
    neap 0 submit a.echo '{"n":3}' --after "$id"
    neap 0 submit a.echo '{"n":4}' --at 2100-01-01T00:00:00Z
    neap 0 submit a.echo '{"n":5}' --queue held --unique only-one
    job a.echo '{"n":6}' --queue held --expires 2100-01-01T00:00:00Z
    neap 0 cancel "$id"
    neap 0 queue pause slow
    neap 0 queue set slow concurrency=3
    neap 0 schedule run s
    until_true counted completed 2
    neap 0 schedule pause s
    stop
    [ "$(stat -c %s neap.db-wal 2>/dev/null || echo 0)" = 0 ]
}

goes_on() {
    local held
    neap 0 dump --check neap.db
    serve
    run ! grep -E '"level":"(warn|error)"' err
    until_true counted completed 2
    shown state=dead
    expect '"message":"'
    expect 'nogood:attempt1'
    expect '"traceback":"'
    neap 0 logs "$id"
    is 'about to fail'
    shown state=retryable
    expect '"attempt":1'
    expect 'nogood:attempt1'
    shown state=scheduled
    expect '"due_at":"2100-01-01T00:00:00.000Z"'
    shown state=cancelled
    expect '"n":6'
    neap 0 queue show slow -o json
    output=$(tr -d ' \n' <<<"$output")
    expect '"paused":true'
    expect '"concurrency":3'
    neap 0 schedule show s -o json
    output=$(tr -d ' \n' <<<"$output")
    expect '"paused":true'
    expect '"last_job":"'
    job a.echo '{"n":5}' --queue held --unique only-one
    held=$("$NEAP" ls -o name state=available queue=held)
    [ "$(wc -w <<<"$held")" = 2 ]
    [[ $held == *"$id"* ]] # the unique one is the one that was there
    neap 0 queue resume held
    until_true counted completed 5
    neap 0 ls -o jsonl state=completed wide=yes
    expect '"n":2'
    expect '"n":3'
    expect '9007199254740993'
    expect 'größe \u0000 \n'
    stop
}

counted() { # STATE COUNT
    [ "$("$NEAP" ls -o name "state=$1" | wc -l)" = "$2" ]
}

@test "what this version writes, it reads" {
    world
    fill
    [ -z "${NEAP_KEEP_FILE:-}" ] || cp neap.db "$NEAP_KEEP_FILE"
    goes_on
}

@test "what each earlier version wrote goes on" {
    local file
    for file in "$ROOT"/tests/store/v*.db; do
        mkdir -p "${file##*/}.d"
        cd "${file##*/}.d" || return 1
        world
        install -m 0600 "$file" neap.db
        goes_on
        cd ..
    done
    [ "$(find "$ROOT/tests/store" -name 'v*.db' | wc -l)" -ge 1 ]
}
