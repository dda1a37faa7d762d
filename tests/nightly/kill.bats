# What tests/e2e/kill.bats does, for long.
load ../fault/fault

@test "200 kills with 64 jobs in flight; the first job within a second with 100,000 waiting" {
    fault kill --cycles 200 --waiting 100000 --limit-ms 1000
}
