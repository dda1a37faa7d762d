#!/usr/bin/env python3
"""Kills neap serve at random moments while clients submit. All is noted outside of it: what was
acknowledged and what was told to have ended, here; what started and ended, by the tasks in a file.

usage: kill.py NEAP [--cycles N] [--waiting N] [--limit-ms N] [--seed N]"""
import argparse
import os
import random
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import Client, Daemon, Refused, until  # noqa: E402

IN_FLIGHT = 64
CRASHES = 3  # so often a job may be running when the process dies

INI = f"""
[store]
url = sqlite:neap.db
[pool default]
workers = 2
slots = {IN_FLIGHT}
[queue work]
concurrency = {IN_FLIGHT}
[queue back]
concurrency = 1
"""

WORK = """
local neap = require "neap"
local function say(word, ctx)
  local f = assert(io.open("said", "a"))
  f:write(word, " ", ctx.id, "\\n")
  f:close()
end
return {
  queue = "work",
  run = function(args, ctx)
    say("start", ctx)
    neap.sleep(args.nap)
    say("end", ctx)
    return args.key
  end,
}
"""


class Recorder:
    def __init__(self, daemon):
        self.daemon, self.lock = daemon, threading.Lock()
        self.acked, self.done, self.keys = [], set(), {}
        self.stopping, self.refused, self.failures = False, 0, []

    def acknowledge(self, name, key=None):
        with self.lock:
            self.acked.append(name)
            if key:
                self.keys.setdefault(key, set()).add(name)

    def run(self, what, *args):
        try:
            what(*args)
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(f"{what.__name__}: {error!r}")

    def behind(self):
        return len(self.acked) - len(self.done) > 20 * IN_FLIGHT

    def submit_one_by_one(self, chance):
        client = Client(self.daemon)
        while not self.stopping:
            try:
                self.acknowledge(client.submit("k.work", {"nap": chance.uniform(0, 0.1)}))
            except Refused:
                self.refused += 1
                time.sleep(0.01)
            while self.behind() and not self.stopping:
                time.sleep(0.01)

    def submit_with_keys(self, chance):
        """Asks again with the same key until there is an answer: still one job."""
        client, count = Client(self.daemon), 0
        while not self.stopping:
            count += 1
            key = f"{chance.random()}-{count}"
            body = {"nap": chance.uniform(0, 0.05), "key": key}
            while True:
                try:
                    name = client.submit("k.work", body, {"Idempotency-Key": key})
                    self.acknowledge(name, key)
                    break
                except Refused as error:
                    assert " 409" not in str(error), error
                    self.refused += 1
                    if self.stopping:
                        return
                    time.sleep(0.01)
            time.sleep(0.005)

    def submit_in_bulk(self, chance):
        client = Client(self.daemon)
        while not self.stopping:
            lines = "".join('{"task":"k.work","args":{"nap":%.3f}}\n' % chance.uniform(0, 0.1) for _ in range(50))
            try:
                status, text = client.ask("POST", "/api/v1/jobs", lines,
                                          {"Content-Type": "application/x-ndjson"})
                assert status == 200, (status, text)
                for line in text.splitlines():
                    self.acknowledge(line.split('"id":"')[1][:13])
            except Refused:
                self.refused += 1
            time.sleep(0.3)
            while self.behind() and not self.stopping:
                time.sleep(0.01)

    def watch(self):
        """Learns of ends as anybody would."""
        client, at = Client(self.daemon), 0
        while not self.stopping:
            if at >= len(self.acked):
                time.sleep(0.005)
                continue
            name = self.acked[at]
            try:
                job = client.job(name)
            except Refused:
                time.sleep(0.01)
                continue
            assert job, f"{name} was acknowledged and is not there"
            if job["state"] == "completed":
                with self.lock:
                    self.done.add(name)
                at += 1
            elif job["state"] == "dead":
                at += 1
            else:
                time.sleep(0.003)


def read_said(daemon):
    """[(word, id)] as the tasks and mark() wrote it."""
    try:
        with open(os.path.join(daemon.directory, "said")) as file:
            return [tuple(line.split()) for line in file]
    except FileNotFoundError:
        return []


def mark(daemon, text):
    with open(os.path.join(daemon.directory, "said"), "a") as file:
        file.write(text + "\n")


def check_copy(daemon):
    copy = os.path.join(daemon.directory, "copy")
    shutil.rmtree(copy, ignore_errors=True)
    os.mkdir(copy)
    for name in os.listdir(daemon.directory):
        if name.startswith("neap.db"):
            shutil.copy(os.path.join(daemon.directory, name), copy)
    daemon.check(os.path.join(copy, "neap.db"))


