#!/usr/bin/env python3
"""neap serve on a disk of 4 MB that fills up: what is acknowledged is kept, what is not is refused as
documented, jobs that run end, and it goes on once there is room. Exits 77 where nothing can be mounted.

usage: full.py NEAP"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import Client, Daemon, Refused, until  # noqa: E402

HOLD = """
local neap = require "neap"
return { queue = "held", run = function()
  while true do
    local f = io.open("go")
    if f then f:close() return "held" end
    neap.sleep(0.02)
  end
end }
"""

INI = """
[store]
url = sqlite:disk/neap.db
[pool default]
workers = 1
slots = 100
[queue held]
concurrency = 50
[queue later]
concurrency = 1
"""


def fill(client, daemon, limit=20000):
    """Submits until it is refused: the ids, and the answer."""
    acked = []
    for _ in range(limit):
        status, answer = client.ask("POST", "/api/v1/jobs", {
            "task": "k.held", "queue": "later", "delay": "1h", "args": {"pad": "x" * 2000}})
        if status == 201:
            acked.append(answer["id"])
        else:
            return acked, status, answer
        assert daemon.process.poll() is None, daemon.last_words()
    raise AssertionError("never full")


def must_know(client, names):
    lost = [name for name in names if not client.job(name)]
    assert not lost, f"{len(lost)} of {len(names)} acknowledged jobs are lost"


def run(daemon, disk):
    filler = os.path.join(disk, "filler")
    with open(filler, "wb") as file:
        file.write(b"\0" * 1500000)
    daemon.database = os.path.join(disk, "neap.db")
    daemon.write("plugins/k/held.lua", HOLD)
    daemon.write("neap.ini", INI)
    daemon.start()
    client = Client(daemon)
    held = [client.submit("k.held") for _ in range(50)]
    until("they run", lambda: all(client.job(name)["state"] == "running" for name in held))

    acked, status, answer = fill(client, daemon)
    assert status == 507, (status, answer)
    print(f"# full after {len(acked)} jobs: {answer.get('title')}: {answer.get('detail')}")
    must_know(client, acked)
    told = subprocess.run([daemon.neap, "submit", "--socket", daemon.socket, "k.held"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 75, told
    for _ in range(100):
        assert client.ask("POST", "/api/v1/jobs", {"task": "k.held", "args": {"pad": "x" * 2000}})[0] == 507

    # Those that run end, on the full disk, and stay so over a kill.
    daemon.write("go", "")
    until("they end", lambda: all(client.job(name)["state"] == "completed" for name in held))
    daemon.kill()
    client.close()
    daemon.start()
    must_know(client, acked)
    assert all(client.job(name)["state"] == "completed" for name in held), "a completion is lost"
    more, status, answer = fill(client, daemon)
    assert status == 507, (status, answer)

    # Room again: it takes jobs again, by itself.
    os.remove(filler)

    def accepted():
        try:
            return client.submit("k.held", {"pad": "x"})
        except Refused:
            return None
    began = time.monotonic()
    last = until("accepted again", accepted, 30)
    print(f"# {len(more)} more after a restart; takes jobs again {time.monotonic() - began:.1f} s after there is room")
    until("and runs them", lambda: client.job(last)["state"] == "completed")
    daemon.kill()
    client.close()
    daemon.start()
    must_know(client, acked + more + held + [last])
    daemon.stop()
    daemon.check()


def main():
    daemon = Daemon(os.path.abspath(sys.argv[1]))
    disk = os.path.join(daemon.directory, "disk")
    os.makedirs(disk)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "neap-test", disk],
                             capture_output=True, check=False)
    if mounted.returncode:
        print("# cannot mount here")
        sys.exit(77)
    try:
        run(daemon, disk)
    finally:
        daemon.end()
        subprocess.run(["umount", disk], check=False)


if __name__ == "__main__":
    main()
