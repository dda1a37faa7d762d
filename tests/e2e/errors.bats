# Tasks that fail, many times and in many ways.
load live
load errors

@test "every third input fails: right counts, each traceback in the user's file, memory flat" {
    write_failing 2400
    n=3000
    [ -n "${NEAP_SHORT:-}" ] || n=30000
    map_failing $((n / 10))
    small=$memory
    map_failing "$n"
    echo "after $((n / 10)) inputs $small kB, after $n $memory kB"
    [ -n "$sanitized" ] || [ $((memory - small)) -lt 20000 ]
}

@test "a worker is as good as new after each kind of failure" {
    write_failing 2400
    for n in 3 6 9 12 15 18 300; do # each, alone with a good one, in one worker
        neap 1 map -k --workers 1 ./failing.lua ::: 1 "$n" 2
        is $'1\n2'
    done
}
