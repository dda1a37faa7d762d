# neap run: results, arguments, errors, exit statuses.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    common_tasks
}

@test "a string prints as it is, with a newline unless it has one" {
    neap 0 run ./echo.lua '"a b"'
    is "a b"
    quiet
    [ "$("$NEAP" run ./echo.lua '"x"' | od -An -c | tr -d ' ')" = 'x\n' ]
    [ "$("$NEAP" run ./echo.lua '"x\n"' | od -An -c | tr -d ' ')" = 'x\n' ]
    [ "$("$NEAP" run ./echo.lua '""' | od -An -c | tr -d ' ')" = '\n' ]
}

@test "nil prints nothing, anything else one line of JSON" {
    echo 'return function() end' >nothing.lua
    neap 0 run ./nothing.lua
    is ""
    quiet
    neap 0 run ./echo.lua '{"n":[1,2.5,true,null],"s":"\u0007"}'
    is '{"n":[1,2.5,true,null],"s":"\u0007"}' || is '{"s":"\u0007","n":[1,2.5,true,null]}'
    neap 0 run ./echo.lua 9223372036854775807
    is 9223372036854775807
}

@test "the arguments come as JSON, from standard input, or not at all" {
    echo 'return function(args) return next(args) == nil end' >absent.lua
    neap 0 run ./absent.lua
    is true
    run -0 "$NEAP" run ./echo.lua - <<<'{"a": 1}'
    is '{"a":1}'
    neap 65 run ./echo.lua '{"a":'
    is ""
    expect_error "neap run:"
    run -65 "$NEAP" run ./echo.lua - </dev/null
}

@test "--arg converts by the schema" {
    task typed.lua <<'EOF'
return {
  args = { n = "integer", x = "number?", b = "boolean?", s = "string?", t = "table?", l = "duration?" },
  run = function(a) return math.type(a.n) .. type(a.x) .. type(a.b) .. type(a.s) .. type(a.t) end,
}
EOF
    neap 0 run ./typed.lua --arg n=5 --arg x=1.5 --arg b=true --arg s=7 --arg 't={"a":1}'
    is integernumberbooleanstringtable
    neap 65 run ./typed.lua --arg n=five
    expect_error "--arg n"
    neap 65 run ./typed.lua --arg n=1 --arg b=yes
    expect_error "--arg b"
    neap 65 run ./typed.lua --arg nn=1
    expect_error "did you mean n?"
    neap 64 run ./typed.lua --arg n=1 --arg n=2
    neap 64 run ./typed.lua --arg n
    neap 64 run ./typed.lua '{}' --arg n=1
}

@test "--arg without a schema gives strings" {
    echo 'return function(a) return type(a.n) .. a.n end' >plain.lua
    neap 0 run ./plain.lua --arg n=5
    is string5
}

@test "an error goes to stderr with its traceback, stdout stays empty" {
    neap 1 run ./echo.lua '"bad"'
    is ""
    expect_error "neap: echo: ./echo.lua:2: no good: bad"
    expect_error "stack traceback:"
}

@test "an error of any value, and return nil, message" {
    echo 'return function() error({}) end' >t.lua
    neap 1 run ./t.lua
    expect_error "neap: t: "
    echo 'return function() error() end' >t.lua
    neap 1 run ./t.lua
    expect_error "neap: t: "
    echo 'return function() return nil, "not today" end' >t.lua
    neap 1 run ./t.lua
    expect_error "neap: t: not today"
    echo 'return function(_, ctx) ctx:cancel("enough") end' >t.lua
    neap 1 run ./t.lua
    expect_error "enough"
}

@test "what a task prints goes to stderr" {
    echo 'return function() print("hello", 1) io.write("a") io.write("b\n") return "result" end' >p.lua
    neap 0 run ./p.lua
    is result
    expect_error "hello"
    expect_error "ab"
}

@test "neap.log goes to stderr from the level on" {
    echo 'local n = require "neap" return function() n.log.info("found", {n=3}) n.log.debug("deep") end' >l.lua
    neap 0 run ./l.lua
    is ""
    expect_error "found"
    [[ $stderr != *deep* ]]
    neap 0 run ./l.lua --log-level debug
    expect_error "deep"
    neap 0 run ./l.lua --log-level error
    [[ $stderr != *found* ]]
}

