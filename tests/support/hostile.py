"""Clients that mean harm, over raw sockets. Each command prints what went wrong and exits 1 if anything did.

hostile.py malformed ADDRESS        requests that no parser should take
hostile.py tokens ADDRESS TOKEN     every route and method of /openapi.json with a token that is wrong
hostile.py rebind ADDRESS           hosts and origins that are not the server's
hostile.py slow ADDRESS COUNT SECONDS LIMIT_MS
                                    COUNT connections with slow headers, slow bodies and unread answers, while an
                                    honest client submits; LIMIT_MS (0: none) is the most its p99 may be
hostile.py crowd ADDRESS COUNT      opens COUNT silent connections and keeps them, then an honest client asks

ADDRESS is HOST:PORT or a socket's path. NEAP_TOKEN is the honest client's token.
"""
import json
import os
import select
import socket
import sys
import time

BODY = b'{"task":"echo","args":1}'
TOKEN = os.environ.get("NEAP_TOKEN", "")
BEARER = f"Authorization: Bearer {TOKEN}\r\n".encode() if TOKEN else b""
failures = []


def fail(text):
    failures.append(text)
    print(text)


def connect(address, source=None):
    if "/" in address or ":" not in address:
        s = socket.socket(socket.AF_UNIX)
        s.connect(address)
        return s
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), 10, (source, 0) if source else None)


def receive(s, seconds=10, bodiless=False):
    """All that comes until the other side closes, or one whole answer with Content-Length; to HEAD, bodiless."""
    data = b""
    s.settimeout(seconds)
    try:
        while True:
            head, end, rest = data.partition(b"\r\n\r\n")
            if end and bodiless:
                return data
            if end:
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:") and len(rest) >= int(line[15:]):
                        return data
            part = s.recv(65536)
            if not part:
                return data
            data += part
    except (TimeoutError, ConnectionError):
        return data


