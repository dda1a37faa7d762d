# What serve keeps through restarts and crashes: schedules, attempts; and one daemon on one file.
# shellcheck disable=SC2034,SC2154 # what the helpers set and read
load live

# In a file whatever the default is.
durable() { # INI
    printf '[store]\nurl = sqlite:neap.db\n%b' "$1" >neap.ini
}

# Each run adds "ID TICK ATTEMPT" to the file ran.
ticking() {
    task plugins/a/tick.lua <<'LUA'
return function(args, ctx)
  local f = assert(io.open("ran", "a"))
  f:write(("%s %.3f %d\n"):format(ctx.id, ctx.scheduled_at, ctx.attempt))
  f:close()
end
LUA
}

crash() {
    kill -KILL "$pid"
    finish
}

# Seconds that neap's clock of the day is ahead.
clock() { # SECONDS
    lua5.4 -e "io.open('clock', 'wb'):write(string.pack('i8', $1))"
    export LD_PRELOAD=${NEAP%/*}/modules/shift_clock.so NEAP_CLOCK=$PWD/clock
}

@test "no tick is lost or doubled, however often neap is killed" {
    ticking
    durable '[schedule s]\ntask = a.tick\nevery = 100ms\ncatchup = all\noverlap = allow\n'
    local round
    for round in {1..8}; do
        serve
        until_true more_runs_than "$((round * 3))"
        crash
    done
    serve
    until_true more_runs_than 40
    stop
    lua <<'LUA'
-- Jobs that ran at a kill run again; but each tick is one job, and none is missing.
local job_of, ticks = {}, {}
for line in io.lines("ran") do
  local id, tick = line:match("^(%S+) (%S+)")
  assert(not job_of[tick] or job_of[tick] == id, "two jobs of the tick " .. tick)
  if not job_of[tick] then ticks[#ticks + 1] = math.floor(tick * 1000 + 0.5) end
  job_of[tick] = id
end
table.sort(ticks)
for i = 2, #ticks do
  assert(ticks[i] - ticks[i - 1] == 100, ticks[i] - ticks[i - 1] .. " ms between ticks")
end
LUA
}

more_runs_than() { # COUNT
    [ "$(wc -l <ran)" -gt "$1" ]
}

@test "a schedule goes on where it was, not anew, after a restart" {
    ticking
    durable '[schedule s]\ntask = a.tick\nevery = 3s\n'
    local round
    for round in 1 2; do # it never lives for a whole period
        serve
        sleep 1.2
        [ "$round" = 1 ] && stop || crash
    done
    serve
    until_true test -s ran
    stop
    lines ran 1
}

@test "what was missed for an hour is skipped, run once, or all of it" {
    [ -z "$sanitized" ] || skip "a sanitizer wants to be the first library"
    task plugins/a/tick.lua <<'LUA'
return function(args, ctx)
  local f = assert(io.open(args, "a"))
  f:write(("%d\n"):format(ctx.scheduled_at // 60))
  f:close()
end
LUA
    local policy
    durable ''
    for policy in skip once all; do
        printf '[schedule %s]\ntask = a.tick\ncron = */10 * * * *\nargs = "%s"\ncatchup = %s\n' \
            "$policy" "$policy" "$policy" >>neap.ini
    done
    local ahead=$((300 - $(date +%s) % 600)) # five minutes away from any tick
    clock "$ahead"
    serve
    stop
    clock "$((ahead + 3600))"
    serve
    until_true lines all 6
    until_true lines once 1
    until_true has err 'schedule skip: 6 ticks missed and left out"'
    until_true has err 'schedule once: 5 ticks missed and left out, the newest runs'
    stop
    [ ! -e skip ]
    [ "$(sort -n all | uniq | wc -l)" = 6 ]
    [ "$(tail -n 1 all)" = "$(cat once)" ]
}

@test "jobs that a drain stops are given back and burn no attempt" {
    task plugins/a/hold.lua <<'LUA'
local neap = require "neap"
return function(args, ctx)
  local f = assert(io.open("began", "a"))
  f:write(("%s %d\n"):format(ctx.id, ctx.attempt))
  f:close()
  while not io.open("go") do neap.sleep(0.01) end
  f = assert(io.open("ended", "a"))
  f:write(("%s %d\n"):format(ctx.id, ctx.attempt))
  f:close()
end
LUA
    task plugins/a/start.lua <<'LUA'
local neap = require "neap"
return function()
  if io.open("began") then return end
  for i = 1, 64 do neap.submit("a.hold", { i = i }) end
end
LUA
    durable '[neap]\ndrain = 100ms\n[schedule s]\ntask = a.start\nevery = 50ms\n'
    serve
    until_true lines began 64
    stop
    [ ! -e ended ]
    durable '[neap]\ndrain = 20s\n'
    serve
    until_true lines began 128
    touch go # half of them end while it drains
    stop
    until_true lines ended 64
    [ "$(sort ended | uniq | wc -l)" = 64 ]
    [ "$(awk '$2 != 1' began ended | wc -l)" = 0 ]
    [ "$(sort began | uniq -c | awk '$1 != 2' | wc -l)" = 0 ]
}

@test "a second daemon on the same file ends at once and says why" {
    durable '[http]\nsocket = none\n'
    serve
    run -70 --separate-stderr timeout 20 "$NEAP" serve
    expect_error neap.db
    expect_error "another process has it open"
    run -70 --separate-stderr timeout 20 "$NEAP" serve --set '[store] url=sqlite:./neap.db'
    stop
    serve # nothing was hurt
    stop
}

@test "a copy made while it runs is put in its place and goes on" {
    ticking
    task plugins/a/say.lua <<<'return function(args) return args end'
    durable '[queue held]\npaused = yes\n[schedule s]\ntask = a.tick\nevery = 1h\n'
    serve
    neap 0 submit a.say '{"n":1}' --queue held
    neap 0 submit a.say '{"n":2}' --wait
    neap 0 schedule pause s
    neap 0 backup copy.db
    neap 0 submit a.say '{"n":3}' --queue held
    crash
    mkdir away
    mv neap.db neap.db-* away
    mv copy.db neap.db
    serve
    neap 0 ls -o jsonl
    [ "$(wc -l <<<"$output")" = 2 ]
    expect '"state":"available"'
    expect '"state":"completed"'
    neap 0 schedule
    expect paused
    stop
}

@test "the metrics that docs/operations.md watches are there" {
    ticking
    durable '[schedule s]\ntask = a.tick\nevery = 50ms\n'
    serve
    until_true test -s ran
    neap 0 stats
    curl -sS --unix-socket neap.sock http://localhost/metrics >metrics
    local name names
    mapfile -t names < <(grep -o 'neap_[a-z_]*' "$ROOT/docs/operations.md" | sort -u)
    [ "${#names[@]}" -gt 8 ]
    for name in "${names[@]}"; do
        has metrics "# TYPE $name " || { echo "no $name"; return 1; }
    done
    stop
}

@test "of a job that kills the process three times the alert task is told, once" {
    task plugins/a/kill.lua <<'LUA'
local neap = require "neap"
return function() neap.exec { "sh", "-c", "kill -9 $PPID" } neap.sleep("1h") end
LUA
    task plugins/ops/alert.lua <<'LUA'
return function(args)
  local f = assert(io.open("told", "a"))
  f:write(("%s %s %s %d\n"):format(args.task, args.job, args.error.code, args.args.n))
  f:close()
end
LUA
    durable '[task *]\non_dead = ops.alert\n'
    serve
    neap 0 submit -o name a.kill '{"n":7}' || true # it may die before it has answered
    finish
    local round
    for round in 1 2; do
        start serve
        finish
        [ "$status" = 137 ]
    done
    serve
    until_true test -s told
    neap 0 ls -o name state=dead task=a.kill
    [ "$(cat told)" = "a.kill $output crash 7" ]
    stop
    serve
    neap 0 ls -o name task=ops.alert
    [ "$(wc -w <<<"$output")" = 1 ]
    stop
}
