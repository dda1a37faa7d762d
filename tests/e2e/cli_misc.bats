# help, version, check, config, new, and the files made from the tables of options.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load helper

@test "help, and -h of every command, on stdout" {
    neap 0 help
    expect "usage: neap COMMAND"
    quiet
    neap 0 -h
    neap 0 --help
    for command in run map serve check new test config version help; do
        expect "$command"
        run -0 --separate-stderr "$NEAP" "$command" -h
        [[ $output == "usage: neap $command"* ]]
        quiet
        neap 0 help "$command"
        [[ $output == "usage: neap $command"* ]]
        neap 0 help
    done
}

@test "no line of help is wider than 80 columns" {
    for command in run map serve check new test config version help; do
        run -0 "$NEAP" "$command" -h
        [ -z "$(awk 'length > 80' <<<"$output")" ]
    done
}

@test "version" {
    neap 0 version
    [[ $output =~ ^neap\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    first=$output
    neap 0 --version
    is "$first"
}

@test "no command, an unknown one" {
    neap 64
    is ""
    expect_error "usage: neap"
    neap 64 mpa
    expect_error "did you mean map?"
    neap 64 submit
    neap 64 frobnicate
    neap 64 version extra
    neap 64 version --bogus
    neap 64 help nonsense
}

@test "every command that prints notices a full disk" {
    for command in help version config check "help --man"; do
        run -74 --separate-stderr bash -c '"$0" $1 >/dev/full' "$NEAP" "$command"
        expect_error "cannot write output"
    done
}

@test "man page and completions are current" {
    "$NEAP" help --man | diff "$ROOT/docs/neap.1" -
    "$NEAP" help --completion bash | diff "$ROOT/completions/neap.bash" -
    "$NEAP" help --completion zsh | diff "$ROOT/completions/_neap" -
    "$NEAP" help --completion fish | diff "$ROOT/completions/neap.fish" -
    neap 64 help --completion tcsh
}

@test "bash completion completes" {
    cat >try.bash <<'EOF'
source "$1"
COMP_WORDS=(neap "${@:2}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_neap
printf '%s\n' "${COMPREPLY[@]}"
EOF
    run -0 bash try.bash "$ROOT/completions/neap.bash" ma
    is map
    run -0 bash try.bash "$ROOT/completions/neap.bash" map --jo
    is $'--jobs\n--joblog'
    run -0 bash try.bash "$ROOT/completions/neap.bash" run --log-level d
    is debug
}

@test "the man page is good roff" {
    command -v man >/dev/null || skip "no man"
    LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 run -0 --separate-stderr man --warnings -l "$ROOT/docs/neap.1"
    quiet
    expect "EXIT STATUS"
}

@test "check counts what is good" {
    task plugins/a/one.lua <<<'return function() end'
    task plugins/a/two.lua <<<'return function() end'
    neap 0 check
    [[ $output =~ ^[0-9]+\ tasks\ in\ [0-9]+\ plugins?,\ ok$ ]]
    quiet
}

@test "check lists everything that is wrong with file and line, exit 78" {
    task plugins/a/one.lua <<<'return function('
    task plugins/b/two.lua <<<'return { runn = function() end }'
    neap 78 check
    expect "plugins/a/one.lua:2:"
    expect "plugins/b/two.lua"
    expect "did you mean 'run'?"
    printf '[neap]\ndrian = 1s\n\n[pool x]\nslots = 0x\n' >neap.ini
    neap 78 check
    expect "neap.ini:2:"
    expect "neap.ini:5:"
}

@test "check FILE" {
    task one.lua <<<'return function() end'
    neap 0 check ./one.lua
    task one.lua <<<'return {}'
    neap 78 check ./one.lua
    neap 66 check ./missing.lua
}

@test "config prints every setting and where it comes from" {
    printf '[neap]\ndrain = 3s\n' >neap.ini
    mkdir plugins
    neap 0 config
    expect "[neap] drain = 3s  # "
    expect "neap.ini:2"
    expect "[pool default] slots = 1024  # default"
    quiet
    neap 0 config --set '[pool default] slots=7'
    expect "slots = 7  # --set"
    neap 0 config --workers 3
    expect "[pool default] workers = 3"
}

@test "config never shows a secret" {
    task plugins/a/b.lua <<<'return { config = { key = "string" }, run = function() end }'
    printf '[task a.b]\nconfig.key = env:SECRET_KEY\n' >neap.ini
    SECRET_KEY=hush neap 0 config
    expect "env:SECRET_KEY"
    [[ $output != *hush* ]]
}

@test "new plugin makes one that runs and whose test passes" {
    neap 0 new plugin mail
    expect "plugins/mail/hello.lua"
    neap 0 run mail.hello
    is "hello world"
    neap 0 run mail.hello --arg name=Ada
    is "hello Ada"
    neap 0 check
    [ -s .neap/neap.d.lua ]
    [ -s .luarc.json ]
    if command -v busted >/dev/null; then
        run -0 busted
        expect "2 successes"
    fi
    if command -v luacheck >/dev/null; then
        run -0 luacheck -q .
    fi
}

@test "new task makes a task of a plugin, or one alone" {
    neap 0 new task mail.send
    neap 0 run mail.send
    is "hello world"
    neap 0 new task lone
    neap 0 run lone
    is "hello world"
    neap 0 new task elsewhere --plugins other
    [ -s other/elsewhere.lua ]
}

@test "new overwrites nothing" {
    mkdir -p plugins/mail
    echo 'return function() return 1 end' >plugins/mail/send.lua
    echo mine >.luacheckrc
    neap 74 new plugin mail
    expect_error "there already"
    neap 74 new task mail.send
    [ "$(cat plugins/mail/send.lua)" = 'return function() return 1 end' ]
    neap 0 new task mail.other
    [ "$(cat .luacheckrc)" = mine ]
}

@test "new refuses names that are none" {
    for name in 'a b' a.b.c '' ../x _x x_test "$(printf 'a%.0s' {1..41})"; do
        neap 64 new task "$name"
    done
    neap 64 new plugin a.b
    neap 64 new thing x
    neap 64 new plugin
    [ ! -e plugins ]
}