@test "-o jsonl prints one object, for a failure too" {
    neap 0 run ./echo.lua '{"a":1}' -o jsonl
    [[ $output =~ ^'{"seq":1,"arg":{"a":1},"id":"'[0-9A-HJKMNP-TV-Z]{13}'","state":"completed","result":{"a":1},"error":null,"cpu_ms":'[0-9]+\.[0-9]{3}',"bytes":'[1-9][0-9]*'}'$ ]]
    neap 1 run ./echo.lua '"bad"' -o jsonl
    expect '"state":"dead"'
    expect '"result":null,"error":{"code":"error","message":"./echo.lua:2: no good: bad","traceback":"'
    expect '"attempt":1}'
    quiet
}

@test "a task of a plugin by name and by file, with its plugin's directory" {
    task plugins/mail/send.lua <<<'return { args = { to = "string" }, run = function(a, ctx) return ctx.task .. " " .. a.to end }'
    neap 0 run mail.send --arg to=me
    is "mail.send me"
    neap 0 run plugins/mail/send.lua --arg to=me
    is "mail.send me"
    mkdir away
    task elsewhere/post/it.lua <<<'return function() return "posted" end'
    neap 0 run --plugins elsewhere post.it
    is posted
}

@test "no such file, no such task, a broken one" {
    neap 66 run ./missing.lua
    expect_error missing.lua
    task plugins/mail/send.lua <<<'return function() end'
    task plugins/post/broken.lua <<<'return function('
    task plugins/post/good.lua <<<'return function() end'
    neap 66 run mail.sendd
    expect_error "did you mean mail.send?"
    neap 78 run post.broken
    expect_error "broken.lua:"
    neap 78 run post.good
    expect_error "broken.lua:"
    echo 'return {' >bad.lua
    neap 78 run ./bad.lua
    expect_error "bad.lua:"
    neap 0 run mail.send
    quiet
}

@test "usage mistakes" {
    neap 64 run
    neap 64 run ./echo.lua 1 2
    neap 64 run ./echo.lua --nope
    neap 64 run ./echo.lua --retires=3
    expect_error "did you mean --retries?"
    neap 64 run ./echo.lua --retries=x
    neap 64 run ./echo.lua -o xml
    neap 64 run ./echo.lua --set
}

@test "a bad configuration is listed and nothing runs" {
    printf '[neap]\ndrian = 1s\n[pool default]\nworkers = many\n' >neap.ini
    neap 78 run ./echo.lua 1
    is ""
    expect_error "neap.ini:2:"
    expect_error "did you mean drain?"
    expect_error "neap.ini:4:"
    neap 78 run -c nowhere.ini ./echo.lua 1
    rm neap.ini
    neap 78 run --set '[neap] drian=1s' ./echo.lua 1
    neap 78 run --workers none ./echo.lua 1
}

@test "-c beats NEAP_CONFIG beats ./neap.ini" {
    task plugins/a/b.lua <<<'return { config = { x = "string" }, run = function(_, ctx) return ctx.config.x end }'
    for x in local env option; do
        printf '[neap]\nplugins = plugins\n[task a.b]\nconfig.x = %s\n' "$x" >"$x.ini"
    done
    cp local.ini neap.ini
    neap 0 run a.b
    is local
    NEAP_CONFIG=env.ini neap 0 run a.b
    is env
    NEAP_CONFIG=env.ini neap 0 run a.b -c option.ini
    is option
    neap 0 run a.b --set '[task a.b] config.x=set'
    is set
}

@test "--retries" {
    echo 'return function(_, ctx) if ctx.attempt < 3 then error("again") end return ctx.attempt end' >r.lua
    neap 1 run ./r.lua
    sed -i 's/^return \(function.*\)$/return { retry = { base = 0.01 }, run = \1 }/' r.lua
    neap 0 run ./r.lua --retries 5
    is 3
    neap 1 run ./r.lua --retries 1
    expect_error "attempt 2"
}

@test "submitted children end first, print nothing, and a failed one makes it 1" {
    task plugins/p/parent.lua <<<'local n = require "neap" return function(a) n.submit("p.child", a) return "parent" end'
    task plugins/p/child.lua <<<'return function(a) if a.bad then error("child fails") end io.open("ended", "w"):close() return "child" end'
    neap 0 run p.parent '{}'
    is parent
    [ -e ended ]
    neap 1 run p.parent '{"bad":true}'
    is parent
    expect_error "1 of the jobs it submitted failed"
}

