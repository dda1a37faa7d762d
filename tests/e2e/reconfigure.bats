# SIGHUP: a new configuration for neap serve, all of it or nothing.
# shellcheck disable=SC2034,SC2154 # what the helpers set and read
load live

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    write_probe
}

# probe.tell leaves neap.stats() in "stats" whenever it runs; probe.hello tells its settings in "hello".
write_probe() {
    write_files_helper probe
    task plugins/probe/tell.lua <<'EOF'
local neap, files = require "neap", require "files"
return function() files.write("stats", neap.json.encode(neap.stats())) end
EOF
    task plugins/probe/hello.lua <<'EOF'
local files = require "files"
return {
  config = { name = { "string", default = "nobody" }, times = { "integer", default = 1 } },
  setup = function(config) return "hello " .. config.name end,
  run = function(_, ctx)
    files.write("hello", ("%s %d %d\n"):format(ctx.state, ctx.config.times, ctx.generation))
  end,
}
EOF
}

config() { # from standard input, with the probe's schedule before it
    {
        printf '[schedule probe]\ntask = probe.tell\nevery = 50ms\n'
        printf '[schedule hello]\ntask = probe.hello\nevery = 50ms\n'
        cat
    } >neap.ini
}

reload() { signal_reload "configuration read again"; }

stat_is() { # FIELD VALUE: of neap.stats(), of all queues together
    lua "$@" <<'EOF'
local text = io.open("stats"):read("a"):gsub('"queues":%b{}', ""):gsub('"tasks":%b{}', "")
os.exit(text:match('"' .. arg[1] .. '":(%d+)') == arg[2])
EOF
}

says_hello() { [ "$(cut -d' ' -f2-3 hello)" = "$1" ]; }
generation_is() { [ "$(cut -d' ' -f4 hello)" = "$1" ]; }
threads() { find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l; }

threads_are() { # NUMBER...
    local now wanted
    now=$(threads)
    for wanted; do [ "$now" != "$wanted" ] || return 0; done
    return 1
}

@test "workers 4 to 2 to 3 while jobs run: none is lost, threads come and go" {
    task plugins/work/some.lua <<'EOF'
local neap = require "neap"
return function(n)
  neap.sleep(n % 3 == 0 and 0.02 or 0)
  return n
end
EOF
    write_files_helper work
    task plugins/work/drive.lua <<'EOF'
local neap, files = require "neap", require "files"
return function()
  local n = 0
  if files.is_there("sum") then return end
  while not files.is_there("stop") do
    local jobs = {}
    for i = 1, 50 do jobs[i] = neap.submit("work.some", n + i) end
    local results, errors = neap.all(jobs)
    assert(not errors, "failed")
    for i = 1, 50 do assert(results[i] == n + i, "wrong") end
    n = n + 50
  end
  files.write("sum", tostring(n))
end
EOF
    sections='[task *]
retry.max = 0
[schedule drive]
task = work.drive
every = 50ms'
    config <<<"$sections"$'\n[pool default]\nworkers = 4'
    serve
    until_true stat_is workers 4
    threads=$(threads)
    for workers in 2 3 1; do
        config <<<"$sections"$'\n[pool default]\nworkers = '$workers
        reload
        until_true stat_is workers $workers
        until_true threads_are $((threads - 4 + workers)) $((threads - 3 + workers)) # the drive's may stay
    done
    touch stop
    until_true test -e sum
    [ "$(cat sum)" -gt 0 ]
    until_true threads_are $((threads - 3))
    [ "$(grep -c '"level":"error"' err || true)" = 0 ]
    stop
}

@test "a queue that is removed loses its limits, not its jobs" {
    task plugins/fill/submit.lua <<'EOF'
local neap = require "neap"
return function()
  if neap.shared("once"):add("done", true) then
    for i = 1, 20 do assert(neap.submit("fill.count", i, { queue = "extra" })) end
    io.open("filled", "w"):close()
  end
  local ok, why = pcall(neap.submit, "fill.count", 0, { queue = "extra", delay = "600s" })
  if not ok then
    local f = io.open("refused", "w")
    f:write(tostring(why))
    f:close()
  end
end
EOF
    task plugins/fill/count.lua <<'EOF'
return function(n)
  local f = io.open("counted", "a")
  f:write(n, "\n")
  f:close()
end
EOF
    fill='[schedule fill]
task = fill.submit
every = 50ms'
    config <<<"$fill"$'\n[queue extra]\npaused = yes'
    serve
    until_true test -e filled
    [ ! -e counted ] && [ ! -e refused ]
    config <<<"$fill"
    reload
    until_true lines counted 20
    sort -n counted | cmp - <(seq 20)
    until_true has refused extra
    stop
}

