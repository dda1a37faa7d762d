# What the end-to-end tests share. $NEAP is the program; each test runs in a directory of its own.
# shellcheck shell=bash disable=SC2034,SC2154 # bats and the tests set and read them
bats_require_minimum_version 1.5.0

NEAP=${NEAP:-$BATS_TEST_DIRNAME/../../build/debug/neap}
NEAP=$(realpath "$NEAP")
ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
case $NEAP in *asan* | *tsan*) sanitized=1 ;; *) sanitized= ;; esac # then memory says nothing
unset NEAP_CONFIG NO_COLOR # the first one also names ./dev's build configuration

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
}

teardown() {
    local pid
    for pid in "${pids[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
}

# Runs neap with stdout in $output and stderr in $stderr. neap STATUS ARGS...
neap() {
    local status=$1
    shift
    run "-$status" --separate-stderr "$NEAP" "$@"
}

# Starts neap in the background with the signals that a shell would have it ignore: its pid is in $pid,
# its output in out and err. Input comes from in, or nowhere. start ARGS...
start() {
    local input=/dev/null
    [ ! -e in ] || input=in
    : >out 2>err # what an earlier one wrote is not waited for
    env --default-signal=INT,QUIT,PIPE "$NEAP" "$@" <"$input" >out 2>err 3>&- &
    pid=$!
    pids+=("$pid")
}

# The exit status of the started program, in $status.
finish() {
    status=0
    wait "$pid" || status=$?
}

# Waits until a command succeeds; fails after 20 seconds. until_true COMMAND ARGS...
until_true() {
    local left=1000
    until "$@" 2>/dev/null; do
        left=$((left - 1))
        if [ "$left" = 0 ]; then
            echo "never true: $*"
            return 1
        fi
        sleep 0.02
    done
}

has() { # FILE TEXT
    grep -qF -- "$2" "$1"
}

lines() { # FILE COUNT
    [ "$(wc -l <"$1")" = "$2" ]
}

# Fails with what there is instead.
expect() { # TEXT in $output
    [[ $output == *"$1"* ]] || { echo "no \"$1\" in stdout: $output"; return 1; }
}

expect_error() { # TEXT in $stderr
    [[ $stderr == *"$1"* ]] || { echo "no \"$1\" in stderr: $stderr"; return 1; }
}

is() { # WANTED: all of $output
    [ "$output" = "$1" ] || { echo "stdout is: $output"; return 1; }
}

quiet() { # nothing on stderr
    [ -z "$stderr" ] || { echo "stderr is: $stderr"; return 1; }
}

# A task file from standard input.
task() { # PATH
    mkdir -p "$(dirname "$1")"
    cat >"$1"
}

# The tasks that most tests use.
common_tasks() {
    task echo.lua <<'EOF'
return function(args)
  if args == "bad" then error("no good: " .. args) end
  return args
end
EOF
    task hold.lua <<'EOF'
-- Marks that it runs, then waits until the file "go" is there.
local neap = require "neap"
return function(args)
  io.open("running." .. args, "w"):close()
  while true do
    local f = io.open("go")
    if f then f:close() return args end
    neap.sleep(0.01)
  end
end
EOF
}
