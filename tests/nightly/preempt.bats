# Preemption by the million: what tests/unit/preempt*.c and fairness.c do in short.
load ../e2e/helper

@test "programs interrupted at every instruction give what stock Lua gives" {
    NEAP_PROGRAMS=2000 "$NEAP_BUILD/unit/preempt"
}

@test "1,000,000 preemptions of busy workers change no digest and no counter" {
    NEAP_PREEMPTIONS=1000000 "$NEAP_BUILD/unit/preempt_jobs"
}
