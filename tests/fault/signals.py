#!/usr/bin/env python3
"""neap serve stopped and let go on, told to end, crashed by a module, robbed of a task.

usage: signals.py NEAP stop|term|crash|deleted|sync"""
import collections
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import Client, Daemon, Refused, until  # noqa: E402

STORE = "[store]\nurl = sqlite:neap.db\n"

SAY = """
return function(...)
  local f = assert(io.open("said", "a"))
  f:write(table.concat({...}, " "), "\\n")
  f:close()
end
"""

NAP = """
local neap, say = require "neap", require "say"
return function(args, ctx)
  say("start", ctx.id, ctx.attempt)
  neap.sleep(type(args) == "number" and args or 0.05)
  say("end", ctx.id, ctx.attempt)
end
"""


def said(daemon, word):
    """How often the tasks said it, by job."""
    count = collections.Counter()
    try:
        with open(os.path.join(daemon.directory, "said")) as file:
            for line in file:
                if line.split()[0] == word:
                    count[line.split()[1]] += 1
    except FileNotFoundError:
        pass
    return count


def in_state(client, names, *states):
    def look():
        jobs = [client.job(name) for name in names]
        return all(job["state"] in states for job in jobs) and jobs
    return look


def stop(daemon):
    """Past timeouts, the watchdog of a stuck worker and due times: nothing ends twice."""
    daemon.write("neap.ini", STORE + "[neap]\ngrace = 300ms\n[pool default]\nworkers = 2\nslots = 64\n[task k.nap]\ntimeout = 1s\n"
                 "retry.max = 5\nretry.base = 10ms\nretry.cap = 100ms\n")
    daemon.start()
    client = Client(daemon)
    names = [client.submit("k.nap", 0.3) for _ in range(40)] + [client.submit("k.nap", delay="1s") for _ in range(20)]
    until("all run", lambda: len(said(daemon, "start")) >= 40)
    for _ in range(3):
        daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        daemon.process.send_signal(signal.SIGCONT)
        time.sleep(0.2)
    jobs = until("all end", in_state(client, names, "completed", "dead"), 60)
    bad = [job for job in jobs if job["state"] != "completed"]
    assert not bad, bad
    ends = said(daemon, "end")
    # An attempt whose time was up is tried again; one that came to its end completed, once.
    twice = [name for name in names if ends[name] != 1]
    assert not twice, [(name, ends[name]) for name in twice]
    daemon.stop()
    daemon.check()
    print(f"# {len(names)} jobs, {sum(said(daemon, 'start').values())} attempts, each came to its end once")


def term(daemon):
    """64 run; half of them end within the drain, half cannot."""
    daemon.write("neap.ini", STORE + "[neap]\ndrain = 1s\n[pool default]\nworkers = 2\nslots = 64\n")
    daemon.start()
    client = Client(daemon)
    short = [client.submit("k.nap", 0.6) for _ in range(32)]
    long = [client.submit("k.nap", 30) for _ in range(32)]
    until("64 run", lambda: len(said(daemon, "start")) == 64)
    began = time.monotonic()
    daemon.stop()
    took = time.monotonic() - began
    assert took < 5, took
    ends = said(daemon, "end")
    drained = [name for name in short if ends[name]]
    assert len(drained) >= 30, len(drained)
    daemon.write("plugins/k/nap.lua", NAP.replace("and args or 0.05", "and 0.01"))
    client.close()
    daemon.start()
    jobs = until("all end", in_state(client, short + long, "completed", "dead"), 30)
    for job in jobs:
        assert job["state"] == "completed" and job["attempt"] == 1 and not job.get("crashes"), job
    starts = said(daemon, "start")
    assert all(starts[name] == 1 for name in drained)
    assert all(starts[name] == 2 for name in long)
    daemon.stop()
    daemon.check()
    print(f"# {len(drained)} drained, {64 - len(drained)} given back and run again as attempt 1; {took:.1f} s")


