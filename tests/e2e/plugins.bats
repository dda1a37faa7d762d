# Plugins that come, go and change their names; their isolation; the stock ones.
load live

reply() { # DIRECTORY/TASK TEXT: a task that says which it is
    task "$1.lua" <<EOF
return function(args, ctx) return "$2 " .. ctx.generation end
EOF
}

# ask.all runs the tasks of the file "tasks" all the time and keeps what they answered in "answers".
write_asker() {
    task plugins/ask/all.lua <<'EOF'
local neap = require "neap"
return function()
  local lines = {}
  for name in io.lines("tasks") do
    local known, job = pcall(neap.submit, name, {})
    local ok, answer
    if known and job then ok, answer = job:wait("2s") end
    lines[#lines + 1] = name .. ": " .. (known and tostring(answer) or tostring(job))
  end
  local f = io.open("answers.new", "w")
  f:write(table.concat(lines, "\n"), "\n")
  f:close()
  assert(os.rename("answers.new", "answers"))
end
EOF
    printf '[schedule ask]\ntask = ask.all\nevery = 30ms\n[task *]\nretry.max = 0\n' >neap.ini
}

@test "plugins are added, changed, deleted and renamed while serve runs" {
    write_asker
    printf 'one.task\ntwo.task\nsolo\n' >tasks
    reply plugins/one/task first
    serve
    until_true has answers "one.task: first 1"
    has answers "two.task: "
    has answers "no such task"
    reply plugins/two/task second
    until_true has answers "two.task: second 1"
    reply plugins/solo alone
    until_true has answers "solo: alone 1"
    reply plugins/one/task "first again"
    until_true has answers "one.task: first again 2"
    reply plugins/one/other "a task more"
    echo one.other >>tasks
    until_true has answers "one.other: a task more"
    mv plugins/one plugins/three
    echo three.task >>tasks
    until_true has answers "three.task: first again 1"
    gone_task() { grep -q "^$1: .*no such task" answers; }
    until_true gone_task one.task
    mv plugins/three plugins/one # its generations go on
    until_true grep -q "^one.task: first again [3-9]" answers
    rm -r plugins/one plugins/solo.lua
    until_true gone_task one.task
    until_true gone_task solo
    until_true has answers "two.task: second 1" # untouched by all that
    stop
}

@test "jobs of a task that is deleted wait until it is back" {
    task plugins/late/comer.lua <<<'return function(n) local f = io.open("came", "a") f:write(n, "\n") f:close() end'
    task plugins/p/submit.lua <<'EOF'
local neap = require "neap"
return function()
  if not neap.shared("once"):add("done", true) then return end
  for n = 1, 10 do neap.submit("late.comer", n, { delay = "1s" }) end
  io.open("submitted", "w"):close()
end
EOF
    task plugins/p/known.lua <<'EOF'
local neap = require "neap"
return function()
  local f = io.open("known", "w")
  f:write(tostring(pcall(neap.submit, "late.comer", 0, { delay = "600s" })))
  f:close()
end
EOF
    printf '[schedule s]\ntask = p.submit\nevery = 30ms\n[schedule k]\ntask = p.known\nevery = 30ms\n' >neap.ini
    serve
    until_true test -e submitted
    mv plugins/late elsewhere
    until_true has known false
    sleep 1.2 # the jobs are due now
    [ ! -e came ]
    mv elsewhere plugins/late
    until_true lines came 10
    [ "$(sort -n came)" = "$(seq 10)" ]
    stop
}

@test "an earlier directory of plugins shadows a whole plugin of a later one" {
    reply front/one/task "front one"
    reply back/one/task "back one"
    reply back/one/more "back more"
    reply back/two/task "back two"
    reply back/solo "back solo"
    reply front/solo/task "front solo"
    plugins="--plugins front --plugins back"
    # shellcheck disable=SC2086
    {
        neap 0 run one.task $plugins
        is "front one 1"
        neap 66 run one.more $plugins
        neap 0 run two.task $plugins
        is "back two 1"
        neap 0 run solo.task $plugins
        is "front solo 1"
        neap 66 run solo $plugins
        neap 0 check $plugins
    }
    task front/log/write.lua <<<'return function() return "mine" end' # stock plugins come last
    neap 0 run log.write --plugins front
    is mine
}

@test "shadowing changes while serve runs" {
    task back/ask/all.lua <<<''
    write_asker
    rm -r back
    mkdir front back
    mv plugins/ask back/ask
    printf '[neap]\nplugins = front, back\n' >>neap.ini
    echo one.task >tasks
    reply back/one/task back
    serve
    until_true has answers "one.task: back"
    reply front/one/task front
    until_true has answers "one.task: front"
    rm -r front/one
    until_true has answers "one.task: back"
    stop
}

@test "plugins do not see each other: globals, libraries, metatables, packages" {
    task plugins/bad/actor.lua <<'EOF'
shared_global = "bad"
string.format = function() return "bad" end
table.insert = nil
math.huge = 0
package.loaded.string = nil
pcall(function() getmetatable("").__index = function() return "bad" end end)
pcall(function() _G._G = {} end)
pcall(function() setmetatable(_ENV, { __index = function() return "bad" end }) end)
local ok, json = pcall(require, "neap")
if ok then json.json.encode = function() return "bad" end json.sleep = nil end
tostring = function() return "bad" end
return function()
  string.rep = function() return "bad" end
  return "done"
end
EOF
    task plugins/good/actor.lua <<'EOF'
local neap = require "neap"
return function()
  local t = {}
  table.insert(t, string.format("%d", 1))
  local seen = {
    rawget(_G, "shared_global") == nil, t[1] == "1", math.huge > 0, ("x"):rep(2) == "xx", ("x").nosuch == nil,
    tostring(1) == "1", neap.json.encode({ 1 }) == "[1]", require("string") == string, _G._G == _G,
  }
  neap.sleep(0)
  for i = 1, 9 do if not seen[i] then error("sees " .. i) end end
  return "sees nothing"
end
EOF
    task plugins/p/both.lua <<'EOF'
local neap = require "neap"
return function()
  for _ = 1, 20 do
    local results, errors = neap.all { neap.submit("bad.actor"), neap.submit("good.actor") }
    if errors then error(errors[1] or errors[2], 0) end
    assert(results[2] == "sees nothing")
  end
  return "well"
end
EOF
    neap 0 run p.both --workers 1
    is well
    neap 0 run p.both --workers 4
    is well
}

@test "workers share no Lua value: each counts for itself" {
    task plugins/count/up.lua <<'EOF'
local neap = require "neap"
count = 0
return function(n)
  local together = neap.shared("count")
  count = count + 1
  local mine = count
  together:incr("in")
  local limit = os.clock() + 5
  while together:get("in") < n and os.clock() < limit do end -- all workers are in here now, and none waits
  return { mine = mine, now = count }
end
EOF
    task plugins/count/all.lua <<'EOF'
local neap = require "neap"
return function(n)
  local jobs = {}
  for i = 1, n do jobs[i] = neap.submit("count.up", n) end
  local results, errors = neap.all(jobs)
  if errors then error(next(errors) and select(2, next(errors))) end
  for i = 1, n do assert(results[i].mine == 1 and results[i].now == 1, neap.json.encode(results)) end
  return "apart"
end
EOF
    # the parent waits in one of four workers, so three others can count at once, and it gives way, too
    neap 0 run count.all 3 --workers 4
    is apart
}

@test "log.write: workers append to one file that rotates, and no line is lost or torn" {
    n=4000
    [ -z "${NEAP_SHORT:-}" ] || n=800
    mkdir logs
    seq "$n" | awk '{ printf "{\"file\":\"logs/all\",\"line\":\"%d ", $1
                      for (i = 0; i < $1 % 50; i++) printf "x"
                      print " end\",\"max_size\":\"8K\",\"keep\":100}" }' >in
    run -0 --separate-stderr bash -c '"$0" map log.write --jsonl --workers 4 <in >out' "$NEAP"
    quiet
    lines out "$n"
    [ -e logs/all.2 ]
    cat logs/all* | awk '{ x = $2; if ($3 == "") { x = ""; $3 = $2 }
                           if ($3 != "end" || length(x) != $1 % 50) { print "torn: " $0; exit 1 } print $1 }' |
        sort -n >seen
    cmp seen <(seq "$n")
    # four workers may each have looked before the others wrote: a line of 59 bytes each; more only by
    # who waited for the lock in vain
    [ "$(find logs -size +$((8192 + 4 * 59))c | wc -l)" -le 1 ]
    neap 1 run log.write '{"file":"logs/x"}'
    expect_error "give either line or fields"
    neap 1 run log.write '{"file":"/nowhere/x","line":"a"}'
    expect_error "/nowhere/x"
}

