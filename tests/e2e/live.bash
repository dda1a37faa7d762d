# What the tests of a living `neap serve` share, with the long forms in tests/nightly.
# shellcheck source=tests/e2e/helper.bash
. "${BASH_SOURCE[0]%/*}/helper.bash"

# Sanitizers keep what is freed and are slow: nothing is said of memory there.
case $NEAP in */asan/* | */tsan/*) sanitized=1 ;; *) sanitized= ;; esac

# Starts neap serve and waits until it says so. serve ARGS...
serve() {
    start serve "$@"
    until_true has err '"msg":"started"'
}

# SIGTERM must end it well.
stop() {
    kill -TERM "$pid"
    ends
    [ "$status" = 0 ] || { echo "exit status $status"; tail -n 20 err; return 1; }
}

gone() {
    local state
    state=$(awk '{ sub(/.*\) /, ""); print $1 }' "/proc/$pid/stat" 2>/dev/null) || return 0
    [ -z "$state" ] || [ "$state" = Z ]
}

# As finish, but fails where the program does not end.
ends() {
    until_true gone
    finish
}

until_now() { # SECONDS COMMAND ARGS...: as until_true, with a limit of one's own
    local limit=$((SECONDS + $1))
    shift
    until "$@" 2>/dev/null; do
        if [ "$SECONDS" -ge "$limit" ]; then
            echo "never true: $*"
            return 1
        fi
        sleep 0.02
    done
}

kb() { # FIELD: of the program's status, such as VmRSS
    awk -v key="$1:" '$1 == key { print $2 }' "/proc/$pid/status"
}

fds() {
    find "/proc/$pid/fd" -type l | wc -l
}

signal_reload() { # TEXT: sends SIGHUP, waits for one more log line with it
    local before
    before=$(grep -cF -- "$1" err || true)
    kill -HUP "$pid"
    until_true more_than "$before" "$1"
}

more_than() { # COUNT TEXT: in the log
    [ "$(grep -cF -- "$2" err || true)" -gt "$1" ]
}

# Runs a Lua program from standard input: the checks that are more than a grep.
lua() {
    lua5.4 - "$@"
}

# How tasks of PLUGIN tell the test something, and are told, by files in the current directory:
# require "files".
write_files_helper() { # PLUGIN
    task "plugins/$1/lib/files.lua" <<'EOF'
local files = {}
function files.is_there(path)
  local f = io.open(path)
  return f ~= nil and f:close()
end
function files.write(path, text) -- whole or not at all
  local f = assert(io.open(path .. ".new", "w"))
  f:write(text)
  f:close()
  assert(os.rename(path .. ".new", path))
end
return files
EOF
}
