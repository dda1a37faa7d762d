# What tests/e2e/faults.bats does, for long.
load ../fault/fault

@test "200 flipped bytes, 100 cut logs" {
    fault corrupt --flips 200 --cuts 100
}

@test "a backlog of 5,000,000" {
    fault backlog --jobs 5000000 --run 50000 --steady
}

@test "10,000,000 jobs through a daemon that keeps 1,000" {
    fault soak --jobs 10000000
}

@test "power lost at 500 points" {
    NEAP_POINTS=500 "$NEAP_BUILD/unit/power" >figures 2>&1 || { cat figures; return 1; }
    sed -n 's/^# [0-9]* points/# power: &/p' figures >&3
}
