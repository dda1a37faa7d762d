# neap map: inputs, results, schemas, rows, tags.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    common_tasks
    task nap.lua <<'EOF'
local neap = require "neap"
return function(a) neap.sleep(tonumber(a)) return a end
EOF
}

@test "one job a line, results on stdout only" {
    run -0 --separate-stderr "$NEAP" map ./echo.lua < <(printf '%s\n' a b c)
    [ "$(sort <<<"$output")" = $'a\nb\nc' ]
    quiet
}

@test "arguments after ::: are taken as they are" {
    neap 0 map -k ./echo.lua ::: a -k '' --jsonl ::: 'x y'
    is $'a\n-k\n\n--jsonl\n:::\nx y'
    neap 0 map ./echo.lua :::
    is ""
    quiet
}

@test "results come as jobs end, with -k in the order of the inputs" {
    neap 0 map ./nap.lua ::: 0.6 0 0.3
    is $'0\n0.3\n0.6'
    neap 0 map -k ./nap.lua ::: 0.6 0 0.3
    is $'0.6\n0\n0.3'
}

@test "a result is there before later inputs are" {
    mkfifo pipe
    cp /dev/null out
    "$NEAP" map ./echo.lua <pipe >out 3>&- &
    pids+=("$!")
    exec 7>pipe
    echo first >&7
    until_true lines out 1
    echo second >&7
    until_true lines out 2
    exec 7>&-
    wait "${pids[0]}"
    [ "$(cat out)" = $'first\nsecond' ]
}

@test "a failing job costs no other its result" {
    run -1 --separate-stderr "$NEAP" map ./echo.lua < <(printf '%s\n' a bad b bad c)
    [ "$(sort <<<"$output")" = $'a\nb\nc' ]
    expect_error "neap: echo: ./echo.lua:2: no good: bad"
    expect_error "input 2: bad"
    expect_error "input 4: bad"
    expect_error "neap map: 5 jobs, 3 completed, 2 failed, in "
}

@test "no summary where everything went well" {
    neap 0 map ./echo.lua ::: a b
    quiet
    neap 0 map --bar ./echo.lua ::: a b
    expect_error "neap map: 2 jobs, 2 completed, in "
}

@test "-0 reads inputs that end in NUL, newlines are part of them" {
    printf 'a\nb\0c\0' >in
    run -0 "$NEAP" map -0 -k ./echo.lua <in
    is $'a\nb\nc'
    neap 64 map -0 ./echo.lua ::: a
}

@test "the last line needs no newline; an empty one is an input" {
    run -0 "$NEAP" map -k -o jsonl ./echo.lua < <(printf 'a\n\nb')
    [ "$(wc -l <<<"$output")" = 3 ]
    expect '"arg":"b"'
    run -0 "$NEAP" map ./echo.lua </dev/null
    is ""
}

@test "any bytes but the separator arrive as they are" {
    head -c 100000 /dev/urandom | tr '\n' x >in
    "$NEAP" map ./echo.lua <in >out
    echo >>in
    cmp in out
}

@test "--jsonl reads a value a line" {
    run -0 --separate-stderr "$NEAP" map -k --jsonl ./echo.lua < <(printf '{"a":1}\n\n [1,2]\n"s"\n9007199254740993\n1.0\n')
    is $'{"a":1}\n[1,2]\ns\n9007199254740993\n1.0'
}

@test "a line that is no JSON is reported, the rest runs, exit 65" {
    run -65 --separate-stderr "$NEAP" map -k --jsonl ./echo.lua < <(printf '1\n{"a"\n3\n')
    is $'1\n3'
    expect_error "input 2:"
    expect_error "1 bad input"
}