def check_runs(daemon, recorder, done_by_kill):
    """Only what was running at a kill ran again, once for each."""
    last, reruns, kill, known = {}, 0, 0, set()
    for word, *rest in read_said(daemon):
        if word == "killed":
            known = done_by_kill[kill]
            kill += 1
        elif word == "start":
            name = rest[0]
            if name in last:
                reruns += 1
                assert name not in known, f"{name} was told to have ended before kill {kill}, and ran again"
                assert last[name] < kill, f"{name} ran twice after kill {kill}"
            last[name] = kill
    assert reruns <= kill * IN_FLIGHT * 2, f"{reruns} ran again"
    return last, reruns


def cycles(daemon, count, chance):
    recorder = Recorder(daemon)
    jobs = [(recorder.submit_one_by_one, random.Random(chance.random())) for _ in range(3)]
    jobs += [(recorder.submit_with_keys, random.Random(chance.random()))]
    jobs += [(recorder.submit_in_bulk, random.Random(chance.random())), (recorder.watch,)]
    daemon.start()
    threads = [threading.Thread(target=recorder.run, args=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    done_by_kill = []
    for cycle in range(count):
        time.sleep(chance.uniform(0.02, 0.6))
        daemon.kill()
        with recorder.lock:
            done_by_kill.append(set(recorder.done))
        mark(daemon, "killed")
        if cycle % 10 == 0:
            check_copy(daemon)
        daemon.start(ready=chance.random() < 0.8)  # now and then killed while it starts
        assert not recorder.failures, recorder.failures
    daemon.await_ready()
    time.sleep(0.5)
    recorder.stopping = True
    for thread in threads:
        thread.join(30)
    assert not recorder.failures, recorder.failures
    all_ended(daemon, recorder)
    starts, reruns = check_runs(daemon, recorder, done_by_kill)
    for key, names in recorder.keys.items():
        assert len(names) == 1, f"{key}: {names}"
    lost = [name for name in recorder.acked if name not in starts]
    assert not lost, f"{len(lost)} acknowledged jobs never ran: {lost[:3]}"
    print(f"# {count} kills: {len(recorder.acked)} jobs acknowledged, {recorder.refused} requests without an answer,"
          f" {len(recorder.done)} told to have ended, {reruns} ran again")


def all_ended(daemon, recorder):
    client = Client(daemon)
    dead = 0
    for name in recorder.acked:
        def ended(name=name):
            job = client.job(name)
            assert job, f"{name} was acknowledged and is lost"
            return job["state"] in ("completed", "dead") and job
        job = until(f"{name} ends", ended, 60)
        if job["state"] == "dead":
            assert job["error"]["code"] == "crash", job
            dead += 1
    print(f"# {dead} were running at {CRASHES} kills, and are dead")


def restart_with_many(daemon, waiting, limit_ms):
    """From the start of the process to that of the first job."""
    client = Client(daemon)
    line = '{"task":"k.work","queue":"back","args":{"nap":0.2}}\n'
    left = waiting
    began = time.monotonic()
    while left > 0:
        lines = min(left, 5000)
        status, text = client.ask("POST", "/api/v1/jobs", line * lines, {"Content-Type": "application/x-ndjson"}, 120)
        assert status == 200 and text.count('"id"') == lines, (status, text[:500])
        left -= lines
    took = time.monotonic() - began
    daemon.kill()
    client.close()
    mark(daemon, "killed")
    before = len(read_said(daemon))
    began = time.monotonic()
    daemon.start(ready=False)
    path = os.path.join(daemon.directory, "said")
    size = os.path.getsize(path)
    until("a job starts", lambda: os.path.getsize(path) > size, 60, 0.001)
    first_ms = (time.monotonic() - began) * 1000
    assert len(read_said(daemon)) > before
    print(f"# {waiting} submitted in {took:.1f} s; after a kill the first job starts in {first_ms:.0f} ms")
    assert first_ms <= limit_ms, f"more than {limit_ms} ms"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("neap")
    options.add_argument("--cycles", type=int, default=10)
    options.add_argument("--waiting", type=int, default=2000)
    options.add_argument("--limit-ms", type=float, default=20000)
    options.add_argument("--seed", type=int, default=time.time_ns() % 1000000)
    options = options.parse_args()
    print(f"# seed {options.seed}")
    chance = random.Random(options.seed)
    daemon = Daemon(os.path.abspath(options.neap))
    daemon.write("neap.ini", INI)
    daemon.write("plugins/k/work.lua", WORK)
    try:
        cycles(daemon, options.cycles, chance)
        restart_with_many(daemon, options.waiting, options.limit_ms)
        daemon.kill()
        check_copy(daemon)
    finally:
        daemon.end()


if __name__ == "__main__":
    main()
