"""A neap serve to be hurt, and a client of its socket. For the tests beside this file."""
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time


class Refused(Exception):
    """No answer: not there, or gone in the middle of it."""


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout=20):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    """One connection, opened when needed. One thread's."""

    def __init__(self, daemon):
        self.daemon, self.connection = daemon, None

    def ask(self, method, path, body=None, headers=None, timeout=20):
        """(status, parsed body); raises Refused. A connection that the daemon closed as idle is opened
        again for what may be asked twice."""
        if method == "GET" and self.connection:
            try:
                return self.ask_once(method, path, body, headers, timeout)
            except Refused:
                pass
        return self.ask_once(method, path, body, headers, timeout)

    def ask_once(self, method, path, body, headers, timeout):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            if not self.connection:
                self.connection = Connection(self.daemon.socket, timeout)
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Refused(str(error)) from error
        if answer.getheader("Connection") == "close":
            self.close()
        kind = answer.getheader("Content-Type", "")
        if kind.startswith("application/") and "ndjson" not in kind and text:
            return answer.status, json.loads(text)
        return answer.status, text.decode()

    def submit(self, task, args=None, headers=None, **options):
        body = {"task": task, **options}
        if args is not None:
            body["args"] = args
        status, answer = self.ask("POST", "/api/v1/jobs", body, headers)
        if status not in (200, 201):
            raise Refused(f"{status} {answer}")
        return answer["id"]

    def job(self, name):
        """Its document, or None."""
        status, answer = self.ask("GET", "/api/v1/jobs/" + name)
        if status == 404:
            return None
        if status != 200:
            raise Refused(f"{status} {answer}")
        return answer

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None


class Daemon:
    def __init__(self, neap, directory="."):
        self.neap, self.directory = neap, os.path.abspath(directory)
        self.socket = os.path.join(self.directory, "neap.sock")
        self.database = os.path.join(self.directory, "neap.db")
        self.process = None
        self.starts = 0
        self.environment = None

    def write(self, path, text):
        path = os.path.join(self.directory, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def start(self, *options, ready=True):
        self.starts += 1
        self.log = open(os.path.join(self.directory, "err"), "ab")
        self.process = subprocess.Popen(
            [self.neap, "serve", *options], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, env=self.environment)
        if ready:
            self.await_ready()

    def await_ready(self, limit_s=30):
        client = Client(self)
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.last_words()}")
            try:
                if client.ask("GET", "/readyz")[0] == 200:
                    client.close()
                    return
            except Refused:
                pass
            time.sleep(0.005)
        raise AssertionError("never ready:\n" + self.last_words())

    def last_words(self):
        with open(os.path.join(self.directory, "err"), errors="replace") as file:
            return "".join(file.readlines()[-15:])

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        return self.wait()

    def wait(self, limit_s=60):
        try:
            status = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {limit_s} s:\n{self.last_words()}") from None
        self.log.close()
        return status

    def stop(self):
        status = self.kill(signal.SIGTERM)
        assert status == 0, f"exit status {status}:\n{self.last_words()}"

    def end(self):
        """For a finally: whatever is left."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def check(self, path=None):
        """The integrity of its file, once it is closed."""
        with sqlite3.connect(path or self.database) as database:
            found = database.execute("PRAGMA integrity_check").fetchall()
        database.close()
        assert found == [("ok",)], found

    def memory_kb(self, field="VmRSS"):
        with open(f"/proc/{self.process.pid}/status") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        return 0

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def until(what, condition, limit_s=30, step_s=0.01):
    """The first true value of condition()."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(step_s)
    raise AssertionError("never: " + what)
