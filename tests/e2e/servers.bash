# Servers that tests of the network start for themselves, one each for a file of tests.
# shellcheck shell=bash
load ../e2e/helper

unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY

# Starts tests/support/NAME.py; it tells its ports in $BATS_FILE_TMPDIR/NAME.ports. serve NAME
serve() {
    local dir=$BATS_FILE_TMPDIR
    /usr/bin/python3 "$ROOT/tests/support/$1.py" "$dir" >"$dir/$1.log" 2>&1 </dev/null 3>&- &
    echo "$!" >"$dir/$1.pid"
    disown # or bash tells of its end
    until_true test -s "$dir/$1.ports" || { cat "$dir/$1.log"; return 1; }
}

stop_serving() { # NAME
    kill -KILL "$(cat "$BATS_FILE_TMPDIR/$1.pid")" 2>/dev/null || true
}

# The task ./t.lua from standard input is run; it must say that all is well.
good() {
    cat >t.lua
    neap 0 run ./t.lua
    is true
}
