# The long form of tests/e2e/errors.bats.
# shellcheck disable=SC2034,SC2154 # what the helpers set and read
load ../e2e/live
load ../e2e/errors

@test "100,000 inputs, every third fails: right counts, each traceback in the user's file, memory flat" {
    flat_while_failing 10000 100000
}

@test "100,000 inputs with deep recursion among them" {
    write_failing 100000
    map_failing 100000
    echo "$memory kB"
    [ "$memory" -lt 400000 ] # Lua keeps the stack of a million frames for a while: 80 MB a worker
}