@test "an input over 1 MiB is reported, the rest runs, exit 65" {
    { echo a; head -c 3000000 /dev/zero | tr '\0' x; echo; echo b; } >in
    run -65 --separate-stderr "$NEAP" map -k ./echo.lua <in
    is $'a\nb'
    expect_error "over 1 MiB"
    [ "${#stderr}" -lt 1000 ]
    head -c 1048600 /dev/zero | tr '\0' x >in
    run -65 --separate-stderr "$NEAP" map -k ./echo.lua <in
    is ""
}

@test "an input that is long, but not too long" {
    head -c 1000000 /dev/zero | tr '\0' x >in
    "$NEAP" map ./echo.lua <in >out
    echo >>in
    cmp in out
}

@test "under a schema an input fills the only required argument" {
    task one.lua <<<'return { args = { name = "string", n = "integer?", d = { "integer", default = 2 } }, run = function(a) return a.name .. a.d end }'
    neap 0 map -k ./one.lua ::: x 7
    is $'x2\n72'
    neap 0 map --as n --retries 0 ./one.lua :::
    task two.lua <<<'return { args = { a = "string", b = "string" }, run = function() end }'
    neap 64 map ./two.lua ::: x
    expect_error "--as"
    task none.lua <<<'return { args = { a = "string?" }, run = function() end }'
    neap 64 map ./none.lua ::: x
    task single.lua <<<'return { args = "string", run = function(a) return a end }'
    neap 0 map ./single.lua ::: x
    is x
    neap 64 map --as x ./single.lua ::: x
}

@test "--as names the argument and converts; only --as does" {
    task sum.lua <<<'return { args = { n = "integer", m = "integer?" }, run = function(a) return a.n + 1 end }'
    neap 0 map -k --as n ./sum.lua ::: 1 41
    is $'2\n42'
    neap 65 map --as n ./sum.lua ::: 1 x
    is 2
    expect_error "input 2: x"
    neap 1 map ./sum.lua ::: 1
    neap 64 map --as nn ./sum.lua ::: 1
    neap 0 map --jsonl --as n ./sum.lua ::: 1
    is 2
    neap 0 map --as x ./echo.lua ::: 1
    is '{"x":"1"}'
}

@test "--tag puts the input before each line" {
    echo 'return function(a) return a .. "\n2" end' >lines.lua
    neap 0 map -k --tag ./lines.lua ::: a b
    is $'a\ta\na\t2\nb\tb\nb\t2'
    run -0 "$NEAP" map -0 --tag ./echo.lua < <(printf 'a\tb\0')
    is $'a\\tb\ta\tb'
    neap 64 map --tag -o jsonl ./echo.lua ::: a
}

@test "-o jsonl gives a row a job, failures and bad inputs too" {
    run -1 --separate-stderr "$NEAP" map -k -o jsonl ./echo.lua < <(printf '%s\n' a bad)
    [ "$(wc -l <<<"$output")" = 2 ]
    [[ ${lines[0]} == '{"seq":1,"arg":"a","id":"'*'","state":"completed","result":"a","error":null,"cpu_ms":'*'.'*',"bytes":'*[1-9]*'}' ]]
    [[ ${lines[1]} == '{"seq":2,"arg":"bad","id":"'*'","state":"dead","result":null,"error":{"code":"error","message":"./echo.lua:2: no good: bad","traceback":"'*'","attempt":1},"cpu_ms":'*',"bytes":'*'}' ]]
    [[ $stderr == "neap map: 2 jobs, "* ]]
    run -65 "$NEAP" map -k -o jsonl --jsonl ./echo.lua < <(printf '{"a": 1}\n{\n')
    [[ ${lines[0]} == '{"seq":1,"arg":{"a":1},'* ]]
    [[ ${lines[1]} == '{"seq":2,"arg":"{","id":null,"state":"dead","result":null,"error":{"code":"args",'*'},"cpu_ms":0.000,"bytes":0}' ]]
}

@test "-o jsonl is valid UTF-8 whatever the input" {
    printf 'a\xff\n' >in
    run -0 "$NEAP" map -o jsonl ./echo.lua <in
    expect $'"arg":"a\xef\xbf\xbd"'
}

