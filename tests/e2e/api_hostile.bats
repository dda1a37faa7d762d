# Clients that mean harm, in short: tests/nightly/http_hostile.bats has more of them and measures.
# shellcheck disable=SC2034,SC2154 # pid, status, output and stderr are set and read in helper.bash and by bats
load helper
load api

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

@test "malformed requests are refused, over TCP and over the socket" {
    listening ''
    hostile malformed "$address"
    hostile malformed neap.sock
}

@test "hosts and origins that are not ours" {
    listening 'hosts = neap.example'
    hostile rebind "$address"
    run curl -sS -o /dev/null -w '%{http_code}' -H 'Host: neap.example' "http://$address/api/v1/stats"
    is 200
}

@test "100 slow connections are closed and hold up nobody" {
    listening $'header_timeout = 1s\nbody_timeout = 1s\nmax_per_address = 200'
    hostile slow "$address" 100 4 0
}

@test "more silent connections than there may be" {
    listening $'max_connections = 64'
    hostile crowd "$address" 150
    hostile crowd neap.sock 100
}

@test "one address has only so many connections" {
    listening $'max_per_address = 5'
    python3 - "$address" <<'PY'
import socket, sys, time
host, port = sys.argv[1].rsplit(":", 1)
held = [socket.create_connection((host, int(port))) for _ in range(20)]
time.sleep(0.3)
good = 0
for s in held:
    try:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        s.settimeout(2)
        good += s.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        pass
assert good == 5, good
s = socket.create_connection((host, int(port)), 5, ("127.0.0.3", 0))
s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
assert s.recv(100).startswith(b"HTTP/1.1 200")
PY
}

@test "a body is at most max_body, a line of many among them" {
    api_ini 'max_body = 4K'
    api_serve
    head -c 5000 /dev/zero | tr '\0' ' ' >big
    request 413 -H 'Content-Type: application/json' --data-binary @big http://x/api/v1/jobs
    expect '"code":"too_large"'
    post 201 /api/v1/jobs '{"task":"echo"}'
}