@test "log.write by several tasks of a serving neap, with its settings from the INI" {
    task plugins/p/say.lua <<'EOF'
local neap = require "neap"
return function(args)
  if not neap.shared("once"):add("done", true) then return end
  for i = 1, 50 do neap.submit("log.write", { file = "said", fields = { n = i } }) end
  neap.submit("log.write", { file = "../out", line = "outside" })
end
EOF
    mkdir logs
    printf '[schedule s]\ntask = p.say\nevery = 30ms\n[task log.write]\nconfig.dir = logs\nretry.max = 0\n' >neap.ini
    serve
    until_true lines logs/said 50
    until_true has err "must be a path below config.dir"
    sort logs/said | cmp - <(seq 50 | sed 's/.*/{"n":&}/' | sort)
    stop
}

@test "cache.clean: a dry run counts, a real run deletes the oldest, and only plain files" {
    mkdir -p cache/sub
    for i in 1 2 3 4 5; do
        head -c 1000 /dev/zero >"cache/f$i"
        touch -d "$i hours ago" "cache/f$i"
    done
    ln -s /etc/passwd cache/link
    touch -h -d '9 hours ago' cache/link
    touch -d '9 hours ago' cache/sub
    neap 0 run cache.clean "{\"dir\":\"$PWD/cache\",\"max_age\":\"3h30m\",\"dry_run\":true}"
    expect '"files":2'
    expect '"bytes":2000'
    [ "$(find cache -type f | wc -l)" = 5 ]
    neap 0 run cache.clean --arg dir=cache --arg max_age=3h30m
    expect '"files":2'
    [ "$(echo cache/f*)" = "cache/f1 cache/f2 cache/f3" ]
    neap 0 run cache.clean '{"dir":"cache","max_size":"2K"}'
    [ "$(echo cache/f*)" = "cache/f1 cache/f2" ]
    [ -L cache/link ] && [ -d cache/sub ] && [ -e /etc/passwd ]
    neap 1 run cache.clean '{"dir":"/","max_age":"1s"}'
    expect_error "must name a directory other than"
    neap 1 run cache.clean '{"dir":"nowhere","max_age":"1s"}'
    neap 1 run cache.clean '{"dir":"cache"}'
}

@test "check loads everything and tells all that is wrong, file by file" {
    reply plugins/one/task fine
    neap 0 check
    task plugins/two/a.lua <<<'return { run = function() end, sumary = "x", retry = { mx = 3 } }'
    task plugins/two/b.lua <<<'local x = = 1'
    task plugins/two/lib/h.lua <<<'return {'
    task plugins/two/c.lua <<<'local h = require "h" return function() end'
    : >plugins/two/d.lua
    task plugins/three.lua <<<'error { code = 1 }'
    task plugins/four/top.lua <<<'require("neap").sleep(1) return function() end'
    neap 78 check
    for text in "two/a.lua" "did you mean 'summary'?" "two/b.lua:1:" "two/lib/h.lua:2:" \
        "two/d.lua: the file is empty" "three.lua" "four/top.lua:1:"; do
        expect "$text"
    done
    [[ $output != *one/task* ]]
}
