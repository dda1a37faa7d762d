#!/usr/bin/env bats
# A daemon with a store, in short what tests/nightly/faults.bats does at length.
load ../fault/fault

@test "stopped and let go on past every limit: no job ends twice" {
    fault signals stop
}

@test "SIGTERM with 64 running: drained, or given back without an attempt burnt" {
    fault signals term
}

@test "a job that crashes the process is dead after three times, and the queue goes on" {
    fault signals crash
}

@test "a task deleted and restored finds its jobs waiting, also over a restart" {
    fault signals deleted
}

@test "a sync that fails: nothing more is acknowledged, and it ends with 70" {
    [ -z "$sanitized" ] || skip "a sanitizer wants to be preloaded first"
    fault signals sync
}

# bats test_tags=slow
@test "the clock set an hour back and on: nothing early, no tick twice" {
    [ -z "$sanitized" ] || skip "a sanitizer wants to be preloaded first"
    fault clock
}

@test "a full disk: refused as documented, what runs ends, goes on once there is room" {
    fault full
}

# bats test_tags=slow
@test "20 flipped bytes, 10 cut logs: it starts, or says why not" {
    fault corrupt --flips 20 --cuts 10
}

# bats test_tags=slow
@test "a backlog of 100,000: in order, memory bounded" {
    [ -z "$sanitized" ] || skip "says nothing under sanitizers"
    fault backlog --jobs 100000 --run 5000
}

# bats test_tags=slow
@test "100,000 jobs through a daemon that keeps 1,000: file, memory and descriptors level off" {
    [ -z "$sanitized" ] || skip "says nothing under sanitizers"
    fault soak --jobs 100000
}
