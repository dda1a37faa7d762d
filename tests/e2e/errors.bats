# Tasks that fail, many times and in many ways.
load live
load errors

@test "every third input fails: right counts, each traceback in the user's file, memory flat" {
    n=3000
    [ -n "${NEAP_SHORT:-}" ] || n=30000
    flat_while_failing $((n / 10)) "$n"
}

@test "deep recursion among them" {
    n=900
    [ -n "${NEAP_SHORT:-}" ] || n=3000
    write_failing "$n"
    map_failing "$n"
}

@test "a worker is as good as new after each kind of failure" {
    write_failing 300
    for n in 3 6 9 12 15 18 300; do # each, alone with a good one, in one worker
        neap 1 map -k --workers 1 ./failing.lua ::: 1 "$n" 2
        is $'1\n2'
    done
}
