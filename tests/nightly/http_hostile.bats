# 1,000 connections with slow headers, slow bodies and unread answers; an honest client's p99 stays under 50 ms.
# shellcheck disable=SC2034,SC2154
load ../e2e/helper
load ../e2e/api

hostile() {
    run python3 "$ROOT/tests/support/hostile.py" "$@"
    [ -z "$output" ] || sed 's/^/# /' <<<"$output" >&3
    echo "$output"
    [ "$status" = 0 ]
}

listening() { # LINES of [http]
    api_ini $'listen = 127.0.0.1:0\n'"$1"
    api_serve
    address=$(tcp_url)
    address=${address#http://}
}

@test "1,000 slow connections" {
    ulimit -n 8192
    listening ''
    hostile slow "$address" 1000 25 50
}

@test "1,000 slow connections beside a store on disk" {
    ulimit -n 8192
    store=sqlite:neap.db
    listening ''
    hostile slow "$address" 1000 25 50
}

@test "5,000 silent connections where 1,024 may be" {
    ulimit -n 16384
    listening ''
    hostile crowd "$address" 5000
}

@test "clients of events that come and go while jobs run" {
    ulimit -n 8192
    listening ''
    timeout 300 python3 - neap.sock <<'PY'
import http.client, random, socket, sys, threading, time
end = time.monotonic() + 60
lines = b"".join(b'{"task":"echo","args":%d}\n' % i for i in range(2000))
errors = []
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.settimeout(30)
    return s
def watch():
    while time.monotonic() < end:
        s = connect()
        s.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        until = time.monotonic() + random.random()
        while time.monotonic() < until and s.recv(65536):
            pass
        s.close()
def submit():
    while time.monotonic() < end:
        c = http.client.HTTPConnection("x")
        c.sock = connect()
        c.request("POST", "/api/v1/jobs", lines, {"Content-Type": "application/x-ndjson"})
        data = c.getresponse().read()
        c.close()
        if data.count(b'"duplicate":false') != 2000:
            errors.append(data[-300:])
threads = [threading.Thread(target=f) for f in [watch] * 16 + [submit] * 4]
for t in threads: t.start()
for t in threads: t.join()
assert not errors, errors[:3]
PY
    get 200 /healthz
    kill -TERM "$pid"
    finish
    [ "$status" = 0 ]
}
