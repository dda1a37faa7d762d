# The HTTP API: jobs in, documents out, over the unix socket and over TCP.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load helper
load api

@test "the socket is ours alone, and goes when we go" {
    api_serve
    [ "$(stat -c %a neap.sock)" = 600 ]
    kill -TERM "$pid"
    finish
    [ "$status" = 0 ]
    [ ! -e neap.sock ]
}

@test "health and readiness" {
    api_serve
    get 200 /healthz
    is '{"status":"ok"}'
    get 200 /readyz
    is '{"status":"ok"}'
}

@test "a submission is answered with the job" {
    api_serve
    post 201 /api/v1/jobs '{"task":"echo","args":{"n":1}}'
    expect '"duplicate":false,"task":"echo","queue":"default"'
    id=$(field id)
    [ "${#id}" = 13 ]
    get 200 "/api/v1/jobs/$id?wait=5s"
    expect '"state":"completed"'
    expect '"result":{"n":1}'
}

@test "wait answers once the job has ended, or with the job as it is" {
    api_serve
    post 201 '/api/v1/jobs?wait=10s' '{"task":"echo","args":"x"}'
    expect '"result":"x"'
    post 201 '/api/v1/jobs?wait=50ms' '{"task":"hold","args":"a"}'
    expect '"state":"running"'
    post 400 '/api/v1/jobs?wait=soon' '{"task":"echo"}'
    expect '"parameter":"wait"'
}

@test "integers of 64 bits survive" {
    api_serve
    post 201 '/api/v1/jobs?wait=10s' '{"task":"echo","args":[9223372036854775807,-9223372036854775808,9007199254740993,0.1,1e300,1.0]}'
    expect '"result":[9223372036854775807,-9223372036854775808,9007199254740993,0.1,1e+300,1.0]'
}

@test "what is wrong is pointed at" {
    api_serve
    post 422 /api/v1/jobs '{"taks":"echo"}'
    expect '"pointer":"/taks","detail":"no such member (did you mean task?)"'
    expect '"pointer":"/task","detail":"is needed"'
    post 422 /api/v1/jobs '{"task":"echo","priority":999,"delay":"soon","retry":{"max":-1,"jiter":0},"after":["x"],"unique":{"states":["ded"]}}'
    for pointer in /priority /delay /retry/max /retry/jiter /after/0 /unique/states; do
        expect "\"pointer\":\"$pointer\""
    done
    post 404 /api/v1/jobs '{"task":"ecko"}'
    expect '"pointer":"/task","detail":"no such task: ecko (did you mean echo?)"'
    post 404 /api/v1/jobs '{"task":"echo","queue":"defalt"}'
    expect '"pointer":"/queue"'
    post 400 /api/v1/jobs '{"task":'
    expect '"code":"malformed"'
    grep -qi '^content-type: application/problem+json' headers
    get 404 /api/v1/jobs/0000000000001
    expect '"code":"not_found"'
    get 404 /jobs
    expect 'did you mean /api/v1/jobs?'
    get 404 /api/v1/stakc
    expect 'did you mean /api/v1/stack?'
    get 400 '/api/v1/jobs?stat=dead'
    expect '"parameter":"stat","detail":"no such parameter (did you mean state?)"'
    get 400 '/api/v1/jobs?limit=5&limit=6'
    expect '"parameter":"limit"'
    request 405 -X PUT http://x/api/v1/jobs/0000000000001
    grep -qi '^allow: GET, HEAD, PATCH, DELETE' headers
}

@test "priority, delay, expiry, timeout and retry are as asked" {
    api_serve
    post 201 /api/v1/jobs '{"task":"echo","priority":"high","delay":"1h"}'
    expect '"state":"scheduled","priority":10'
    post 201 /api/v1/jobs '{"task":"echo","priority":-5,"at":"2099-01-01T00:00:00Z","expires":"2099-01-02T00:00:00Z"}'
    expect '"due_at":"2099-01-01T00:00:00.000Z"'
    expect '"expires_at":"2099-01-02T00:00:00.000Z"'
    post 201 '/api/v1/jobs?wait=10s' '{"task":"hold","args":"b","timeout":0.1,"retry":0}'
    expect '"state":"dead"'
    expect '"code":"timeout"'
    post 201 '/api/v1/jobs?wait=10s' '{"task":"echo","args":"bad","retry":{"max":1,"base":"10ms"}}'
    expect '"attempt":2'
}

