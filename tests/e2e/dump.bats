#!/usr/bin/env bats
# shellcheck disable=SC2154 # pid is set by start, in helper.bash
# neap dump: the file of a daemon that is stopped, was killed, or still runs.
load helper

prepare() {
    mkdir -p plugins/a
    cat >plugins/a/t.lua <<'END'
local neap = require "neap"
local function run(args)
  neap.sleep(args.s or 0)
  io.open("ran", "a"):write("x\n"):close()
  return args
end
return { queue = "a", run = run }
END
    cat >neap.ini <<'END'
[store]
url = sqlite:jobs.db
[http]
socket = none
[queue a]
concurrency = 100
[schedule tick]
task = a.t
every = 50ms
args = {"s": 0}
END
    start serve
    until [ -e jobs.db-wal ] && [ "$(stat -c %s jobs.db-wal)" -gt 50000 ]; do sleep 0.05; done
    until [ -e ran ] && [ "$(wc -l <ran)" -gt 3 ]; do sleep 0.05; done
}

@test "a stopped daemon's jobs are printed, one document a line" {
    prepare
    kill -TERM "$pid"
    wait "$pid"
    [ ! -e jobs.db-wal ]
    sum=$(sha256sum jobs.db)
    neap 0 dump jobs.db
    [ "${#lines[@]}" -ge 2 ]
    [[ ${lines[0]} == '{"id":"'*'"task":"a.t","queue":"a","state":"completed"'*'"result":{"s":0}}' ]]
    [ -z "$stderr" ]
    [ "$(sha256sum jobs.db)" = "$sum" ]
    neap 0 dump --check jobs.db
    [ "$output" = ok ]
    [ "$(sha256sum jobs.db)" = "$sum" ]
}

@test "a killed one's log is read and left where it is" {
    prepare
    kill -KILL "$pid"
    wait "$pid" || true
    sum=$(sha256sum jobs.db jobs.db-wal)
    neap 0 dump -o jsonl jobs.db
    [ "${#lines[@]}" -ge 2 ]
    neap 0 dump --check jobs.db
    [ "$output" = ok ]
    [ "$(sha256sum jobs.db jobs.db-wal)" = "$sum" ]
}

@test "a file in use is refused, and the way out named" {
    prepare
    neap 75 dump jobs.db
    [[ $stderr == *"a daemon has it open"*"neap backup"* ]]
    neap 75 dump --check jobs.db
}

@test "other files, and none" {
    neap 66 dump nowhere.db
    [[ $stderr == *nowhere.db*"No such file"* ]]
    echo "dear diary" >diary.txt
    run ! "$NEAP" dump diary.txt
    [[ $output == *"not a store"* ]]
    [ "$(cat diary.txt)" = "dear diary" ]
    neap 64 dump
}

@test "what is damaged is left out and said" {
    prepare
    kill -TERM "$pid"
    wait "$pid"
    neap 0 dump jobs.db
    all=${#lines[@]}
    ended=$(sqlite3 jobs.db "SELECT count(*) FROM ended") # a tick may have come in the drain
    sqlite3 jobs.db "UPDATE ended SET body = x'00' WHERE id = (SELECT max(id) FROM ended)"
    run --separate-stderr "$NEAP" dump jobs.db
    [ "$status" != 0 ]
    [ "${#lines[@]}" = $((all - 1)) ]
    [[ $stderr == *"1 of $all jobs are left out"* ]]
    neap 65 dump --check jobs.db
    [[ $output == *"ended: 1 of $ended rows are damaged"* ]]
}
