# neap.http at its full width.
# shellcheck disable=SC2154 # set by bats and helper.bash
load ../e2e/servers

setup_file() {
    serve web
    read -r plain _ <"$BATS_FILE_TMPDIR/web.ports"
    export WEB=http://127.0.0.1:$plain
}

teardown_file() {
    stop_serving web
}

state() { # FIELD
    /usr/bin/python3 -c 'import json, sys, urllib.request as r
print(json.load(r.urlopen(sys.argv[1] + "/state"))[sys.argv[2]])' "$WEB" "$1"
}

@test "10,000 requests in flight at once, from two workers, all succeed" {
    ulimit -n "$(ulimit -Hn)"
    [ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge 12000 ] || skip "too few descriptors"
    task fetch.lua <<'EOT'
local neap = require "neap"
return function(n)
  local r = assert(neap.http.get(os.getenv("WEB") .. "/slow/15000", { timeout = "5m", connect_timeout = "1m" }))
  assert(r.status == 200 and r.body == "slow")
  return n
end
EOT
    printf '[pool default]\nworkers = 2\nslots = 8192\n' >neap.ini
    seq 10000 >in
    start map -j 10000 ./fetch.lua <in
    while kill -0 "$pid" 2>/dev/null; do
        grep VmHWM "/proc/$pid/status" >peak.new 2>/dev/null && mv peak.new peak
        sleep 0.2
    done
    finish
    [ "$status" = 0 ] || { head -n 20 err; false; }
    sort -n out | cmp - in
    echo "at once: $(state peak); memory: $(cat peak)"
    [ "$(state peak)" -ge 9900 ]
    kb=$(awk '{ print $2 }' peak)
    [ "$kb" -lt 400000 ]
}

@test "connections nobody uses are closed after half a minute" {
    task go.lua <<'EOT'
local neap = require "neap"
return function()
  for _ = 1, 20 do neap.async(function() neap.http.get(os.getenv("WEB") .. "/slow/500") end) end
  neap.sleep("5s")
  io.open("idle", "w"):close()
  neap.sleep("60s")
end
EOT
    start run ./go.lua
    until_true test -e idle
    [ "$(state open)" -ge 20 ]
    quiet_again() { [ "$(state open)" -le 2 ]; } # the one that asks is one itself
    for _ in $(seq 60); do quiet_again && break || sleep 1; done
    quiet_again
    kill -0 "$pid" # it is still there
}
