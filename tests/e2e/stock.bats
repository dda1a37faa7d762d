# The stock tasks that reach out, against real servers and programs.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load servers

setup_file() {
    serve web
    serve post
    local plain tls login
    read -r plain tls <"$BATS_FILE_TMPDIR/web.ports"
    export WEB=http://127.0.0.1:$plain WEBS=https://127.0.0.1:$tls WEB_CA=$BATS_FILE_TMPDIR/web.pem
    read -r plain login tls _ <"$BATS_FILE_TMPDIR/post.ports"
    export SMTP=smtp://127.0.0.1:$plain SMTPS=smtps://127.0.0.1:$tls POST_CA=$BATS_FILE_TMPDIR/post.pem
}

teardown_file() {
    stop_serving web
    stop_serving post
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    pids=()
    printf '[task *]\nretry.base = 10ms\nretry.jitter = 0\n' >neap.ini
}

@test "http.request: out and back" {
    neap 0 run http.request '{"url": "'"$WEB"'/echo", "method": "PUT", "json": {"a": 1}, "headers": {"X-One": "1"}}'
    expect '"status":200'
    expect '\"method\": \"PUT\"'
    expect '\"x-one\": \"1\"'
    expect '{\\\"a\\\":1}'
    neap 0 run http.request --arg "url=$WEB/bytes/2000000" --arg to=big
    expect '"to":"big"'
    [ "$(wc -c <big)" = 2000000 ]
    neap 1 run http.request --arg "url=$WEB/bytes/2000000" --retries 5
    expect_error "give \`to\`"
}

@test "http.request: trust is a setting" {
    neap 1 run http.request --arg "url=$WEBS/status/200"
    neap 0 run http.request --arg "url=$WEBS/status/200" --set "[task http.request] config.ca=$WEB_CA"
    expect '"status":200'
}

@test "http.request: what may pass is tried again, what cannot is not" {
    neap 1 run -o jsonl http.request --arg "url=$WEB/status/503" --retries 2
    expect '"attempt":3'
    expect "GET $WEB/status/503: status 503"
    neap 0 run http.request --arg "url=$WEB/status/404" --retries 2
    expect '"status":404'
    neap 1 run -o jsonl http.request '{"url": "'"$WEB"'/status/404", "expect": ["2xx"]}' --retries 2
    expect '"attempt":1'
    neap 1 run -o jsonl http.request '{"url": "http://127.0.0.1:1/"}' --retries 1
    expect '"attempt":2'
    neap 1 run -o jsonl http.request '{"url": "'"$WEB"'/slow/5000", "timeout": "50ms"}' --retries 1
    expect '"attempt":2'
}

@test "mail.send: by login and TLS, with the password from the environment" {
    cat >>neap.ini <<EOF
[task mail.send]
config.server = $SMTPS
config.ca = $POST_CA
config.user = ada
config.password = env:SMTP_PASSWORD
config.from = Ada <ada@example.org>
EOF
    export SMTP_PASSWORD=secret
    neap 0 run mail.send '{"to": ["b@example.org"], "cc": "c@example.org", "subject": "Grüße", "text": "hello",
        "attachments": [{"name": "a.txt", "type": "text/plain", "data": "inside"}]}'
    expect '"id":"<'
    local mails=("$BATS_FILE_TMPDIR"/mail.[0-9]*)
    [ "${#mails[@]}" = 1 ]
    run -0 cat "${mails[0]}"
    expect '"login": true'
    expect '["b@example.org", "c@example.org"]'
    expect 'Gr\u00fc\u00dfe'
    expect '"name": "a.txt"'
}

@test "mail.send: refused for good, for now" {
    local server=(--set "[task mail.send] config.server=$SMTP" --set "[task mail.send] config.from=a@example.org")
    neap 1 run -o jsonl mail.send '{"to": "nobody@example.org", "text": "x"}' "${server[@]}" --retries 3
    expect '"attempt":1'
    expect "550 5.1.1 no such mailbox"
    neap 1 run -o jsonl mail.send '{"to": "later@example.org", "text": "x"}' "${server[@]}" --retries 2
    expect '"attempt":3'
    expect "451 4.2.0 greylisted"
    neap 1 run -o jsonl mail.send '{"to": "no address", "text": "x"}' "${server[@]}" --retries 2
    expect '"attempt":1'
}

@test "shell.run: a program, its output, its failure" {
    neap 0 run shell.run '{"command": ["sh", "-c", "cat; echo $GREETING >&2; pwd"], "stdin": "in\n",
        "env": {"GREETING": "hi"}, "cwd": "/"}'
    expect '"stdout":"in\n/\n"'
    expect '"stderr":"hi\n"'
    expect '"code":0'
    neap 1 run -o jsonl shell.run '{"command": "echo first >&2; echo why >&2; exit 3"}' --retries 1
    expect '"message":"exit status 3: first\nwhy"'
    expect '"attempt":2'
    neap 0 run shell.run '{"command": "exit 3", "ok": [3]}'
    expect '"code":3'
    neap 1 run -o jsonl shell.run '{"command": "kill -SEGV $$"}'
    expect 'was killed by signal 11'
    neap 1 run -o jsonl shell.run '{"command": "sleep 60", "timeout": "100ms"}'
    expect 'did not end within 0.1 s'
    neap 1 run -o jsonl shell.run '{"command": ["/no/such/program"]}'
    expect '/no/such/program'
}

@test "shell.run: much output is cut, and fits into a result" {
    neap 0 run shell.run '{"command": "yes | head -c 3000000; yes | head -c 3000000 >&2"}'
    expect '"truncated":true'
}
