# Tasks that do not come back from a C module: the commands end all the same, and say why.
# shellcheck disable=SC2034,SC2154 # what the helpers set
load live

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    export LUA_CPATH_5_4="${NEAP%/*}/modules/?.so"
    task sleeps.lua <<'EOT'
local block = require "block"
return function(seconds)
  seconds = tonumber(seconds)
  if seconds > 0 then block.sleep(seconds) end
  return "slept " .. seconds
end
EOT
    quick=(--timeout 200ms --set '[neap] grace=200ms')
}

@test "run: its end does not wait for a thread that is stuck" {
    run --separate-stderr "$NEAP" run ./sleeps.lua 600 "${quick[@]}"
    [ "$status" = 1 ]
    [[ $stderr == *"timeout: stuck in C code"* ]]
    [[ $stderr == *"1 thread stuck in C code left behind"* ]]
}

@test "run: past max_stuck it ends with 70" {
    run --separate-stderr "$NEAP" run ./sleeps.lua 600 "${quick[@]}" --set '[neap] max_stuck=0'
    [ "$status" = 70 ]
    [[ $stderr == *"1 worker is stuck in C code, more than max_stuck = 0"* ]]
}

@test "map: the others end well; past max_stuck what is done is printed" {
    run --separate-stderr "$NEAP" map ./sleeps.lua "${quick[@]}" --workers 1 ::: 0 600 0 600 0
    [ "$status" = 1 ]
    [ "$(sort -u <<<"$output")" = "slept 0" ]
    [ "$(wc -l <<<"$output")" = 3 ]
    run --separate-stderr "$NEAP" map ./sleeps.lua "${quick[@]}" --workers 1 \
        --set '[neap] max_stuck=1' ::: 0 0 0 600 600 600
    [ "$status" = 70 ]
    [ "$(wc -l <<<"$output")" = 3 ]
    [[ $stderr == *"2 workers are stuck in C code, more than max_stuck = 1"* ]]
}

@test "serve: replaces the worker; past max_stuck it ends with 70" {
    task plugins/t/block.lua <<'EOT'
local block = require "block"
return function() block.sleep(600) end
EOT
    task plugins/t/ok.lua <<'EOT'
return function() print("is well") end
EOT
    printf '%s\n' '[neap]' 'grace = 200ms' 'max_stuck = 2' '[pool default]' 'workers = 1' \
        '[task t.block]' 'timeout = 200ms' 'retry.max = 0' \
        '[schedule a]' 'task = t.block' 'every = 500ms' '[schedule b]' 'task = t.ok' 'every = 50ms' \
        >neap.ini
    serve
    until_true has err 'is stuck in C code (t.block) and was replaced; 1 so far'
    until_true more_than "$(grep -c 'is well' err || true)" 'is well'
    ends
    [ "$status" = 70 ]
    has err '3 workers are stuck in C code, more than max_stuck = 2'
}