@test "output that cannot be written is an error" {
    run -74 --separate-stderr bash -c '"$0" run ./echo.lua 1 >/dev/full' "$NEAP"
    expect_error "cannot write output"
    run -74 --separate-stderr bash -c '"$0" run ./echo.lua 1 >&-' "$NEAP"
    expect_error "cannot write output"
}

@test "SIGINT ends a run at once, even one that computes" {
    start run ./hold.lua '"x"'
    until_true test -e running.x
    kill -INT "$pid"
    finish
    [ "$status" = 130 ]
    [ ! -s out ]
    echo 'return function() io.open("busy", "w"):close() while true do end end' >busy.lua
    start run ./busy.lua
    until_true test -e busy
    kill -INT "$pid"
    finish
    [ "$status" = 130 ]
}

@test "SIGTERM lets a run finish within drain" {
    start run ./hold.lua '"x"'
    until_true test -e running.x
    kill -TERM "$pid"
    touch go
    finish
    [ "$status" = 143 ]
    [ "$(cat out)" = x ]
}

@test "SIGTERM stops a run that does not end within drain" {
    start run ./hold.lua '"x"' --set '[neap] drain=100ms'
    until_true test -e running.x
    kill -TERM "$pid"
    finish
    [ "$status" = 143 ]
    [ ! -s out ]
}

@test "--timeout takes a duration or none" {
    neap 64 run ./echo.lua --timeout soon
    expect_error '--timeout: "soon" is not a duration (such as 250ms, 1.5s, 2m or 1h30m), or none'
    neap 64 run ./echo.lua --timeout -1
    neap 64 map ./echo.lua --timeout 5x ::: 1
    expect_error '--timeout: "5x" is not a duration'
    neap 64 run ./echo.lua --timout 1s
    expect_error "did you mean --timeout?"
    local d
    for d in none 0 1h 0.5m; do
        neap 0 run ./echo.lua 1 --timeout "$d"
        is 1
    done
}

@test "the soft limit of descriptors is raised" {
    echo 'return function() return require "neap".exec("ulimit -n").stdout end' >limit.lua
    run -0 bash -c 'ulimit -Sn 256; "$NEAP" run ./limit.lua'
    [ "$output" -gt 256 ]
    [ "$output" -le 65536 ]
}

@test "schedules and alerts are for serve: run and map leave them alone" {
    task plugins/a/bad.lua <<<'return function() error("no") end'
    task plugins/a/tick.lua <<<'return function() io.open("ticked", "w"):close() end'
    task plugins/a/wait.lua <<<'return function() require("neap").sleep(0.2) return "done" end'
    printf '[schedule s]\ntask = a.tick\nevery = 10ms\n[task *]\non_dead = a.tick\n' >neap.ini
    neap 1 run a.bad
    neap 0 run a.wait
    is 'done'
    neap 0 map a.wait ::: 1 2
    [ ! -e ticked ]
}

@test "run: what a file's top level leaves is there in the job, and in those it submits" {
    task file.lua <<'END'
local neap = require "neap"
local made, n = coroutine.create(function()
  local sum = 0
  while true do
    for i = 1, 100000 do sum = sum + i end
    coroutine.yield(sum)
  end
end), 0
local _, first = coroutine.resume(made)
return function(args)
  n = n + 1
  if args.child then return n end
  local _, second = coroutine.resume(made)
  local jobs = {}
  for i = 1, 20 do jobs[i] = neap.submit("file", { child = true }) end
  for i = 1, 20 do assert(jobs[i]:wait()) end
  return { first, second, ("x"):rep(3) }
end
END
    neap 0 run file.lua
    [ "$output" = '[5000050000,10000100000,"xxx"]' ]
}

@test "run: what a file's top level prints comes once" {
    task file.lua <<<'print "loaded" return function() print "run" end'
    neap 0 run file.lua
    [ "$(grep -c loaded <<<"$output$stderr")" = 1 ]
    [ "$(grep -c run <<<"$output$stderr")" = 1 ]
}
