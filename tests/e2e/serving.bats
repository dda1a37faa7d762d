# A day in the life of neap serve: from an empty directory to a drain.
# shellcheck disable=SC2034,SC2154 # what the helpers set and read
load live

each_line_is_json() { # of the log
    lua <<'EOF'
for line in io.lines("err") do
  assert(line:match('^{"time":"%d%d%d%d%-%d%d%-%d%dT[%d:.]+Z","level":"%a+","%a+":".*}$'), line)
end
EOF
}

@test "from an empty directory: says where it looked, takes plugins as they appear" {
    serve
    has err "$PWD/plugins" || has err '"looked_in":"./plugins' || has err '"looked_in":"plugins'
    printf '[log]\n' >neap.ini # it was not there at the start: of no effect
    mkdir plugins
    task plugins/a/b.lua <<<'return { summary = "one", run = function() end, nonsense = 1 }'
    until_true has err 'plugins/a/b.lua'
    has err nonsense
    task plugins/a/b.lua <<<'return { summary = "one", run = function() end }'
    task plugins/c.lua <<<'return function( -- broken'
    until_true has err "plugins/c.lua:2:"
    rm plugins/c.lua
    each_line_is_json
    stop
    [ ! -s out ]
}

@test "plugins that appear serve schedules that wait for them" {
    printf '[schedule tick]\ntask = tick.tock\nevery = 50ms\n' >neap.ini
    serve
    until_true has err tick.tock # there is no such task
    task plugins/tick/tock.lua <<<'return function() io.open("ticked", "w"):close() end'
    until_true test -e ticked
    stop
}

@test "every keeps its time: no job early, none twice" {
    task plugins/tick/tock.lua <<'EOF'
local neap = require "neap"
return function()
  local f = io.open("ticks", "a")
  f:write(("%.3f\n"):format(neap.now()))
  f:close()
end
EOF
    printf '[schedule tick]\ntask = tick.tock\nevery = 200ms\n' >neap.ini
    serve
    ticked() { [ "$(wc -l <ticks)" -ge 8 ]; }
    until_true ticked
    stop
    lua <<'EOF'
local first, last
for line in io.lines("ticks") do
  local now = tonumber(line)
  first = first or now
  -- on a busy machine one may be late, and then the next one comes sooner
  if last then assert(now - last > 0.02, now - last) end
  last = now
end
assert(last - first > 7 * 0.2 - 0.15, last - first)
EOF
}

@test "overlap = skip runs one at a time and says so, overlap = allow does not wait" {
    task plugins/long/one.lua <<'EOF'
local neap = require "neap"
return function(args)
  local running = neap.shared("running"):incr(args)
  local most = neap.shared("most"):get(args) or 0
  if running > most then neap.shared("most"):set(args, running) end
  local f = io.open("most." .. args, "w")
  f:write(neap.shared("most"):get(args))
  f:close()
  neap.sleep(0.5)
  neap.shared("running"):incr(args, -1)
  local g = io.open("ended." .. args, "a")
  g:write("x\n")
  g:close()
end
EOF
    printf '[schedule %s]\ntask = long.one\nevery = 50ms\nargs = "%s"\noverlap = %s\n' \
        one skip skip many allow allow >neap.ini
    serve
    until_true test -e ended.skip
    overlapped() { [ "$(cat most.allow)" -ge 3 ]; }
    until_true overlapped
    ended_thrice() { [ "$(wc -l <ended.skip)" -ge 3 ]; }
    until_true ended_thrice
    [ "$(cat most.skip)" = 1 ]
    has err "schedule one: skipped"
    ! has err "schedule many" || return 1
    stop
}

