#!/usr/bin/env python3
"""N jobs through a daemon that keeps few: its file, memory and descriptors find their level.

usage: soak.py NEAP [--jobs N]"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import Client, Daemon, until  # noqa: E402

BATCH = 2000

INI = """
[store]
url = sqlite:neap.db
keep_completed = 1h, 1000
keep_dead = 1h, 1000
[pool default]
workers = 2
"""


class Level:
    def __init__(self, daemon):
        self.file_kb = sum(os.path.getsize(os.path.join(daemon.directory, name)) for name in
                           os.listdir(daemon.directory) if name.startswith("neap.db")) >> 10
        self.memory_kb, self.descriptors = daemon.memory_kb(), daemon.descriptors()

    def __str__(self):
        return f"file {self.file_kb} kB, memory {self.memory_kb} kB, {self.descriptors} descriptors"


def run(daemon, jobs):
    daemon.write("plugins/k/small.lua", "return { retry = 0, run = function(n) if n == 0 then error('bad') end end }\n")
    daemon.write("neap.ini", INI)
    daemon.start()
    client = Client(daemon)
    text = "".join(f'{{"task":"k.small","args":{n % 100}}}\n' for n in range(BATCH))
    began, done, levels = time.monotonic(), 0, []

    def waiting():
        # the daemon's own word for what it has not ended
        status, stats = client.ask("GET", "/api/v1/stats")
        assert status == 200, stats
        total = stats.get("total", stats)
        return total["waiting"] + total["running"]
    while done < jobs:
        status, answer = client.ask("POST", "/api/v1/jobs", text, {"Content-Type": "application/x-ndjson"}, 120)
        assert status == 200 and answer.count('"id"') == BATCH, (status, answer[:300])
        done += BATCH
        until("it keeps up", lambda: waiting() < 5 * BATCH, 120, 0.02)
        if done * 10 // jobs > len(levels):
            levels.append(Level(daemon))
    until("all end", lambda: waiting() == 0, 300, 0.05)
    end = Level(daemon)
    print(f"# {done} jobs, {done / (time.monotonic() - began):.0f}/s; after three tenths {levels[2]}; at the end {end}")
    before = levels[2]
    assert end.file_kb <= before.file_kb * 1.3 + 4096, "the file grows"
    assert end.memory_kb <= before.memory_kb * 1.2 + 16384, "the memory grows"
    assert end.descriptors <= before.descriptors + 4, "descriptors leak"
    daemon.stop()
    daemon.check()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("neap")
    options.add_argument("--jobs", type=int, default=100000)
    options = options.parse_args()
    daemon = Daemon(os.path.abspath(options.neap))
    try:
        run(daemon, options.jobs)
    finally:
        daemon.end()


if __name__ == "__main__":
    main()