@test "a broken configuration is refused whole, with file and line, and the old one stays" {
    config <<<$'[pool default]\nworkers = 2\n[task probe.hello]\nconfig.name = old'
    serve
    until_true stat_is workers 2
    until_true says_hello "old 1"
    config <<<$'[pool default]\nworkers = 3\nslotts = 7\n[task probe.hello]\nconfig.name = new\nretry.max = many'
    signal_reload "neap.ini:9: [pool default] slotts:"
    until_true has err "neap.ini:12: [task probe.hello] retry.max:"
    has err "did you mean slots?"
    rm stats hello
    until_true stat_is workers 2
    until_true says_hello "old 1"
    generation_is 1
    config <<<$'[pool default]\nworkers = 3\n[task probe.hello]\nconfig.name = new'
    reload
    until_true stat_is workers 3
    until_true says_hello "new 1"
    stop
}

@test "a change that takes a restart is refused whole, naming the key" {
    config <<<$'[pool default]\nworkers = 2'
    serve
    until_true stat_is workers 2
    config <<<$'[pool default]\nworkers = 3\n[neap]\nwatch = no'
    signal_reload "[neap] watch: it was yes and is no now, which takes a restart"
    config <<<$'[pool default]\nworkers = 3\n[pool second]\nqueues = second\n[queue second]'
    signal_reload "[pool second]: a new pool takes a restart"
    rm stats
    until_true stat_is workers 2
    stop
}

@test "a task's settings change with a new generation, and only its plugin's" {
    task plugins/other/task.lua <<'EOF'
return function(_, ctx)
  local f = io.open("other", "w")
  f:write(ctx.generation)
  f:close()
end
EOF
    also=$'[schedule other]\ntask = other.task\nevery = 50ms\n'
    echo Grace >name
    config <<<"$also"$'[task probe.hello]\nconfig.name = Ada'
    serve
    until_true says_hello "Ada 1"
    generation_is 1
    config <<<"$also"$'[task probe.hello]\nconfig.name = Eve\nconfig.times = 3'
    reload
    until_true says_hello "Eve 3"
    generation_is 2
    config <<<"$also"$'[task probe.hello]\nconfig.name = file:name\nconfig.times = 3'
    reload
    until_true says_hello "Grace 3"
    generation_is 3
    echo Barbara >name # read again, though neap.ini stays
    reload
    until_true says_hello "Barbara 3"
    generation_is 4
    reload # nothing changes
    rm hello other
    until_true generation_is 4
    until_true test -s other
    [ "$(cat other)" = 1 ]
    [ "$(grep -c Barbara err || true)" = 0 ]
    stop
}

@test "settings that a task does not take are refused, and the old ones stay" {
    config <<<$'[task probe.hello]\nconfig.name = Ada'
    serve
    until_true says_hello "Ada 1"
    config <<<$'[pool default]\nworkers = 3\n[task probe.hello]\nconfig.name = Eve\nconfig.times = often'
    signal_reload "config.times"
    rm hello
    until_true says_hello "Ada 1"
    generation_is 1
    ! stat_is workers 3 || return 1
    stop
}

@test "schedules come, go and change" {
    task plugins/note/it.lua <<'EOF'
return function(args)
  local f = io.open(args, "a")
  f:write("x\n")
  f:close()
end
EOF
    config <<<$'[schedule a]\ntask = note.it\nevery = 50ms\nargs = "a"'
    serve
    until_true test -s a
    config <<<$'[schedule b]\ntask = note.it\nevery = 50ms\nargs = "b"'
    reload
    until_true test -s b
    ran=$(wc -l <a)
    until_true test "$(wc -l <b)" -gt 0
    config <<<$'[schedule b]\ntask = note.it\nevery = 50ms\nargs = "c"'
    reload
    until_true test -s c
    [ $(($(wc -l <a) - ran)) -le 1 ]
    stop
}

@test "the log's level and format change" {
    config <<<$'[log]\nlevel = warn'
    start serve
    until_true stat_is workers "$(nproc)"
    [ ! -s err ]
    config <<<$'[log]\nlevel = info\nformat = logfmt'
    kill -HUP "$pid"
    until_true has err 'level=info msg="configuration read again"'
    config </dev/null
    signal_reload '"msg":"configuration read again"'
    config <<<$'[log]\nlevel = error'
    kill -HUP "$pid"
    stop
    [ "$(grep -c 'draining' err || true)" = 0 ]
}

no_more_fds() { # THAN
    [ "$(fds)" -le "$1" ]
}

@test "twenty reloads in a row cost nothing that stays" {
    local one=$'[pool default]\nworkers = 1\n' # its loop comes with its first job
    config <<<"$one"$'[task probe.hello]\nconfig.name = n0'
    serve
    reload
    until_true says_hello "n0 1"
    before=$(fds)
    for i in $(seq 20); do
        config <<<"${one}[task probe.hello]"$'\n'"config.name = n$i"
        reload
    done
    until_true says_hello "n20 1"
    until_true no_more_fds "$before"
    stop
}
