# Hot reload of a task that is being used.
load live
load reload

@test "a file rewritten under load: no job fails, none sees two versions, broken versions are reported" {
    n=45
    [ -z "${NEAP_SHORT:-}" ] || n=18
    reload_under_load "$n"
}
