# Every kind of mistake in a configuration, told at once, by every command that reads one.
# shellcheck disable=SC2034,SC2154 # what the helpers set and read
load live

write_mistakes() {
    long=$(printf 'x%.0s' $(seq 210))
    mkdir unreadable.ini
    sed "s/LONG/$long/" >neap.ini <<'EOF'
[neap]
drian = 5s
drain = soon
watch = perhaps
include = missing.ini, unreadable.ini
; LONG LONG: a comment may be as long as it likes
[pool default]
workers = many
workers = 2
slots = 0
[poool x]
workers = 1
[queue q]
rate = 5/fortnight
  capacity = 10
when_full = explode
concurrency = LONG
[queue a-name-that-is-so-long-that-no-section-can-have-it-at-all]
[task t.one]
config.secret = env:NEAP_TEST_IS_NOT_SET
config.file = file:missing.txt
retry.max = -1
[schedule s]
task = t.one
cron = 99 * * * *
args = {"a": "b ; c"}
[schedule t]
every = 1s
[schedule u]
task = t.one
every = 1s
cron = * * * * *
tz = Mars/Olympus
overlap = maybe
[log]
level = loud
what is this
[broken
EOF
}

@test "every kind of mistake is told at once, with file, line and a suggestion" {
    write_mistakes
    neap 78 check
    told=$output$'\n'$stderr
    cat <<<"$told"
    while IFS=: read -r line text; do
        grep -q "neap.ini:$line: .*$text" <<<"$told" || { echo "not told: $line: $text"; failed=1; }
    done <<'EOF'
2:\[neap\] drian: .*did you mean drain?
3:\[neap\] drain:
4:\[neap\] watch:
5:\[neap\] include: .*missing.ini
5:\[neap\] include: .*unreadable.ini
8:\[pool default\] workers:
9:\[pool default\] workers: .*line 8
10:\[pool default\] slots:
11:\[poool x\].*did you mean \[pool
14:\[queue q\] rate:
15:\[queue q\] capacity: a key must not be indented
16:\[queue q\] when_full:
17:\[queue q\].*bytes long
18:.*bytes long
20:\[task t.one\] config.secret: .*NEAP_TEST_IS_NOT_SET
21:\[task t.one\] config.file: .*missing.txt
22:\[task t.one\] retry.max:
25:\[schedule s\] cron:
26:\[schedule s\] args:
33:\[schedule u\] tz:
34:\[schedule u\] overlap:
36:\[log\] level:
37:
38:
EOF
    [ -z "${failed:-}" ]
    grep -q 'schedule t\].*task' <<<"$told"
    grep -q 'schedule u\].*cron' <<<"$told"
    [ "$(grep -c "neap.ini:6:" <<<"$told" || true)" = 0 ]
    [ "$(grep -c "$long" <<<"$told" || true)" = 0 ]
}

@test "run, map, serve and config refuse the same file, and start nothing" {
    write_mistakes
    task touch.lua <<<'return function() io.open("ran", "w"):close() end'
    for command in "run ./touch.lua" "map ./touch.lua ::: a" serve config; do
        # shellcheck disable=SC2086
        neap 78 $command
        expect_error "neap.ini:2: [neap] drian:"
        expect_error "neap.ini:36: [log] level:"
        [ -z "$output" ]
    done
    [ ! -e ran ]
}

@test "an unreadable file, a missing file and --set are told with what they are" {
    neap 78 config -c missing.ini
    expect_error missing.ini
    mkdir dir.ini
    neap 78 config -c dir.ini
    expect_error dir.ini
    neap 78 config --set '[neap] drian=1s' --set 'nonsense' --set '[pool default] workers=x'
    expect_error drian
    expect_error nonsense
    expect_error workers
}

@test "a file that is included is told by its own name and line" {
    mkdir conf.d
    printf '[neap]\ninclude = conf.d/*.ini\n' >neap.ini
    printf '[queue a]\n\ncapcity = 1\n' >conf.d/a.ini
    printf '[queue b]\nrate = never\n' >conf.d/b.ini
    neap 78 config
    expect_error "conf.d/a.ini:3: [queue a] capcity: "
    expect_error "did you mean capacity?"
    expect_error "conf.d/b.ini:2: [queue b] rate: "
}

@test "a configured directory of plugins that is missing is a mistake in the configuration" {
    printf '[neap]\nplugins = nowhere\n' >neap.ini
    for command in check config serve "run cache.clean"; do
        # shellcheck disable=SC2086
        neap 78 $command
        [ "$(grep -o "neap.ini:2: \[neap\] plugins: no such directory: nowhere" <<<"$output"$'\n'"$stderr")" = \
            "neap.ini:2: [neap] plugins: no such directory: nowhere" ] || { echo "$command: $output$stderr"; false; }
    done
    neap 78 config --set '[neap] plugins = neap.ini, elsewhere'
    expect_error "--set: [neap] plugins: not a directory: neap.ini"
    expect_error "--set: [neap] plugins: no such directory: elsewhere"
    neap 66 config --plugins nowhere
    [ "$stderr" = "nowhere: no such directory of plugins" ]
    mkdir nowhere
    neap 0 config
}

@test "check tells of tasks that the configuration names and that there are not" {
    task plugins/ops/alert.lua <<<'return function() end'
    printf '[task *]\non_dead = ops.alrt\n[task ops.*]\non_dead = none\n' >neap.ini
    printf '[schedule s]\ntask = ops.nothing\nevery = 1h\n' >>neap.ini
    neap 78 check
    expect 'neap.ini:2: [task *] on_dead: no such task: ops.alrt (did you mean ops.alert?)'
    expect 'neap.ini:6: [schedule s] task: no such task: ops.nothing'
    sed -i 's/alrt/alert/; s/nothing/alert/' neap.ini
    neap 0 check
}
