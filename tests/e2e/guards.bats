# What serve refuses, so that nobody else's code runs as its user.
# shellcheck disable=SC2034,SC2154 # what the helpers set and read
load live

one_task() {
    task plugins/a/one.lua <<<'return function() return 1 end'
    printf '[schedule s]\ntask = a.one\nevery = 1h\n' >neap.ini
}

refused() { # PATH MODE: serve must not start, and say why
    neap 78 serve
    expect_error "$1: mode $2"
    neap 78 check
    expect "$1: mode $2"
}

@test "serve refuses plugins that others may write to, naming path and mode" {
    one_task
    chmod 0664 plugins/a/one.lua
    refused ./plugins/a/one.lua 0664
    chmod 0646 plugins/a/one.lua
    refused ./plugins/a/one.lua 0646
    chmod 0644 plugins/a/one.lua
    chmod 0775 plugins/a
    refused ./plugins/a 0775
    chmod 0755 plugins/a
    chmod 1777 plugins
    refused ./plugins 1777
    chmod 0755 plugins
    task plugins/a/lib/h.lua <<<'return {}'
    chmod 0777 plugins/a/lib
    refused ./plugins/a/lib 0777
    chmod 0755 plugins/a/lib
    mkdir -m 0755 single
    task single/t.lua <<<'return function() end'
    chmod 0666 single/t.lua
    neap 78 serve --plugins single
    expect_error "single/t.lua: mode 0666"
    neap 0 check
}

@test "run and map take what is there" {
    one_task
    chmod 0666 plugins/a/one.lua
    neap 0 run a.one
    is 1
}

@test "serve refuses what another user owns" {
    [ "$(id -u)" = 0 ] || skip "needs root"
    one_task
    chown 12345 plugins/a/one.lua
    neap 78 serve
    expect_error "./plugins/a/one.lua: mode 0644, owned by user 12345"
    chown 0 plugins/a/one.lua
    chown 12345 plugins
    neap 78 serve
    expect_error "./plugins: mode 0755, owned by user 12345"
}

@test "a version that others may change is refused, the last good one serves on" {
    task plugins/a/say.lua <<<'return function() local f = io.open("said", "a") f:write("old\n") f:close() end'
    printf '[schedule s]\ntask = a.say\nevery = 50ms\n' >neap.ini
    serve
    until_true test -s said
    task new.lua <<<'return function() local f = io.open("said", "a") f:write("new\n") f:close() end'
    chmod 0666 new.lua
    mv new.lua plugins/a/say.lua
    until_true has err 'plugins/a/say.lua: mode 0666'
    kill -HUP "$pid"
    until_true has err 'configuration read again'
    : >said
    until_true test -s said
    run ! has said new
    chmod 0644 plugins/a/say.lua
    until_true has said new
    chmod 0777 plugins/a # only the directory's mode changes
    until_true has err 'plugins/a: mode 0777'
    chmod 0777 plugins
    until_true has err 'plugins: mode 0777'
    : >said
    until_true has said new
    stop
}

@test "what serve makes is for its user alone" {
    task plugins/a/make.lua <<<'return function() io.open("made", "w"):close() end'
    printf '[schedule s]\ntask = a.make\nevery = 50ms\n' >neap.ini
    serve
    until_true test -e made
    [ "$(stat -c %a made)" = 600 ]
    stop
}
