# The long form of tests/e2e/deploys.bats.
load ../e2e/live
load ../e2e/deploys

@test "100 deploys by a symlink that flips" {
    by_symlink 100
}

@test "100 deploys by git checkout" {
    by_git 100
}

@test "100 deploys by rsync -a" {
    by_rsync 100
}

@test "10 deploys by an rsync that takes its time" {
    by_rsync 10 300000 400
}
