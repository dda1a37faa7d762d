# The long form of tests/e2e/errors.bats.
load ../e2e/live
load ../e2e/errors

@test "100,000 inputs, every third fails: right counts, each traceback in the user's file, memory flat" {
    write_failing 100000
    map_failing 10000
    small=$memory
    map_failing 100000
    echo "after 10,000 inputs $small kB, after 100,000 $memory kB"
    [ $((memory - small)) -lt 20000 ]
}
