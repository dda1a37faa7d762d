"""Mail servers for the tests: python3 post.py DIR. The ports go into DIR/post.ports: of a plain
server, of one with STARTTLS and login (ada, secret), of the same by TLS at once, of one that never
answers to QUIT, and of one that does what the recipient's name says. Mails go to DIR/mail.N, as JSON: the envelope, and what Python makes of the
mail. The certificate is DIR/post.pem."""
import asyncio, email, email.policy, json, os, ssl, subprocess, sys

from aiosmtpd.smtp import SMTP, AuthResult

WHERE = sys.argv[1]


def certificate():
    pem = WHERE + "/post.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "30", "-subj", "/CN=neap test", "-keyout", WHERE + "/post.key", "-out", pem,
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, WHERE + "/post.key")
    return context


def described(mail):
    parts = []
    for part in mail.walk():
        if not part.is_multipart():
            data = part.get_content()
            parts.append({"type": part.get_content_type(), "name": part.get_filename(),
                          "text": data.decode("latin-1") if isinstance(data, bytes) else data})
    return parts


class Box:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later@"):
            return "451 4.2.0 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("slow@"):
            open(WHERE + "/slow.begun", "w").close()
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError: # the client is gone
                open(WHERE + "/slow.gone", "w").close()
                raise
        if envelope.rcpt_tos[0].startswith("spam@"):
            return "554 5.7.1 this is spam"
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        raw = envelope.content.decode("latin-1")
        said = {"from": envelope.mail_from, "rcpt": envelope.rcpt_tos,
                "login": session.authenticated is True, "tls": session.ssl is not None,
                "headers": {k.lower(): str(v) for k, v in mail.items()}, "parts": described(mail),
                "defects": [str(d) for p in mail.walk() for d in p.defects],
                "ascii": raw.isascii(), "longest": max(map(len, raw.split("\r\n"))),
                "bare": raw.replace("\r\n", "").count("\n")}
        Box.count += 1
        with open(WHERE + "/mail.new", "w") as f:
            json.dump(said, f)
        os.rename(WHERE + "/mail.new", f"{WHERE}/mail.{Box.count}")
        return "250 OK"


def login(server, session, envelope, mechanism, data):
    good = data.login == b"ada" and data.password == b"secret"
    return AuthResult(success=good, handled=good, message=None if good else "535 5.7.8 no")


class Rude(SMTP):
    async def smtp_QUIT(self, arg):
        await asyncio.sleep(60)


async def hostile(reader, writer):
    """As far as RCPT a server like any other."""
    writer.write(b"220 hostile\r\n")
    try:
        while True:
            verb = await reader.readline()
            if not verb:
                break
            if b"flood@" in verb:
                while True:
                    writer.write(b"250-more and more\r\n" * 1000)
                    await writer.drain()
            elif b"line@" in verb:
                writer.write(b"250 " + b"x" * 200000 + b"\r\n")
            elif b"garbage@" in verb:
                writer.write(b"\0\xff what?\r\n")
            elif b"drop@" in verb:
                break
            elif b"early@" in verb:
                writer.write(b"250 OK\r\n354 go on\r\n250 taken\r\n")
            elif verb.startswith(b"DATA"):
                writer.write(b"354 go on\r\n250 taken, and not even read\r\n")
            else:
                writer.write(b"250 OK\r\n")
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def main():
    loop = asyncio.get_running_loop()
    box, context = Box(), certificate()
    secure = dict(authenticator=login, auth_require_tls=True)

    def server(kind, **options):
        return loop.create_server(lambda: kind(box, hostname="post.test", loop=loop, **options),
                                  "127.0.0.1", 0)

    servers = [
        await server(SMTP),
        await server(SMTP, tls_context=context, require_starttls=True, auth_required=True,
                     **secure),
        await loop.create_server(
            lambda: SMTP(box, hostname="post.test", loop=loop, authenticator=login,
                           auth_require_tls=False, auth_required=True),
            "127.0.0.1", 0, ssl=context),
        await server(Rude, authenticator=login, auth_require_tls=False),
        await asyncio.start_server(hostile, "127.0.0.1", 0),
    ]
    with open(WHERE + "/post.new", "w") as f:
        f.write(" ".join(str(s.sockets[0].getsockname()[1]) for s in servers) + "\n")
    os.rename(WHERE + "/post.new", WHERE + "/post.ports")
    await asyncio.gather(*(s.serve_forever() for s in servers))

asyncio.run(main())