@test "a drain: what runs ends, what waits does not start, log lines carry job, task and attempt" {
    task plugins/d/hold.lua <<'EOF'
local neap = require "neap"
return function(args, ctx)
  neap.log.info("begins", { n = args.n })
  io.open("running." .. args.n, "w"):close()
  while not io.open("go") do neap.sleep(0.01) end
  io.open("ended." .. args.n, "w"):close()
  print("printed by", ctx.id)
end
EOF
    task plugins/d/start.lua <<'EOF'
local neap = require "neap"
return function()
  if neap.shared("once"):add("started", true) then
    for n = 1, 5 do neap.submit("d.hold", { n = n }) end
  end
end
EOF
    printf '[schedule start]\ntask = d.start\nevery = 50ms\n[queue held]\nconcurrency = 2\n[task d.hold]\nqueue = held\n' >neap.ini
    serve
    until_true test -e running.1 -a -e running.2
    kill -TERM "$pid"
    until_true has err "draining"
    touch go
    ends
    [ "$status" = 0 ]
    [ "$(echo ended.*)" = "ended.1 ended.2" ]
    [ "$(echo running.*)" = "running.1 running.2" ]
    each_line_is_json
    grep -q '"msg":"begins","task":"d.hold","generation":1,"job":"[0-9A-Z]\{13\}","attempt":1,"fields":{"n":1}' err
    grep -q '"print":"printed by' err
    has err '"msg":"stopped"'
}

@test "a drain stops schedules and intake" {
    task plugins/tick/tock.lua <<'EOF'
return function() local f = io.open("ticks", "a") f:write("x\n") f:close() end
EOF
    task plugins/d/hold.lua <<'EOF'
local neap = require "neap"
return function(args, ctx)
  if io.open("held") then return end
  io.open("held", "w"):close()
  while not io.open("draining") do neap.sleep(0.01) end
  local ok, why = pcall(neap.submit, "tick.tock", {})
  local f = io.open("said", "w")
  f:write(tostring(ok), " ", tostring(why))
  f:close()
  while not io.open("go") do neap.sleep(0.01) end
end
EOF
    printf '[schedule tick]\ntask = tick.tock\nevery = 20ms\n[schedule hold]\ntask = d.hold\nevery = 50ms\n' >neap.ini
    serve
    until_true test -e held -a -s ticks
    kill -TERM "$pid"
    until_true has err "draining"
    before=$(wc -l <ticks)
    touch draining
    until_true test -s said
    cat said
    sleep 0.3 # so long that some ticks would have come
    [ $(($(wc -l <ticks) - before)) -le 1 ]
    touch go
    ends
    [ "$status" = 0 ]
}

@test "a second signal ends a drain at once, with the first one's number" {
    task plugins/d/hold.lua <<'EOF'
local neap = require "neap"
return function() io.open("held", "w"):close() neap.sleep(600) end
EOF
    printf '[schedule hold]\ntask = d.hold\nevery = 50ms\n' >neap.ini
    for signal in "TERM 143" "INT 130"; do
        rm -f held
        serve
        until_true test -e held
        kill -"${signal% *}" "$pid"
        until_true has err draining
        sleep 0.06 # what follows sooner counts as the same
        kill -"${signal% *}" "$pid"
        ends
        [ "$status" = "${signal#* }" ]
    done
}

@test "even a job that computes without end does not outlive drain" {
    task plugins/d/spin.lua <<<'return function() io.open("spins", "w"):close() while true do end end'
    printf '[neap]\ndrain = 200ms\n[schedule spin]\ntask = d.spin\nevery = 50ms\n' >neap.ini
    serve
    until_true test -e spins
    kill -TERM "$pid"
    ends
    [ "$status" = 0 ]
}

@test "a failing job is logged with its traceback, and retried" {
    task plugins/f/ail.lua <<'EOF'
return {
  retry = { max = 2, base = 0.02, jitter = 0 },
  run = function(_, ctx)
    error("attempt " .. ctx.attempt)
  end,
  on_dead = function(_, ctx, err)
    local f = io.open("dead", "w")
    f:write(ctx.attempt, " ", err.message)
    f:close()
  end,
}
EOF
    printf '[schedule fail]\ntask = f.ail\nevery = 10s\n[schedule fail2]\ntask = f.ail\nevery = 100ms\n' >neap.ini
    serve
    until_true test -s dead
    grep -q '^3 .*plugins/f/ail.lua:4: attempt 3$' dead
    for attempt in 1 2 3; do
        grep "\"attempt\":$attempt" err | grep -q "ail.lua:4: attempt $attempt"
    done
    grep '"attempt":3' err | grep -q 'stack traceback'
    each_line_is_json
    stop
}