def crash(daemon):
    daemon.environment = dict(os.environ, LUA_CPATH_5_4=os.path.dirname(daemon.neap) + "/modules/?.so")
    daemon.write("plugins/k/crash.lua", 'local crash = require "crash"\n'
                 'local say = require "say"\n'
                 'return function(_, ctx) say("crash", ctx.id, ctx.attempt) crash.now() end\n')
    daemon.write("neap.ini", STORE + "[pool default]\nworkers = 1\n")
    daemon.start()
    client = Client(daemon)
    bad = client.submit("k.crash", priority=10, delay="200ms")  # not before the answer
    good = []
    for times in (1, 2, 3):
        assert daemon.wait() != 0
        client.close()
        daemon.start(ready=times == 3)
    for _ in range(10):
        good.append(client.submit("k.nap", 0.01))
    until("the queue goes on", in_state(client, good, "completed"))
    job = client.job(bad)
    assert job["state"] == "dead" and job["error"]["code"] == "crash" and job["crashes"] == 3, job
    assert said(daemon, "crash")[bad] == 3
    daemon.stop()
    daemon.check()
    print(f"# {job['error']['message']}")


def deleted(daemon):
    daemon.start()
    client = Client(daemon)
    path = os.path.join(daemon.directory, "plugins/k/nap.lua")
    names = [client.submit("k.nap", 0.01, delay="4s") for _ in range(20)]
    began = time.monotonic()
    os.rename(path, path + ".away")

    def refused():
        try:
            client.submit("k.nap")
        except Refused:
            return True
        return False
    until("the task is gone", refused)
    time.sleep(max(0, began + 4.5 - time.monotonic()))
    assert not said(daemon, "start").keys() & set(names)
    explained = client.ask("GET", f"/api/v1/jobs/{names[0]}/explain")
    assert "no_task" in str(explained), explained
    daemon.kill()
    client.close()
    daemon.start()
    assert client.job(names[0])["state"] == "available", client.job(names[0])
    assert "no such task" in str(client.job(names[0])), client.job(names[0])
    os.rename(path + ".away", path)
    until("all have run", in_state(client, names, "completed"))
    starts = said(daemon, "start")
    assert all(starts[name] == 1 for name in names)
    assert client.job(names[0])["attempt"] == 1
    daemon.stop()
    daemon.check()


def sync(daemon):
    """The disk fails: nothing more is acknowledged, and it ends; what was, is there after it."""
    flag = os.path.join(daemon.directory, "fail")
    module = os.path.dirname(daemon.neap) + "/modules/fail_sync.so"
    for how in ("submit", "drain"):
        daemon.environment = dict(os.environ, LD_PRELOAD=module, NEAP_FAIL_SYNC=flag)
        daemon.start()
        client = Client(daemon)
        short = [client.submit("k.nap", 0.01) for n in range(10)]
        until("some end", in_state(client, short, "completed"))
        names = short + [client.submit("k.nap", 2) for n in range(10)]
        until("the others run", lambda: len(said(daemon, "start")) >= 20)
        open(flag, "w").close()
        if how == "submit":
            try:
                name = client.submit("k.nap", 0.01)
                raise AssertionError(f"{name} was acknowledged after a failed sync")
            except Refused as error:
                print(f"# {error}")
            status = daemon.wait()
        else:
            status = daemon.kill(signal.SIGTERM)  # they end while it drains
        assert status == 70, f"exit status {status}:\n{daemon.last_words()}"
        os.remove(flag)
        client.close()
        daemon.environment = None
        daemon.start()
        lost = [name for name in names if not client.job(name)]
        assert not lost, lost
        for name in names:
            client.ask("POST", f"/api/v1/jobs/{name}/cancel")
        client.close()
        daemon.kill()
        os.remove(os.path.join(daemon.directory, "said"))
        daemon.check()


def main():
    neap, what = sys.argv[1:]
    daemon = Daemon(os.path.abspath(neap))
    daemon.write("plugins/k/lib/say.lua", SAY)
    daemon.write("plugins/k/nap.lua", NAP)
    daemon.write("neap.ini", STORE)
    try:
        {"stop": stop, "term": term, "crash": crash, "deleted": deleted, "sync": sync}[what](daemon)
    finally:
        daemon.end()


if __name__ == "__main__":
    main()