def status(answer):
    """The status of the first answer; 0: closed without one."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.") else 0


def ask(address, request):
    s = connect(address)
    try:
        s.sendall(request)
    except ConnectionError:
        pass
    answer = receive(s, bodiless=request.startswith(b"HEAD "))
    s.close()
    return answer


def well(address, host="localhost"):
    return status(ask(address, b"GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode())) == 200


# ---- malformed

GET = b"GET /api/v1/stats HTTP/1.1\r\n"
POST = b"POST /api/v1/jobs HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)


def with_body(body, kind=JSON):
    return POST + HOST + BEARER + kind + b"Content-Length: %d\r\n\r\n" % len(body) + body


MALFORMED = [  # name, request, statuses that are right (0: closed)
    ("two lengths", POST + HOST + BEARER + JSON + LENGTH + LENGTH + b"\r\n" + BODY, (400,)),
    ("two lengths that differ", POST + HOST + BEARER + JSON + LENGTH + b"Content-Length: 3\r\n\r\n" + BODY, (400,)),
    ("length and chunks", POST + HOST + BEARER + JSON + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     (400, 411)),
    ("chunks", POST + HOST + BEARER + JSON + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (411,)),
    ("another coding", POST + HOST + BEARER + JSON + b"Transfer-Encoding: xchunked\r\n\r\n", (400, 411, 501)),
    ("a length that is no number", POST + HOST + BEARER + JSON + b"Content-Length: 1x\r\n\r\n", (400,)),
    ("a signed length", POST + HOST + BEARER + JSON + b"Content-Length: +5\r\n\r\n" + BODY, (400,)),
    ("a negative length", POST + HOST + BEARER + JSON + b"Content-Length: -5\r\n\r\n" + BODY, (400,)),
    ("a length beyond 64 bits", POST + HOST + BEARER + JSON + b"Content-Length: 99999999999999999999\r\n\r\n",
     (400, 413)),
    ("an empty length", POST + HOST + BEARER + JSON + b"Content-Length: \r\n\r\n" + BODY, (400,)),
    ("bare LF after the request line", b"GET /api/v1/stats HTTP/1.1\n" + HOST + BEARER + b"\r\n", (400,)),
    ("bare LF after a header", GET + b"Host: localhost\n" + BEARER + b"X: y\r\n\r\n", (400,)),
    ("bare LF after the last header", GET + HOST + BEARER + b"X: y\n\r\n", (400,)),
    ("bare LF at the end", GET + HOST + BEARER + b"X: y\r\n\n", (400,)),
    ("bare LF everywhere", b"GET /api/v1/stats HTTP/1.1\nHost: localhost\n\n", (400,)),
    ("bare CR in a header", GET + HOST + BEARER + b"X: a\rb\r\n\r\n", (400,)),
    ("bare CR before a header", GET + HOST + BEARER + b"\rX: a\r\n\r\n", (400,)),
    ("NUL in a header", GET + HOST + BEARER + b"X: a\0b\r\n\r\n", (400,)),
    ("NUL in the request line", b"GET /api/v1/st\0ats HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (400,)),
    ("a folded header", GET + HOST + BEARER + b"X: a\r\n b\r\n\r\n", (400,)),
    ("a folded header of ours", GET + b"Host:\r\n localhost\r\n" + BEARER + b"\r\n", (400,)),
    ("a space before the colon", GET + b"Host : localhost\r\n" + BEARER + b"\r\n", (400,)),
    ("a header without a name", GET + HOST + BEARER + b": x\r\n\r\n", (400,)),
    ("a header without a colon", GET + HOST + BEARER + b"nonsense\r\n\r\n", (400,)),
    ("no host", GET + BEARER + b"\r\n", (400,)),
    ("two hosts", GET + HOST + HOST + BEARER + b"\r\n", (400,)),
    ("an absolute target", b"GET http://localhost/api/v1/stats HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (400,)),
    ("a target of another form", b"OPTIONS * HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (400, 405)),
    ("CONNECT", b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (400, 405)),
    ("%00 in the path", b"GET /api/v1/queues/a%00b HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (400,)),
    ("%0a in the path", b"GET /api/v1/queues/a%0ab HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (400,)),
    ("a bad escape", b"GET /api/v1/queues/a%zz HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (400,)),
    ("an escape that ends early", b"GET /api/v1/queues/a%2 HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (400,)),
    ("%00 in the query", b"GET /api/v1/jobs?text=%00 HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (400,)),
    ("a space in the target", b"GET /api/v1/ stats HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (0, 400)),
    ("bytes over 127 in the target", b"GET /api/v1/\xff HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (400,)),
    ("a dotted path", b"GET /api/v1/../../etc/passwd HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (404,)),
    ("a method that is none", b"FROB /api/v1/jobs HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (405,)),
    ("a method in lower case", b"get /api/v1/stats HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (405,)),
    ("a method of bad characters", b"G\x01T /api/v1/stats HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (400, 405)),
    ("no version", b"GET /api/v1/stats\r\n" + HOST + BEARER + b"\r\n", (0, 400, 505)),
    ("a version to come", b"GET /api/v1/stats HTTP/2.0\r\n" + HOST + BEARER + b"\r\n", (400, 505)),
    ("a version that is none", b"GET /api/v1/stats HTTP/1.x\r\n" + HOST + BEARER + b"\r\n", (0, 400, 505)),
    ("a header of 64 KiB", GET + HOST + BEARER + b"X: " + b"a" * 65536 + b"\r\n\r\n", (0, 431)),
    ("a header of 20 KiB", GET + HOST + BEARER + b"X: " + b"a" * 20000 + b"\r\n\r\n", (431,)),
    ("2000 headers", GET + HOST + BEARER + b"X: y\r\n" * 2000 + b"\r\n", (0, 431)),
    ("a target of 64 KiB", b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\n" + HOST + BEARER + b"\r\n", (0, 414, 431)),
    ("a body too large", POST + HOST + BEARER + JSON + b"Content-Length: 900000000\r\n\r\n", (413,)),
    ("JSON that is too deep", with_body(b'{"task":"echo","args":' + b"[" * 100 + b"]" * 100 + b"}"), (400,)),
    ("JSON that is very deep", with_body(b"[" * 1000000), (400,)),
    ("a key twice", with_body(b'{"task":"echo","task":"echo"}'), (400,)),
    ("a key twice in args", with_body(b'{"task":"echo","args":{"a":1,"a":2}}'), (400,)),
    ("an integer beyond 64 bits", with_body(b'{"task":"echo","args":99999999999999999999}'), (400,)),
    ("bad UTF-8", with_body(b'{"task":"echo","args":"\xff"}'), (400,)),
    ("NUL in a name", with_body(b'{"task":"ec\\u0000ho"}'), (422,)),
    ("something behind the JSON", with_body(BODY + b"x"), (400,)),
    ("no JSON", with_body(b"task=echo"), (400,)),
    ("an array", with_body(b"[]"), (422,)),
    ("a form", with_body(BODY, b"Content-Type: application/x-www-form-urlencoded\r\n"), (415,)),
    ("text", with_body(BODY, b"Content-Type: text/plain\r\n"), (415,)),
    ("no type", with_body(BODY, b""), (415,)),
    ("a body where none belongs", b"POST /api/v1/reload HTTP/1.1\r\n" + HOST + BEARER + JSON + LENGTH + b"\r\n" + BODY,
     (400,)),
    ("an expectation that nobody knows", POST + HOST + BEARER + JSON + LENGTH + b"Expect: magic\r\n\r\n" + BODY,
     (201, 400, 417)),
]


def malformed(address):
    local = "/" in address or ":" not in address
    for name, request, right in MALFORMED:
        answer = ask(address, request)
        if local and name in ("no host",):
            right += (200,)
        if status(answer) not in right:
            fail(f"{name}: {status(answer)}, not {right}: {answer[-200:]!r}")
        if not well(address):
            fail(f"{name}: and then the server is not well")
    smuggle(address)


def smuggle(address):
    """What follows a refused request on its connection is not taken for another one."""
    second = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    for name, request, _ in MALFORMED[:18]:
        s = connect(address)
        s.sendall(request + second)
        answer = b""
        while True:
            part = receive(s, 5)
            if not part or part in answer:
                break
            answer += part
        s.close()
        if answer.count(b'{"status":"ok"}'):
            fail(f"{name}: the request behind it was answered")


# ---- who may ask

def tokens(address, token):
    page = ask(address, f"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    routes = json.loads(page.partition(b"\r\n\r\n")[2])["paths"]
    bad = ["", "Authorization: Bearer \r\n", f"Authorization: Bearer {token[:-1]}\r\n",
           f"Authorization: Bearer {token}x\r\n", f"Authorization: Bearer {token[:-1]}~\r\n",
           f"Authorization: Basic {token}\r\n", f"Authorization: {token}\r\n",
           f"Authorization: Bearer {token.swapcase()}\r\n"]
    count = 0
    for path in list(routes) + ["/", "/nothing", "/api/v1/nothing"]:
        target = path.replace("{id}", "0000000000001").replace("{name}", "x")
        public = path in ("/healthz", "/readyz")
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            for line in bad:
                length = "" if method in ("GET", "HEAD") else "Content-Length: 0\r\n"
                got = status(ask(address, f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{line}{length}\r\n".encode()))
                right = (200, 503) if public and method in ("GET", "HEAD") else (401, 405) if public else (401,)
                count += 1
                if got not in right:
                    fail(f"{method} {path} with {line!r}: {got}")
    if count < 8 * 8 * 30:
        fail(f"only {count} requests")


def rebind(address):
    port = address.rsplit(":", 1)[1]
    good = ["localhost", f"localhost:{port}", f"127.0.0.1:{port}", "127.0.0.1", "LOCALHOST"]
    bad = ["evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1",
           "localhost@evil.example", "evil.example#localhost", "[::1]x", "localhost:80x", "", "0.0.0.0", "127.1"]
    for host in good:
        if not well(address, host):
            fail(f"Host: {host} is refused")
    for host in bad:
        got = status(ask(address, b"GET /api/v1/stats HTTP/1.1\r\n" + BEARER + f"Host: {host}\r\n\r\n".encode()))
        if got not in (400, 421):
            fail(f"Host: {host}: {got}")
    for line in ("Origin: http://evil.example", "Origin: null", "Origin: http://localhost:1", "Origin: file://",
                 "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", f"Origin: http://localhost:{port}.evil.example"):
        for request in (GET + HOST, POST + HOST + JSON + LENGTH):
            got = status(ask(address, request + BEARER + line.encode() + b"\r\n\r\n" + (BODY if b"POST" in request else b"")))
            if got != 403:
                fail(f"{line}: {got}")
    same = f"Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\nSec-Fetch-Site: same-origin\r\n".encode()
    answer = ask(address, GET + BEARER + same + b"\r\n")
    if status(answer) != 200 or b"access-control" in answer.lower():
        fail(f"its own origin: {answer[:200]!r}")
    answer = ask(address, b"OPTIONS /api/v1/jobs HTTP/1.1\r\n" + HOST + BEARER + b"Access-Control-Request-Method: POST\r\n\r\n")
    if b"access-control" in answer.lower() or status(answer) != 405 or b"Allow: " not in answer:
        fail(f"a preflight: {answer[:200]!r}")


# ---- slow and many

class Slow:
    """One connection that never comes to its end: of a header, of a body, of reading."""

    def __init__(self, address, number, source):
        self.kind = ("header", "body", "silent", "unread")[number % 4]
        self.closed = False
        self.s = connect(address, source)
        if self.kind == "unread":
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        begin = {"header": GET + b"X: ", "body": POST + HOST + BEARER + JSON + b"Content-Length: 100000\r\n\r\n{",
                 "silent": b"", "unread": (b"GET /openapi.json HTTP/1.1\r\n" + HOST + BEARER + b"\r\n") * 8}[self.kind]
        try:
            self.s.sendall(begin)
        except OSError:
            self.closed = True
        self.s.setblocking(False)

    def drip(self):
        try:
            if self.kind in ("header", "body"):
                self.s.send(b"a")
            if self.kind != "unread" and self.s.recv(4096) == b"":
                self.closed = True
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True


def honest_loop(address, seconds, each):
    """Submits one after another over one connection at a time; milliseconds of each."""
    times, s = [], None
    request = POST + HOST + BEARER + JSON + LENGTH + b"\r\n" + BODY
    end, tick = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        begin = time.monotonic()
        s = s or connect(address)
        s.sendall(request)
        answer = receive(s)
        times.append((time.monotonic() - begin) * 1000)
        if status(answer) != 201:
            fail(f"the honest client: {answer[:200]!r}")
            s.close()
            s = None
        if len(times) % 20 == 0 and s:
            s.close()
            s = None
        if time.monotonic() - tick > 0.5:
            tick = time.monotonic()
            each()
        time.sleep(0.002)
    return sorted(times)


def slow(address, count, seconds, limit_ms):
    # Another source, where there is one: then a limit on one address does not meet the honest client.
    source = "127.0.0.2" if address.startswith("127.0.0.1:") else None
    before = honest_loop(address, 1, lambda: None)
    crowd = [Slow(address, i, source) for i in range(int(count))]

    def each():
        for c in crowd:
            if not c.closed:
                c.drip()
    times = honest_loop(address, float(seconds), each)
    each()
    p99 = times[int(len(times) * 0.99)]
    left = {kind: sum(1 for c in crowd if c.kind == kind and not c.closed) for kind in ("header", "body", "silent")}
    print(f"# {count} slow connections, {len(times)} honest requests: p50 {times[len(times) // 2]:.2f} ms, p99 {p99:.2f} ms, "
          f"worst {times[-1]:.2f} ms (alone: p99 {before[int(len(before) * 0.99)]:.2f} ms); still open: {left}")
    if float(limit_ms) and p99 > float(limit_ms):
        fail(f"the honest client's p99 is {p99:.1f} ms")
    if any(left.values()):
        fail(f"slow connections are still open: {left}")


def crowd(address, count):
    """More silent connections than there may be: who has something to ask is answered all the same."""
    held = []
    for _ in range(int(count)):
        try:
            held.append(connect(address))
        except OSError:
            break
    time.sleep(2.5)  # each is let alone for one second
    good = 0
    for _ in range(50):
        answer = ask(address, POST + HOST + BEARER + JSON + LENGTH + b"\r\n" + BODY)
        good += status(answer) == 201
        if status(answer) != 201:
            print(f"# not answered: {answer[-200:]!r}")
    closed = len(select.select(held, [], [], 0)[0]) if len(held) < 1000 else -1
    print(f"# {len(held)} silent connections, {closed} of them closed; {good} of 50 honest requests answered")
    if good != 50:
        fail(f"only {good} of 50 honest requests were answered")


if __name__ == "__main__":
    command = {"malformed": malformed, "tokens": tokens, "rebind": rebind, "slow": slow, "crowd": crowd}
    command[sys.argv[1]](*sys.argv[2:])
    sys.exit(1 if failures else 0)
