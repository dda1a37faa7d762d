"""A web server for the tests: python3 web.py DIR. Plain and TLS ports go into DIR/web.ports, with a
certificate for 127.0.0.1 and localhost in DIR/web.pem that is its own authority."""
import asyncio, gzip, json, os, resource, ssl, subprocess, sys

WHERE = sys.argv[1]
counts = {"accepted": 0, "open": 0, "gone": 0, "waiting": 0, "peak": 0}
STOP = b"" # what an answer returns that is no more than a closed connection


def certificate():
    pem = WHERE + "/web.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "30", "-subj", "/CN=neap test", "-keyout", WHERE + "/web.key", "-out", pem,
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, WHERE + "/web.key")
    return context


def answer(status, body=b"", *headers):
    head = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def until_gone(reader, seconds):
    """Waits, but not longer than the client is there."""
    counts["waiting"] += 1
    counts["peak"] = max(counts["peak"], counts["waiting"])
    try:
        await asyncio.wait_for(reader.read(1), seconds)
        counts["gone"] += 1
        return True
    except asyncio.TimeoutError:
        return False
    except ConnectionError:
        counts["gone"] += 1
        return True
    finally:
        counts["waiting"] -= 1


async def respond(reader, writer, method, path, headers, body):
    asked = path
    if path.startswith("http://"): # asked as a proxy
        path = "/" + path.split("/", 3)[3]
    what, _, rest = path[1:].partition("?")[0].partition("/")
    if what == "echo":
        said = {"method": method, "path": asked, "headers": headers, "body": body.decode("latin-1")}
        return answer(200, json.dumps(said).encode(), "Content-Type: application/json")
    if what == "state":
        return answer(200, json.dumps(counts).encode())
    if what == "status":
        return answer(int(rest), b"status " + rest.encode())
    if what == "twice":
        return answer(200, b"", "X-Twice: a", "x-twice:  b ", "X-Empty:")
    if what == "redirect":
        left = int(rest)
        return answer(302, b"away", "Location: " + (f"/redirect/{left - 1}" if left > 1 else "/echo"))
    if what == "see":
        status, _, to = rest.partition("/")
        return answer(int(status), b"away", "Location: " + (to if "://" in to else "/" + to))
    if what == "slow":
        return STOP if await until_gone(reader, int(rest) / 1000) else answer(200, b"slow")
    if what == "bytes":
        return answer(200, b"x" * int(rest))
    if what == "chunks":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(int(rest)):
            writer.write(b"400\r\n" + b"y" * 1024 + b"\r\n")
            await writer.drain()
        return b"0\r\nX-Trailer: late\r\n\r\n"
    if what == "gzip":
        return answer(200, gzip.compress(b"unpacked" * int(rest or 1)), "Content-Encoding: gzip")
    if what == "last": # the connection ends, and nobody said so
        writer.write(answer(200, b"last"))
        return STOP
    if what == "cut":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
        return STOP
    if what == "begin": # a body that begins and never ends
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
        await until_gone(reader, 60)
        return STOP
    if what == "hold": # so many bytes, and never the last one
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (int(rest) + 1))
        writer.write(b"h" * int(rest))
        await until_gone(reader, 60)
        return STOP
    if what == "garbage":
        writer.write(b"this is no HTTP\r\n\r\n")
        return STOP
    if what == "fields":
        lines = [f"X-{i}: {'v' * 100}" for i in range(int(rest))]
        return answer(200, b"", *lines)
    return answer(404, b"no such page")


async def serve(reader, writer):
    counts["accepted"] += 1
    counts["open"] += 1
    try:
        while True:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = lines[0].split(" ")
            headers = dict((k.lower(), v.strip()) for k, v in
                           (line.split(":", 1) for line in lines[1:] if line))
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            out = await respond(reader, writer, method, path, headers, body)
            if out == STOP:
                break
            if method == "HEAD":
                out = out[:out.index(b"\r\n\r\n") + 4]
            writer.write(out)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        pass
    finally:
        counts["open"] -= 1
        writer.close()


async def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    plain = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=16384)
    tls = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024, ssl=certificate())
    ports = " ".join(str(s.sockets[0].getsockname()[1]) for s in (plain, tls))
    with open(WHERE + "/web.new", "w") as f:
        f.write(ports + "\n")
    os.rename(WHERE + "/web.new", WHERE + "/web.ports")
    await asyncio.gather(plain.serve_forever(), tls.serve_forever())

asyncio.run(main())
