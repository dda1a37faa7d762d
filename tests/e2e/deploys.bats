# Deploys of a plugin that is in use: it is never run half old and half new.
# shellcheck disable=SC2034,SC2154 # what the helpers set and read
load live
load deploys

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    n=5
    [ -z "${NEAP_SHORT:-}" ] || n=2
}

@test "deploys by a symlink that flips" {
    by_symlink "$n"
}

@test "deploys by git checkout" {
    by_git "$n"
}

@test "deploys by rsync -a" {
    by_rsync "$n"
}

@test "a deploy by an rsync that takes its time" {
    by_rsync 1 150000 400
}