@test "-j limits the jobs in hand" {
    task peak.lua <<'EOF'
local neap = require "neap"
return function()
  local s = neap.shared("peak")
  local n = s:incr("now", 1)
  neap.sleep(0.02)
  s:incr("now", -1)
  return n
end
EOF
    run -0 "$NEAP" map -j 3 ./peak.lua < <(seq 30)
    [ "$(sort -n <<<"$output" | tail -n 1)" -le 3 ]
    neap 64 map -j 0 ./peak.lua ::: a
    neap 64 map -j x ./peak.lua ::: a
}

@test "--retries" {
    task flaky.lua <<<'return { retry = { base = 0.01 }, run = function(_, ctx) if ctx.attempt == 1 then error("once") end return ctx.attempt end }'
    neap 0 map --retries 2 ./flaky.lua ::: a b
    is $'2\n2'
    neap 1 map ./flaky.lua ::: a
}

@test "a failed child makes it 1" {
    task plugins/p/parent.lua <<<'local n = require "neap" return function(a) n.submit("p.child", { x = a }) return a end'
    task plugins/p/child.lua <<<'return function(a) if a.x == "bad" then error("child fails") end return "child" end'
    neap 0 map p.parent ::: a
    is a
    neap 1 map p.parent ::: a bad
    expect_error "1 of the jobs they submitted failed"
}

@test "a queue with a capacity: block waits, reject and drop say so" {
    task plugins/q/t.lua <<<'return { queue = "narrow", run = function(a) return a end }'
    for policy in block reject drop; do
        printf '[queue narrow]\ncapacity = 2\nconcurrency = 1\nwhen_full = %s\n' "$policy" >"$policy.ini"
    done
    run -0 --separate-stderr "$NEAP" map -c block.ini q.t < <(seq 500)
    [ "$(sort -n <<<"$output")" = "$(seq 500)" ]
    task plugins/q/t.lua <<<'local n = require "neap" return { queue = "narrow", run = function(a) n.sleep(0.05) return a end }'
    run -75 --separate-stderr "$NEAP" map -c reject.ini q.t < <(seq 20)
    expect_error "refused by a full queue"
    run -75 --separate-stderr "$NEAP" map -c drop.ini q.t < <(seq 20)
    expect_error "dropped"
}

@test "many inputs, every third fails in some way: the right counts" {
    # A stack that overflows takes up to a second, as in stock Lua: 20 jobs do that, 2 in short.
    task third.lua <<'EOF'
return function(a)
  local n = tonumber(a)
  if n % 3 ~= 0 then return n end
  local how = n % 5
  if how == 0 then error("text")
  elseif how == 1 then error({ code = n })
  elseif how == 2 then error()
  elseif how == 3 and n % 1500 == 3 then local function deep() return 1 + deep() end return deep()
  else return a:nosuch() end
end
EOF
    n=30000
    [ -z "$sanitized" ] || n=3000
    status=0
    seq "$n" | "$NEAP" map ./third.lua >out 2>err || status=$?
    [ "$status" = 1 ]
    seq "$n" | awk '$1 % 3' >wanted
    sort -n out | cmp - wanted
    has err "neap map: $n jobs, $((n - n / 3)) completed, $((n / 3)) failed"
    [ "$(grep -c '^neap: third: ' err)" = $((n / 3)) ]
    [ "$(grep -c '^ *./third.lua:[0-9]*: in ' err)" -ge $((n / 3)) ]
}

@test "usage mistakes" {
    neap 64 map
    neap 64 map ./echo.lua extra
    neap 64 map ./echo.lua --nope ::: a
    neap 66 map ./missing.lua ::: a
    neap 66 map no.such ::: a
    neap 64 map --resume ./echo.lua ::: a
    neap 64 map --halt never ./echo.lua ::: a
}
