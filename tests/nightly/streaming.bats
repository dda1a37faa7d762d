# Input without end, and results that have to wait.
load ../e2e/live

@test "-k with a first job of 60 s and 10,000,000 further lines: memory flat, nothing lost" {
    task first.lua <<'EOF'
local neap = require "neap"
return function(a)
  if a == "first" then neap.sleep(60) end
  return a
end
EOF
    mkfifo in
    start map -k ./first.lua
    { echo first; seq 10000000; } >in 3>&- &
    peak() { [ "$(kb VmRSS)" -gt "$1" ]; }
    until_now 60 peak 50000
    while ! gone && [ ! -s out ]; do # while it is held back
        now=$(kb VmRSS) || break
        echo "$now" >>sizes
        sleep 1
    done
    until_now 3600 gone
    finish
    [ "$status" = 0 ]
    cmp out <({ echo first; seq 10000000; })
    echo "kB while held back: from $(sort -n sizes | head -n 1) to $(sort -n sizes | tail -n 1)"
    [ "$(sort -n sizes | tail -n 1)" -lt 400000 ]
    # the second half adds nothing
    half=$(($(wc -l <sizes) / 2))
    [ $(($(tail -n 1 sizes) - $(sed -n "${half}p" sizes))) -lt 5000 ]
}

@test "10,000,000 lines pass in bounded memory" {
    echo 'return function(a) return a end' >echo.lua
    mkfifo in
    start map ./echo.lua
    seq 10000000 >in 3>&- &
    until_now 60 test -s out
    while ! gone; do
        kb VmHWM >>sizes 2>/dev/null || true
        sleep 1
    done
    finish
    [ "$status" = 0 ]
    lines out 10000000
    [ "$(awk '{ sum += $1 } END { printf "%.0f", sum }' out)" = 50000005000000 ]
    echo "highest, kB: $(tail -n 1 sizes)"
    [ "$(tail -n 1 sizes)" -lt 100000 ]
}
