# The daemon as somebody new to it would try it: README, "Run it as a daemon".
# shellcheck disable=SC2154 # output and stderr are set in helper.bash and by bats
load client.bash

post() { # JSON
    curl -fsS --unix-socket neap.sock -d "$1" -H 'Content-Type: application/json' http://localhost/api/v1/jobs
}

@test "start, submit from curl and the command line, watch, edit, kill, start again, find everything" {
    mkdir demo && cd demo
    neap 0 new plugin greet
    task plugins/greet/slow.lua <<'EOF'
local neap = require "neap"
return { args = { name = "string" }, run = function(args)
  neap.sleep("200ms")
  print("greeting " .. args.name)
  return "Hello " .. args.name
end }
EOF
    daemon
    "$NEAP" ls -w >watched 2>watch.err 3>&- &
    pids+=($!)
    until_true eval '"$NEAP" submit greet.hello >/dev/null; test -s watched'

    # from the command line, and from curl
    neap 0 submit greet.slow --arg name=Ada --wait
    is "Hello Ada"
    first=$(post '{"task":"greet.slow","args":{"name":"Bob"}}' | grep -o '"id":"[^"]*"' | cut -d'"' -f4)
    neap 0 wait "$first"
    neap 0 show "$first" -o json
    expect '"result":"Hello Bob"'
    neap 0 logs "$first"
    is "greeting Bob"
    until_true has watched "$first completed"

    # an edit of the task is what the next job runs
    sed -i 's/Hello/Good day/' plugins/greet/slow.lua
    until_true edited
    # a broken one changes nothing
    echo 'return function(' >plugins/greet/slow.lua
    until_true has err slow.lua:2
    neap 0 submit greet.slow --arg name=Dan --wait
    is "Good day Dan"

    # what waits, what will be due and what has ended is there after a crash
    neap 0 queue pause default
    for n in 1 2 3; do
        neap 0 submit greet.slow --arg name="later$n"
        ids[n]=$output
    done
    neap 0 submit greet.slow --arg name=tomorrow --delay 1d
    tomorrow=$output
    kill -KILL "$pid"
    finish
    neap 69 ls
    sed -i '1d' plugins/greet/slow.lua
    task plugins/greet/slow.lua <<<'return { args = { name = "string" }, run = function(args) return "Again " .. args.name end }'
    daemon
    neap 0 show "$first" -o json
    expect '"result":"Hello Bob"'
    neap 0 logs "$first"
    is "greeting Bob"
    neap 0 show "$tomorrow" -o json
    expect '"state":"scheduled"'
    neap 0 queue show default -o json
    expect '"paused":true'
    neap 0 queue resume default
    neap 0 wait "${ids[@]}"
    neap 0 show "${ids[2]}" -o json
    expect '"result":"Again later2"'
    neap 0 ls -o name
    [ "$(sort -u <<<"$output" | wc -l)" = "$(wc -l <<<"$output")" ]
    stop
    [ ! -e neap.sock ]
}

edited() {
    [ "$("$NEAP" submit greet.slow --arg name=Cyd --wait)" = "Good day Cyd" ]
}
