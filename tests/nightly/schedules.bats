# Cron times of many zones and years: what tests/unit/schedule_oracle.c does in short.

@test "schedules against the C library's clock: 40 zones, 240 years, 14,400 expressions" {
    NEAP_FULL=1 "$NEAP_BUILD/unit/schedule_oracle"
}