@test "an Idempotency-Key makes one job of a request that is sent again" {
    api_serve
    keyed() { request "$1" -H 'Content-Type: application/json' -H "Idempotency-Key: $2" -d "$3" http://x/api/v1/jobs; }
    keyed 201 k1 '{"task":"echo","args":1}'
    id=$(field id)
    keyed 200 k1 '{"task":"echo","args":1}'
    expect "\"id\":\"$id\",\"duplicate\":true"
    keyed 409 k1 '{"task":"echo","args":2}'
    expect '"code":"conflict"'
    keyed 201 k2 '{"task":"echo","args":2}'
    keyed 400 "$(printf 'k%.0s' {1..300})" '{"task":"echo"}'
}

@test "unique and after" {
    api_serve
    post 201 /api/v1/jobs '{"task":"hold","args":"u","unique":true}'
    id=$(field id)
    post 200 /api/v1/jobs '{"task":"hold","args":"u","unique":true}'
    expect "\"id\":\"$id\",\"duplicate\":true"
    post 201 /api/v1/jobs "{\"task\":\"echo\",\"after\":[\"$id\"]}"
    expect '"state":"pending"'
}

@test "return=minimal leaves the document out" {
    api_serve
    request 201 -H 'Prefer: return=minimal' -H 'Content-Type: application/json' -d '{"task":"echo"}' http://x/api/v1/jobs
    [[ $output =~ ^\{\"id\":\"[0-9A-Z]{13}\",\"duplicate\":false\}$ ]]
    grep -qi '^location: /api/v1/jobs/' headers
}

@test "lines are answered in their order, and a bad one costs only itself" {
    api_serve
    for i in {1..500}; do echo "{\"task\":\"echo\",\"args\":$i}"; done >lines
    sed -i '100s/.*/{"task":"nothing"}/;200s/.*/nonsense/;300s/.*/{"task":"echo","priority":"x"}/' lines
    request 200 -H 'Content-Type: application/x-ndjson' --data-binary @lines http://x/api/v1/jobs
    [ "$(wc -l <<<"$output")" = 500 ]
    [ "$(grep -c '^{"id":"' <<<"$output")" = 497 ]
    sed -n 100p <<<"$output" | grep -qF '"code":"not_found"'
    sed -n 200p <<<"$output" | grep -qF '"code":"malformed"'
    sed -n 300p <<<"$output" | grep -qF '"pointer":"/priority"'
    [ "$(grep -o '^{"id":"[^"]*' <<<"$output" | sort | uniq -d | wc -l)" = 0 ]
    diff <(grep -o '^{"id":"[^"]*' <<<"$output") <(grep -o '^{"id":"[^"]*' <<<"$output" | sort)
}

@test "cancel a job that runs" {
    api_serve
    post 201 /api/v1/jobs '{"task":"hold","args":"c"}'
    id=$(field id)
    until_true test -e running.c
    request 200 -X POST "http://x/api/v1/jobs/$id/cancel"
    get 200 "/api/v1/jobs/$id?wait=5s"
    expect '"state":"cancelled"'
}

@test "who asks over TCP shows the token, who asks over the socket need not" {
    api_ini $'listen = 127.0.0.1:0\ntoken = env:API_TOKEN'
    export API_TOKEN=correct-horse
    api_serve
    get 200 /api/v1/stats
    url=$(tcp_url)
    run curl -s -o /dev/null -w '%{http_code}' "$url/api/v1/stats"
    is 401
    run curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer correct-horse' "$url/api/v1/stats"
    is 200
    run curl -s -o /dev/null -w '%{http_code}' "$url/healthz"
    is 200
    python3 "$ROOT/tests/support/hostile.py" tokens "${url#http://}" correct-horse
    run ! grep -rF correct-horse err
}

@test "an address that others reach takes a token" {
    api_ini 'listen = 0.0.0.0:0'
    neap 78 serve
    expect_error '[http] token'
    api_ini $'listen = 127.0.0.1:0\ntoken = env:NO_SUCH_VARIABLE'
    neap 78 serve
    expect_error '[http] token: the environment variable "NO_SUCH_VARIABLE" is not set'
}

@test "a socket that is left over is replaced, one that is used is not, nor is a file" {
    api_serve
    kill -KILL "$pid"
    finish
    [ -e neap.sock ]
    api_serve
    neap 75 serve
    expect_error 'another neap listens there'
    get 200 /healthz
    kill -TERM "$pid"
    finish
    echo mine >neap.sock
    neap 75 serve
    expect_error 'is no socket'
    [ "$(cat neap.sock)" = mine ]
    rm neap.sock
    api_ini "socket = $(printf 'x%.0s' {1..120})"
    neap 78 serve
    expect_error "a socket's path at most 107"
}

@test "while it drains nothing new is taken, and questions are answered" {
    api_serve
    post 201 /api/v1/jobs '{"task":"hold","args":"d"}'
    id=$(field id)
    until_true test -e running.d
    curl -sS --unix-socket neap.sock "http://x/api/v1/jobs/$id?wait=20s" >waited &
    waiter=$!
    kill -TERM "$pid"
    until_true has err draining
    post 503 /api/v1/jobs '{"task":"echo"}'
    grep -qi '^retry-after: ' headers
    get 503 /readyz
    get 200 /healthz
    touch go
    finish
    [ "$status" = 0 ]
    wait "$waiter" || true # not %1: that may be the clock of bats
}

@test "a wait is released when its client goes away" {
    api_serve
    post 201 /api/v1/jobs '{"task":"hold","args":"w"}'
    id=$(field id)
    for _ in 1 2 3; do
        timeout 0.3 curl -sS --unix-socket neap.sock "http://x/api/v1/jobs/$id?wait=60s" || true
    done
    connections() { [ "$(find "/proc/$pid/fd" -lname 'socket:*' | wc -l)" -le "$1" ]; }
    until_true connections 2 # the one that listens, and one of systemd's or libuv's at most
}

@test "what the table says is what docs/openapi.json says" {
    api_serve
    get 200 /openapi.json
    diff body "$ROOT/docs/openapi.json" # made by: neap help --openapi
    "$NEAP" help --openapi | diff body -
    python3 - <<'PY'
import json
page = json.load(open("body"))
names = set(page["components"]["schemas"])
def check(value):
    if isinstance(value, dict):
        ref = value.get("$ref")
        assert not ref or ref.rsplit("/", 1)[1] in names, ref
        for v in value.values():
            check(v)
    elif isinstance(value, list):
        for v in value:
            check(v)
check(page)
ids = [op["operationId"] for path in page["paths"].values() for op in path.values()]
assert len(ids) == len(set(ids)) and len(ids) > 30, ids
PY
}

@test "events tell what becomes of jobs" {
    api_serve
    curl -sSN --unix-socket neap.sock http://x/api/v1/events >events &
    pids+=($!)
    curl -sSN --unix-socket neap.sock 'http://x/api/v1/events?state=dead' >dead &
    pids+=($!)
    until_true has events ': neap'
    until_true has dead ': neap'
    post 201 '/api/v1/jobs?wait=10s' '{"task":"echo","args":1}'
    id=$(field id)
    until_true grep -q "\"id\":\"$id\".*\"state\":\"completed\"" events
    post 201 '/api/v1/jobs?wait=10s' '{"task":"echo","args":"bad","retry":0}'
    until_true has dead '"state":"dead"'
    run ! has dead "$id"
    get 400 '/api/v1/events?stat=dead'
    get 422 '/api/v1/events?state=ded'
    kill -TERM "$pid"
    finish
    [ "$status" = 0 ]
}

@test "who does not read its events is dropped and told so" {
    api_serve
    python3 - <<'PY'
import http.client, socket, time
def open_socket():
    s = socket.socket(socket.AF_UNIX)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect("neap.sock")
    return s
slow = open_socket()
slow.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
time.sleep(0.3)
lines = b"".join(b'{"task":"echo","args":%d}\n' % i for i in range(20000))
s = open_socket()
s.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
          b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(lines) + lines)
while s.recv(65536):
    pass
slow.settimeout(20)
answer = http.client.HTTPResponse(slow)
answer.begin()
data = answer.read()
assert b'event: dropped' in data[-400:], data[-400:]
assert len(data) < 4000000, len(data)
PY
}

@test "the examples of docs/api.md" {
    sed -n '/^```sh$/,/^```$/p' "$ROOT/docs/api.md" | grep -v '^```' >examples
    mkdir plugins
    api_ini ''
    sed -n '/^mkdir/,/^LUA$/p' examples >first
    sh -eu first
    api_serve
    run -0 sh -eu examples
    expect 'hello Grace'
    expect '"duplicate":true'
    expect 'neap_uptime_seconds'
}

@test "questions and orders reach neap" {
    api_serve
    post 201 '/api/v1/jobs?wait=10s' '{"task":"echo","args":"bad","retry":0}'
    id=$(field id)
    get 200 '/api/v1/jobs?state=dead&task=ec*&priority=>=0&wide=yes'
    expect "\"id\":\"$id\""
    get 422 '/api/v1/jobs/0000000000001/log?offset=x' || get 400 '/api/v1/jobs/0000000000001/log?offset=x'
    for path in queues queues/default tasks tasks/echo schedules workers stats stack "jobs/$id/explain" "jobs/$id/log"; do
        get 200 "/api/v1/$path"
    done
    get 404 /api/v1/queues/nothing
    request 200 -X PATCH -H 'Content-Type: application/json' -d '{"concurrency":3,"rate":null}' http://x/api/v1/queues/default
    expect '"concurrency":3'
    request 422 -X PATCH -H 'Content-Type: application/json' -d '{"concurency":3}' http://x/api/v1/queues/default
    expect '"pointer":"/concurency"'
    request 200 -X POST 'http://x/api/v1/bulk/retry?state=dead&dry_run=yes'
    expect '"matched":1,"changed":1'
    request 200 -X POST "http://x/api/v1/queues/default/pause"
    request 200 -X POST "http://x/api/v1/jobs/$id/retry"
    expect '"state":"available"'
    request 200 -X PATCH -H 'Content-Type: application/json' -d '{"priority":7,"due":"1h"}' "http://x/api/v1/jobs/$id"
    expect '"state":"scheduled","priority":7'
    request 409 -X DELETE "http://x/api/v1/jobs/$id"
    request 200 -X POST "http://x/api/v1/jobs/$id/cancel"
    request 200 -X DELETE "http://x/api/v1/jobs/$id"
    get 404 "/api/v1/jobs/$id"
    echo nonsense >>neap.ini
    request 422 -X POST http://x/api/v1/reload
    sed -i '$d' neap.ini
    request 200 -X POST http://x/api/v1/reload
    get 200 /metrics
    grep -qi '^content-type: text/plain; version=0.0.4' headers
    run curl -sSI --unix-socket neap.sock http://x/metrics
    expect 'HTTP/1.1 200'
}

@test "a body and a token are in no log" {
    printf '[log]\nlevel = debug\n[store]\nurl = memory\n[http]\nlisten = 127.0.0.1:0\ntoken = file:token\n' >neap.ini
    echo t0psecret >token
    api_serve
    url=$(tcp_url)
    curl -sS -H 'Authorization: Bearer t0psecret' -H 'Content-Type: application/json' -d '{"task":"echo","args":"pr1vate"}' "$url/api/v1/jobs?wait=5s" >/dev/null
    curl -sS -H 'Authorization: Bearer t0psecret-not' "$url/api/v1/jobs?text=pr1vate" >/dev/null
    until_true has err '"path":"/api/v1/jobs","status":401'
    has err '"path":"/api/v1/jobs","status":201'
    run ! grep -e t0psecret -e pr1vate err
    run "$NEAP" config
    [[ $output != *t0psecret* ]]
}
