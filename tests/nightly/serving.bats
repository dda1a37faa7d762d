# What takes minutes of neap serve.
# shellcheck disable=SC2034,SC2154 # what the helpers set and read
load ../e2e/live

@test "cron runs at the full minute, in the time zone it names" {
    task plugins/tick/tock.lua <<'EOF'
local neap = require "neap"
return function(args)
  local f = io.open(args, "a")
  f:write(("%.3f\n"):format(neap.now()))
  f:close()
end
EOF
    {
        printf '[schedule every-minute]\ntask = tick.tock\ncron = * * * * *\nargs = "minute"\n'
        # the hour in a zone without summer time, 5:45 before UTC, next and another
        hour=$(TZ=Asia/Kathmandu date -d '+1 minute' +%-H)
        printf '[schedule there]\ntask = tick.tock\ncron = * %s * * *\ntz = Asia/Kathmandu\nargs = "there"\n' "$hour"
        printf '[schedule never]\ntask = tick.tock\ncron = * %s * * *\ntz = Asia/Kathmandu\nargs = "never"\n' $(((hour + 12) % 24))
    } >neap.ini
    serve
    twice() { [ "$(wc -l <minute)" -ge 2 ]; }
    until_now 150 twice
    [ -s there ]
    [ ! -e never ]
    lua <<'EOF'
local last
for line in io.lines("minute") do
  local now = tonumber(line)
  assert(now % 60 < 0.5, now % 60)
  assert(not last or now // 60 == last // 60 + 1)
  last = now
end
EOF
    stop
}

@test "300 reloads of the configuration under load: fds and memory flat" {
    task plugins/t/one.lua <<'EOF'
local neap = require "neap"
return {
  config = { n = "integer" },
  setup = function(config) return config.n end,
  run = function(_, ctx)
    neap.sleep(0.01)
    if ctx.state ~= ctx.config.n then error("two settings in one job") end
    local f = io.open("n.new." .. ctx.id, "w")
    f:write(ctx.state)
    f:close()
    os.rename("n.new." .. ctx.id, "n")
  end,
}
EOF
    settings() {
        printf '[pool default]\nworkers = %d\n[task t.one]\nconfig.n = %d\nretry.max = 0\n' $(($1 % 3 + 1)) "$1"
        printf '[schedule a]\ntask = t.one\nevery = 10ms\noverlap = allow\n'
    }
    is_at() { [ "$(cat n)" = "$1" ]; }
    settings 1 >neap.ini
    serve
    until_true is_at 1
    for n in $(seq 2 300); do
        settings "$n" >neap.ini
        kill -HUP "$pid"
        until_true is_at "$n"
        [ "$n" != 60 ] || { fds_before=$(fds) kb_before=$(kb VmRSS); }
    done
    echo "fds $fds_before -> $(fds), kB $kb_before -> $(kb VmRSS)"
    [ "$(fds)" -le $((fds_before + 2 * 16)) ] # a worker has a few of its own; there are one to three
    [ $(($(kb VmRSS) - kb_before)) -lt 8000 ]
    [ "$(grep -c '"msg":"dead' err || true)" = 0 ]
    stop
}
