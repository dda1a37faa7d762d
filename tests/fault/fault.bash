# For the tests in Python beside this file that hurt a daemon.
# shellcheck source=tests/e2e/helper.bash
. "${BASH_SOURCE[0]%/*}/../e2e/helper.bash"

fault() { # SCRIPT ARGS...: shows its figures; its daemon is in the test's directory
    local script=$1 status=0
    shift
    python3 -B "$ROOT/tests/fault/$script.py" "$NEAP" "$@" >figures 2>&1 || status=$?
    sed -n "s/^# /# $script: /p" figures >&3
    [ "$status" != 77 ] || skip "not possible here"
    [ "$status" = 0 ] || { cat figures; tail -n 20 err; return 1; }
}
