#!/usr/bin/env python3
"""A backlog: N small jobs in a queue that is paused. Says how fast they are taken at the start and at the
end and what memory they need, then lets some run: by priority, and within one in order.

usage: backlog.py NEAP [--jobs N] [--run N] [--memory-mb N]"""
import argparse
import collections
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import Client, Daemon, until  # noqa: E402

BATCH = 5000
PRIORITIES = 10  # 0..9, one after another

INI = """
[store]
url = sqlite:neap.db
[pool default]
workers = 1
slots = 1
[queue back]
capacity = 100000000
"""

TASK = """
local f
return { queue = "back", run = function(args, ctx)
  f = f or assert(io.open("ran", "a"))
  f:write(ctx.id, " ", args, "\\n")
  f:flush()
end }
"""


def submit(client, count, first):
    """Submits as many and keeps the ids of the highest priority until there are enough in `first`."""
    lines = [f'{{"task":"k.say","priority":{n},"args":{n}}}\n' for n in range(PRIORITIES)]
    text = "".join(lines) * (count // PRIORITIES)
    status, answer = client.ask("POST", "/api/v1/jobs", text, {"Content-Type": "application/x-ndjson"}, 300)
    assert status == 200 and answer.count('"id"') == count, (status, answer[:500])
    if first is not None:
        for n, line in enumerate(answer.splitlines()):
            if n % PRIORITIES == PRIORITIES - 1:
                first.append(line.split('"id":"')[1][:13])


def run(daemon, options):
    daemon.write("plugins/k/say.lua", TASK)
    daemon.write("neap.ini", INI)
    daemon.start()
    client = Client(daemon)
    status, answer = client.ask("POST", "/api/v1/queues/back/pause")
    assert status == 200, (status, answer)
    batches, took, first = options.jobs // BATCH, [], []
    empty_kb = daemon.memory_kb()
    highest_kb = 0
    for batch in range(batches):
        began = time.monotonic()
        submit(client, BATCH, first if len(first) < options.run else None)
        took.append(time.monotonic() - began)
        if batch % 20 == 0 or batch == batches - 1:
            highest_kb = max(highest_kb, daemon.memory_kb())
    part = max(5, batches // 10)
    start, end = (BATCH / statistics.median(times) for times in (took[1:part + 1], took[-part:]))
    print(f"# {options.jobs} jobs: {start:.0f}/s at the start, {end:.0f}/s at the end;"
          f" memory {empty_kb // 1024} MB empty, {highest_kb // 1024} MB at most;"
          f" file {os.path.getsize(daemon.database) >> 20} MB")
    assert highest_kb < options.memory_mb * 1024, "more memory than that"
    assert not options.steady or end >= start / 2, "slower than half"

    daemon.kill()
    client.close()
    began = time.monotonic()
    daemon.start()
    print(f"# restart with them: ready in {(time.monotonic() - began) * 1000:.0f} ms, {daemon.memory_kb() >> 10} MB")
    assert client.ask("POST", "/api/v1/queues/back/resume")[0] == 200
    ran = os.path.join(daemon.directory, "ran")

    def enough():
        return os.path.exists(ran) and os.path.getsize(ran) > options.run * 16
    until("they run", enough, 600, 0.1)
    daemon.kill()
    with open(ran) as file:
        lines = [line.split() for line in file][:options.run]
    want = [(name, str(PRIORITIES - 1)) for name in first[:options.run]]
    got = [tuple(line) for line in lines][:len(want)]
    for at, pair in enumerate(got):
        assert pair == want[at], f"at {at}: {pair} ran, {want[at]} was to"
    assert len(got) >= min(options.run, options.jobs // PRIORITIES)
    twice = [name for name, n in collections.Counter(name for name, _ in got).items() if n > 1]
    assert not twice, twice
    print(f"# the first {len(got)} in order")
    daemon.check()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("neap")
    options.add_argument("--jobs", type=int, default=100000)
    options.add_argument("--run", type=int, default=5000)
    options.add_argument("--steady", action="store_true", help="fail where the last are half as fast as the first")
    options.add_argument("--memory-mb", type=int, default=200)
    options = options.parse_args()
    daemon = Daemon(os.path.abspath(options.neap))
    try:
        run(daemon, options)
    finally:
        daemon.end()


if __name__ == "__main__":
    main()
