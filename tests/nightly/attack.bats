# Random attacks on a daemon, for NEAP_SOAK seconds (600), from NEAP_SEED: memory, descriptors and
# threads stay flat, and the honest jobs beside them come out right.
# shellcheck disable=SC2034,SC2154 # what the helpers set and read
load ../e2e/live

soak=${NEAP_SOAK:-600}
seed=${NEAP_SEED:-1}

threads() { find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l; }

sample() { printf '%s %s %s\n' "$(kb VmRSS)" "$(fds)" "$(threads)" >>samples; }

write_attacks() {
    local plugin
    for plugin in loops floods; do
        task "plugins/$plugin/task.lua" <"$ROOT/tests/attack/hold/$plugin.lua"
        task "plugins/$plugin/lib/cases.lua" <"$ROOT/tests/attack/cases.lua"
    done
    task plugins/soak/attack.lua <<'EOF'
-- A few attacks at once, of those there are; each must end, and not well.
local neap = require "neap"
local names
local function is_for_long(name) -- fills the one map of all, or the log
  return not name:find("^shared") and not name:find("print") and name ~= "io.write"
    and name ~= "the log"
end
return function()
  if not names then
    names = {}
    for _, plugin in ipairs { "loops", "floods" } do
      local ok, cases = neap.submit(plugin .. ".task"):wait()
      assert(ok, cases)
      for _, case in ipairs(cases) do
        if is_for_long(case.name) then names[#names + 1] = { plugin .. ".task", case.name } end
      end
    end
    math.randomseed(SEED)
  end
  local jobs = {}
  for i = 1, 4 do
    local task, name = table.unpack(names[math.random(#names)])
    local job = neap.submit(task, { case = name },
      { timeout = math.random(50, 300) / 1000, retry = 0 })
    jobs[i] = { name = name, job = job }
    local cancelled = math.random(4) == 1
    local f = io.open("started", "a")
    f:write(job.id, " ", task, " ", name, cancelled and " (cancelled)" or "", "\n")
    f:close()
    if cancelled then job:cancel() end
  end
  for _, one in ipairs(jobs) do
    if one.job:wait() then error(one.name .. " ended well") end
  end
end
EOF
    sed -i "s/SEED/$seed/" plugins/soak/attack.lua
    task plugins/honest/task.lua <<'EOF'
local neap = require "neap"
return function()
  local n = math.random(1000)
  local t = {}
  for i = 1, 200 do t[i] = (i * n) % 211 end
  neap.sleep(0.01)
  table.sort(t, function(a, b) return a > b end)
  for i = 2, #t do assert(t[i - 1] >= t[i]) end
  local ok, child = neap.submit("honest.child", { n = n }):wait()
  assert(ok and child == n * 2)
end
EOF
    task plugins/honest/child.lua <<'EOF'
return { args = { n = "integer" }, run = function(args) return args.n * 2 end }
EOF
    printf '%s\n' '[neap]' 'grace = 20s' 'max_stuck = 0' '[pool default]' 'workers = 2' \
        'memory = 64M' '[queue narrow]' 'capacity = 1000' 'when_full = reject' \
        '[task *]' 'retry.max = 0' '[log]' 'level = warn' \
        '[schedule attack]' 'task = soak.attack' 'every = 400ms' \
        '[schedule honest]' 'task = honest.task' 'every = 20ms' 'overlap = allow' >neap.ini
}

@test "$soak s of random attacks: memory, descriptors and threads flat, honest jobs unharmed" {
    local end=$((SECONDS + soak))
    write_attacks
    start serve
    until_now 30 test -r "/proc/$pid/status"
    while [ "$SECONDS" -lt "$end" ] && ! gone; do
        sleep 1
        sample
    done
    echo "seed $seed; kB, descriptors, threads: first, at half, last:"
    sed -n "1p;$(($(wc -l <samples) / 2))p;\$p" samples
    run ! grep '"task":"soak\.\|"task":"honest\.' err
    if grep "stuck in C" err; then # which one
        sed -n 's/.*is stuck in C code.*"job":"\([^"]*\)".*/\1/p' err | grep -F -f - started
        return 1
    fi
    # the highest of the last third is not much above the highest of the second
    awk -v rows="$(wc -l <samples)" '
        { third = NR * 3 > rows * 2 ? 3 : NR * 3 > rows ? 2 : 1 }
        { for (i = 1; i <= 3; i++) if ($i > most[third, i]) most[third, i] = $i }
        END {
            if (most[3, 1] > most[2, 1] * 1.25 + 20000) { print "memory grows"; exit 1 }
            if (most[3, 2] > most[2, 2] + 10) { print "descriptors grow"; exit 1 }
            if (most[3, 3] > most[2, 3] + 4) { print "threads grow"; exit 1 }
        }' samples
    stop
}
