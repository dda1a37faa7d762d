#!/usr/bin/env python3
"""Bytes flipped in a store's file, its log (WAL) cut short: neap serve starts on it or says in words why
it does not; it never crashes, and never deletes or shortens the file.

usage: corrupt.py NEAP [--flips N] [--cuts N] [--seed N]"""
import argparse
import collections
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import Client, Daemon, Refused, until  # noqa: E402

INI = """
[neap]
drain = 500ms
[store]
url = sqlite:neap.db
[pool default]
workers = 1
"""

TASK = """
return { retry = 0, run = function(args)
  if args and args.fail then error("as asked: " .. args.pad) end
  return args
end }
"""


def make(daemon):
    """A store with jobs in every state, killed, so that its log is there."""
    daemon.write("plugins/k/any.lua", TASK)
    daemon.write("neap.ini", INI)
    daemon.start()
    client = Client(daemon)
    names = []
    for n in range(300):
        args = {"n": n, "pad": "x" * (n % 50 * 20), "fail": n % 7 == 0}
        names.append(client.submit("k.any", args, **({"delay": "2h"} if n % 3 == 0 else {})))
    until("they end", lambda: all(client.job(name)["state"] in ("completed", "dead", "scheduled") for name in names))
    daemon.stop()  # all is in the file now
    client.close()
    daemon.start()
    for n in range(150):
        client.submit("k.any", {"n": n, "pad": "y" * 300}, **({"delay": "2h"} if n % 2 == 0 else {}))
    daemon.kill()


def sizes(directory):
    return {name: os.path.getsize(os.path.join(directory, name))
            for name in os.listdir(directory) if name.startswith("neap.db")}


def contents(directory):
    kept = {}
    for name in ("neap.db", "neap.db-wal"):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            with open(path, "rb") as file:
                kept[name] = file.read()
    return kept


def try_it(neap, directory, what):
    """How neap serve takes this: "started", "refused" or "stopped"; whatever else is a failure."""
    dump(neap, directory, what)
    daemon = Daemon(neap, directory)
    before = contents(directory)
    daemon.start(ready=False)
    client, ready = Client(daemon), False
    try:
        end = time.monotonic() + 30
        while daemon.process.poll() is None and not ready:
            assert time.monotonic() < end, f"{what}: neither starts nor ends"
            try:
                ready = client.ask("GET", "/readyz")[0] == 200
            except Refused:
                time.sleep(0.005)
        if ready:
            use(client)
            if daemon.process.poll() is None:
                daemon.process.terminate()
        status = daemon.wait(30)
        client.close()
    finally:
        daemon.end()
    words = daemon.last_words()
    if status == -15 and "store failed" in words:
        status = 70  # it was ending already when the signal came
    assert status >= 0 and status not in (99, 134, 139), f"{what}: exit status {status}\n{words}"
    after = contents(directory)
    assert len(after.get("neap.db", b"")) >= len(before["neap.db"]), f"{what}: the file is shorter\n{words}"
    if ready and status == 0:
        return "started"
    assert "neap.db" in words, f"{what}: exit status {status}, says nothing of the file\n{words}"
    if ready:
        return "stopped"
    assert after == before, f"{what}: refused, and changed\n{words}"
    return "refused"


def dump(neap, directory, what):
    """Reads what is left, and changes nothing."""
    before = contents(directory)
    for options in ([], ["--check"]):
        told = subprocess.run([neap, "dump", *options, "neap.db"], cwd=directory, capture_output=True, timeout=60,
                              check=False)
        assert told.returncode in (0, 1, 65, 66, 74, 70), f"{what}: dump {options}: {told.returncode} {told.stderr}"
        assert told.returncode == 0 or told.stderr or told.stdout, f"{what}: dump {options} says nothing"
    assert contents(directory) == before, f"{what}: dump changed the file"


def use(client):
    """Looks at everything and adds to it."""
    try:
        cursor = ""
        for _ in range(50):
            status, page = client.ask("GET", "/api/v1/jobs?limit=50&wide=yes" + cursor)
            if status != 200 or not page.get("next"):
                break
            cursor = f"&cursor={page['next']}"
        client.submit("k.any", {"n": 0})
        client.submit("k.any", {"n": 0}, delay="1h")
    except Refused:
        pass


def damaged(original, name, change):
    directory = os.path.join(os.path.dirname(original), "try")
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(original, directory, ignore=shutil.ignore_patterns("neap.sock", "err"))
    path = os.path.join(directory, name)
    with open(path, "r+b") as file:
        change(file, os.path.getsize(path))
    return directory


def main():
    options = argparse.ArgumentParser()
    options.add_argument("neap")
    options.add_argument("--flips", type=int, default=20)
    options.add_argument("--cuts", type=int, default=10)
    options.add_argument("--seed", type=int, default=time.time_ns() % 1000000)
    options = options.parse_args()
    print(f"# seed {options.seed}")
    chance, neap, count = random.Random(options.seed), os.path.abspath(options.neap), collections.Counter()
    original = os.path.abspath("original")
    os.makedirs(original)
    daemon = Daemon(neap, original)
    try:
        make(daemon)
    finally:
        daemon.end()
    print(f"# {sizes(original)}")
    assert sizes(original).get("neap.db-wal"), "a killed daemon leaves its log"
    assert try_it(neap, damaged(original, "neap.db", lambda file, size: None), "no damage") == "started"
    for n in range(options.flips):
        name = "neap.db" if n % 4 else "neap.db-wal"
        # half of them in the first pages: the header and the tables
        size = os.path.getsize(os.path.join(original, name))
        at = chance.randrange(100 if n % 5 == 0 else 8192 if n % 2 else size)
        value = chance.randrange(1, 256)

        def flip(file, _, at=at, value=value):
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ value]))
        count["flip " + try_it(neap, damaged(original, name, flip), f"{name} byte {at} ^ {value}")] += 1
    for n in range(options.cuts):
        size = os.path.getsize(os.path.join(original, "neap.db-wal"))
        at = chance.randrange(size) if n else 0
        how = try_it(neap, damaged(original, "neap.db-wal", lambda file, _, at=at: file.truncate(at)), f"log cut at {at}")
        assert how == "started", f"log cut at {at}: {how}"
        count["cut " + how] += 1
    print("# " + ", ".join(f"{what}: {n}" for what, n in sorted(count.items())))


if __name__ == "__main__":
    main()
