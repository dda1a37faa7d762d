#!/usr/bin/env bats
# libneap in other programs: the examples, dlopen, C++, and what ./dev install puts where.

load helper

BUILD=$(dirname "$NEAP")
CONFIG=$(basename "$BUILD")

setup_file() {
    export BATS_TEST_TIMEOUT=900 # an installation may have to build all of the release first
}

# Compiles a host as a stranger would; the sanitizer of a build comes with the program. compile OUT ARGS...
compile() {
    local flags=()
    case $CONFIG in
        asan) flags=("-fsanitize=address,undefined") ;;
        tsan) flags=(-fsanitize=thread "-Wl,--no-as-needed" -luv) ;; # which tsan.supp names: it must stay loaded
    esac
    local compiler=cc
    [[ $2 != *.cc ]] || compiler=c++
    "$compiler" -g -Wall -Wextra -Werror "${flags[@]}" -o "$@"
}

host() { # STATUS ARGS...: runs a program with stdout in $output
    local status=$1
    shift
    run "-$status" --separate-stderr "$@"
}

@test "embed runs a task file and counts" {
    host 0 "$BUILD/embed" "$ROOT/examples/hello.lua" '{"name": "Ada"}' '{"name": "Grace"}'
    expect '"Hello, Ada!"'
    expect '"Hello, Grace!"'
    expect_error "2 completed, 0 dead"
    host 1 "$BUILD/embed" "$ROOT/examples/hello.lua" '{"nmae": "Ada"}'
    expect_error "nmae"
    host 1 "$BUILD/embed" none.lua 1
    expect_error "none.lua: no such file"
    host 1 "$BUILD/embed" "$ROOT/examples/hello.lua" '{'
    expect_error "line 1"
}

@test "embed_module: tasks take from the host's stock" {
    host 0 "$BUILD/embed_module" "$ROOT/examples/embed/order.lua"
    expect "apple left: 1"
    expect "pear left: 0"
    expect "dead: apple: 1 missing"
}

@test "embed_poll: outcomes, a timer and signals in one loop" {
    host 0 "$BUILD/embed_poll" "$ROOT/examples/hello.lua" 10 5
    is "$(printf 'completed "Hello, world!"\n%.0s' 1 2 3 4 5)"
    expect_error "completed 5"

    "$BUILD/embed_poll" "$ROOT/examples/hello.lua" 20 1000000 >out 2>err 3>&- &
    pid=$!
    pids+=("$pid")
    until_true has out Hello
    kill -USR1 "$pid"
    until_true has err "running"
    kill -TERM "$pid"
    finish
    [ "$status" = 0 ]
    lines err 2
}

@test "dlopen: tasks run in either scope, C modules of tasks need the global one" {
    compile dlopened "$ROOT/tests/hosts/dlopened.c" -I"$ROOT/core" -ldl
    task sum.lua <<'EOF'
return function() return require("probe").add(40, 2) end
EOF
    export LUA_CPATH_5_4="$BUILD/modules/?.so"
    host 0 ./dlopened "$BUILD/libneap.so" local "$ROOT/examples/hello.lua"
    is '"Hello, world!"'
    host 0 ./dlopened "$BUILD/libneap.so" global "$ROOT/examples/hello.lua"
    is '"Hello, world!"'
    host 0 ./dlopened "$BUILD/libneap.so" global sum.lua
    is 42
    [ "$CONFIG" != debug ] && [ "$CONFIG" != release ] && return # their runtime brings symbols along
    host 1 ./dlopened "$BUILD/libneap.so" local sum.lua
    expect "undefined symbol: lua"
}

@test "neap.h is C++, too" {
    compile plusplus "$ROOT/tests/hosts/plusplus.cc" -Wpedantic -I"$ROOT/core" "$BUILD/libneap.so" \
        -Wl,-rpath,"$BUILD"
    host 0 ./plusplus "$ROOT/examples/hello.lua"
    is '"Hello, C++!"'
}

@test "libneap.so has a soname and exports neap_ names alone" {
    run -0 readelf -d "$BUILD/libneap.so"
    expect "soname: [libneap.so.0]"
    run -0 nm -D --defined-only "$BUILD/libneap.so"
    [ -z "$(grep -v ' neap_' <<<"$output")" ]
}

# bats test_tags=slow
@test "what ./dev install puts in place builds and runs programs" {
    [ "$CONFIG" = debug ] || [ "$CONFIG" = release ] || skip "it installs the release build"
    local prefix=$PWD/opt
    DESTDIR=/ PREFIX=$prefix "$ROOT/dev" install # a DESTDIR, so that it leaves ld.so.cache alone
    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
    cp "$ROOT"/examples/hello.lua "$ROOT"/examples/embed/* "$ROOT"/tests/hosts/* .
    [ "$(pkg-config --modversion neap)" = "$(sed -n 's/^#define NEAP_VERSION "\(.*\)"/\1/p' opt/include/neap.h)" ]

    # shellcheck disable=SC2046
    compile shared embed.c $(pkg-config --cflags --libs neap)
    # shellcheck disable=SC2046
    compile module embed_module.c $(pkg-config --cflags --libs neap lua5.4)
    # shellcheck disable=SC2046
    compile plusplus plusplus.cc -Wpedantic $(pkg-config --cflags --libs neap)
    # shellcheck disable=SC2046
    compile static embed.c $(pkg-config --cflags neap) \
        $(pkg-config --static --libs neap | sed 's/-lneap/-l:libneap.a/')

    mkdir elsewhere
    cd elsewhere
    host 0 ../shared ../hello.lua '{"name": "shared"}'
    expect '"Hello, shared!"'
    host 0 ../module ../order.lua
    expect "apple left: 1"
    host 0 ../plusplus ../hello.lua
    is '"Hello, C++!"'
    host 0 "$prefix/bin/neap" run ../hello.lua '{"name": "neap"}'
    is "Hello, neap!"
    unset LD_LIBRARY_PATH
    host 127 ../shared ../hello.lua '{}'
    host 0 ../static ../hello.lua '{"name": "static"}'
    expect '"Hello, static!"'

    cd ..
    DESTDIR=$PWD/root PREFIX=/usr "$ROOT/dev" install
    grep -q '^prefix=/usr$' root/usr/lib/pkgconfig/neap.pc
    [ "$(readlink root/usr/lib/libneap.so)" = libneap.so.0 ]
    [ -e root/usr/lib/libneap.so ]
    [ -x root/usr/bin/neap ]
    [ -s root/usr/lib/libneap.a ]
    [ -s root/usr/share/man/man1/neap.1 ]
    [ -s root/usr/share/neap/neap.d.lua ]
}
