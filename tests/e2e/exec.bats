# Programs that tasks run: how many at once, and what is left of them when neap ends.
# shellcheck disable=SC2034,SC2154 # status, output and stderr are set and read in helper.bash and by bats
load helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    mark=$((40000 + RANDOM)).$$ # sleeps that are this test's
    task sleep.lua <<EOF
local neap = require "neap"
return function(a) neap.exec("sleep $mark & sleep $mark") end
EOF
}

sleeping() { # COUNT
    [ "$(pgrep -fc "^sleep $mark")" = "$1" ]
}

count_task() { # each of its programs tells how many run just then
    mkdir now
    task count.lua <<'EOF'
local neap = require "neap"
return function(a)
  local r = assert(neap.exec(": >now/$$; ls now | wc -l; rm now/$$; exit " .. a % 3))
  assert(r.code == a % 3, r.stderr)
  return tonumber(r.stdout)
end
EOF
}

@test "a map of programs: never more than max_children at once, in any number of workers" {
    count_task
    run -0 --separate-stderr "$NEAP" map --set '[neap] max_children=3' \
        --set '[pool default] workers=4' ./count.lua < <(seq 500)
    [ "$(wc -l <<<"$output")" = 500 ]
    [ "$(sort -n <<<"$output" | tail -n 1)" -le 3 ]
    [ -z "$(ls now)" ]
    quiet
}

@test "as many as CPUs that it may use" {
    count_task
    run -0 --separate-stderr taskset -c 0 "$NEAP" map --set '[pool default] workers=2' \
        ./count.lua < <(seq 50)
    [ "$(sort -u <<<"$output")" = 1 ]
}

@test "an interrupted run leaves no process" {
    start run ./sleep.lua
    until_true sleeping 2
    kill -INT "$pid"
    finish
    [ "$status" = 130 ]
    until_true sleeping 0
}

@test "a map that is halted leaves no process" {
    task mixed.lua <<EOF
local neap = require "neap"
return function(a)
  if a == "bad" then
    repeat neap.sleep(0.01) until neap.exec("pgrep -f '^sleep $mark'").code == 0
    error "bad"
  end
  neap.exec("sleep $mark & sleep $mark")
end
EOF
    neap 1 map --set '[neap] max_children=9' --halt now,fail=1 ./mixed.lua ::: a b bad c
    until_true sleeping 0
}

@test "a service that is stopped leaves no process" {
    mkdir plugins
    cp sleep.lua plugins
    printf '[neap]\ndrain = 0s\n[schedule x]\ntask = sleep\nevery = 100ms\noverlap = allow\n' >neap.ini
    start serve
    until_true pgrep -f "^sleep $mark" >/dev/null
    kill -TERM "$pid"
    finish
    until_true sleeping 0
}

@test "what a program prints is no data of neap's" {
    task print.lua <<'EOF'
return function() return (os.execute("echo out; echo err >&2")) end
EOF
    neap 0 run ./print.lua
    is true
    expect_error out
    expect_error err
}

@test "with standard descriptors closed" {
    task closed.lua <<'EOF'
local neap = require "neap"
return function()
  local r = neap.exec("read x; echo out-$x; echo err >&2", { stdin = "in\n" })
  neap.fs.write("result", r.stdout .. r.stderr)
end
EOF
    "$NEAP" run ./closed.lua <&- >&- 2>&- || true
    [ "$(cat result)" = $'out-in\nerr' ]
}

@test "programs that wait for a place share their input" {
    [ -z "$sanitized" ] || skip
    task wait.lua <<'EOF'
local neap = require "neap"
return function()
  local input, handles = ("x"):rep(8 << 20), {}
  for i = 1, 100 do
    handles[i] = neap.async(neap.exec, { "wc", "-c" }, { stdin = input })
  end
  for _, handle in ipairs(handles) do
    local ok, r = handle:wait()
    assert(ok and r.stdout == "8388608\n")
  end
  return tonumber(neap.fs.read("/proc/self/status"):match("VmHWM:%s+(%d+)"))
end
EOF
    neap 0 run --set '[neap] max_children=1' ./wait.lua
    [ "$output" -lt 200000 ]
}

@test "started with SIGCHLD ignored" {
    task code.lua <<'EOF'
return function() return (select(3, os.execute("exit 5"))) end
EOF
    run -0 --separate-stderr env --ignore-signal=CHLD "$NEAP" run ./code.lua
    is 5
}

@test "many programs: no descriptor stays open" {
    task leak.lua <<'EOF'
local neap = require "neap"
return function(a)
  neap.exec({ "sh", "-c", "echo x; exec >&-; cat" }, { stdin = ("x"):rep(100000) })
  return #neap.fs.list("/proc/self/fd")
end
EOF
    run -0 --separate-stderr "$NEAP" map --set '[neap] max_children=2' -j 2 -k ./leak.lua < <(seq 200)
    [ "$(tail -n 1 <<<"$output")" -lt $(($(head -n 20 <<<"$output" | sort -n | tail -n 1) + 4)) ]
}
