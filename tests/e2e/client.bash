# What the tests of the client commands share: a daemon of their own with a few tasks.
# shellcheck source=tests/e2e/live.bash
. "${BASH_SOURCE[0]%/*}/live.bash"
unset NEAP_SOCKET NEAP_TOKEN COLUMNS LINES

# Tasks of plugin `work`. What holds waits for the file go.
work_tasks() {
    write_files_helper work
    task plugins/work/echo.lua <<<'return function(args) return args end'
    task plugins/work/fail.lua <<<'return { retry = 0, run = function(args) error("no good: " .. (args.why or "?")) end }'
    task plugins/work/say.lua <<'EOF'
return function(args)
  print("first line")
  print("second line")
  return "said"
end
EOF
    task plugins/work/typed.lua <<'EOF'
return {
  args = { count = "integer", name = "string?", deep = "table?" },
  run = function(args) return args end,
}
EOF
    task plugins/work/hold.lua <<'EOF'
local neap = require "neap"
local files = require "files"
return { queue = "hold", run = function(args)
  print("begun")
  while not files.is_there("go") do neap.sleep(0.01) end
  print("ended")
  return args.n
end }
EOF
}

# Starts the daemon and waits until it answers. daemon ARGS...
daemon() {
    start serve "$@"
    until_true answers
}

answers() {
    "$NEAP" stats -o json >/dev/null 2>&1
}

# Submits a job; its id is in $id. submit ARGS...
submit() {
    id=$("$NEAP" submit "$@")
}

state() { # ID: prints it
    "$NEAP" show "$1" -o json | lua5.4 -e 'print(io.read("a"):match([["state":"(%a+)"]]))'
}

in_state() { # STATE ID
    [ "$(state "$2")" = "$1" ]
}

# Runs a command on a terminal of 24 lines by 80 columns (or $COLUMNS), for as long as it takes; what
# it wrote is in $output. on_terminal STATUS COMMAND
on_terminal() {
    script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "script(1) gets no pseudo-terminal"
    run "-$1" env TERM=xterm script -qec "stty cols ${COLUMNS:-80} rows 24; $2" /dev/null < <(printf '%s' "${3:-}"; sleep 0.2)
}
