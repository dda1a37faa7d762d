#!/usr/bin/env bats
# neap serve killed while clients submit; the long form is in tests/nightly.
load ../fault/fault

# bats test_tags=slow
@test "10 kills with 64 jobs in flight: nothing acknowledged is lost, only what was running runs again" {
    fault kill --cycles 10 --waiting 2000
}
