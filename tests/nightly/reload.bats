# The long form of tests/e2e/reload.bats.
load ../e2e/live
load ../e2e/reload

@test "a file rewritten 300 times under load, a third broken" {
    reload_under_load 300
}
