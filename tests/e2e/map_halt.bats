# neap map --halt
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    common_tasks
    task slow.lua <<'EOF'
local neap = require "neap"
return function(a)
  if a == "late" then -- fails, but not before "long" runs
    while not io.open("long") do neap.sleep(0.01) end
    error("no good")
  end
  if a == "bad" then error("no good") end
  if a == "long" then io.open("long", "w"):close() neap.sleep(0.5) end
  if a == "forever" then neap.sleep(600) end
  return a
end
EOF
}

@test "soon starts nothing new and lets running jobs end" {
    (echo long; echo late; echo bad; echo bad; seq 100000) >in
    run -1 --separate-stderr "$NEAP" map -j 2 --halt soon,fail=3 ./slow.lua <in
    expect long
    [ "$(wc -l <<<"$output")" -lt 1000 ]
    expect_error "not read to its end"
}

@test "now stops running jobs" {
    run -1 --separate-stderr timeout 60 "$NEAP" map --halt now,fail=1 ./slow.lua ::: forever bad
    is ""
    expect_error "1 not run"
    expect_error "input 1: forever"
}

@test "fewer failures than that change nothing" {
    neap 1 map -k --halt now,fail=3 ./slow.lua ::: bad a bad b
    is $'a\nb'
}

@test "per cent of all, where their number is known" {
    neap 1 map -j 1 --halt soon,fail=50% ./slow.lua ::: bad bad a b c
    [ "$(wc -l <<<"$output")" = 3 ]
    neap 1 map -j 1 --halt soon,fail=40% ./slow.lua ::: bad bad a b c
    is ""
}

@test "per cent of those that ended, once ten have" {
    run -1 --separate-stderr "$NEAP" map -j 1 --halt now,fail=90% ./slow.lua < <(for i in $(seq 9); do echo bad; done; yes)
    expect_error "10 jobs, 1 completed, 9 failed"
}

@test "what halts is written as it should be" {
    for text in '' soon now,fail= now,fail=0 now,fail=x now,fail=101% now,fail=5%% later,fail=1 now,fail=-1; do
        neap 64 map --halt "$text" ./slow.lua ::: a
    done
}
