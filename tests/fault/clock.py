#!/usr/bin/env python3
"""The clock of the day is set by an hour either way under neap serve: nothing delayed runs early, a
schedule ticks once for each of its times.

usage: clock.py NEAP"""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import Client, Daemon, until  # noqa: E402

TICK = """
local neap = require "neap"
return function(args, ctx)
  local f = assert(io.open(args, "a"))
  f:write(("%.3f"):format(neap.now()), "\\n")
  f:close()
end
"""

INI = """
[store]
url = sqlite:neap.db
[schedule often]
task = k.tick
every = 500ms
args = "often"
[schedule minute]
task = k.tick
cron = * * * * *
args = "minute"
"""


class Clock:
    def __init__(self, daemon):
        self.path = os.path.join(daemon.directory, "clock")
        self.set(0)

    def set(self, seconds):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as file:
            file.write(struct.pack("q", seconds))
        self.seconds = seconds

    def now(self):
        return time.time() + self.seconds


def times(daemon, name):
    try:
        with open(os.path.join(daemon.directory, name)) as file:
            return [float(line) for line in file]
    except FileNotFoundError:
        return []


def at(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".%03dZ" % (seconds % 1 * 1000)


def before_full_minute(clock):
    """Away from it, so that no tick falls between two looks at the clock."""
    while not 5 < clock.now() % 60 < 40:
        time.sleep(0.1)


def main():
    neap = sys.argv[1]
    daemon = Daemon(os.path.abspath(neap))
    clock = Clock(daemon)
    module = os.path.join(os.path.dirname(daemon.neap), "modules/shift_clock.so")
    daemon.environment = dict(os.environ, LD_PRELOAD=module, NEAP_CLOCK=clock.path)
    daemon.write("plugins/k/tick.lua", TICK)
    daemon.write("neap.ini", INI)
    try:
        run(daemon, clock)
    finally:
        daemon.end()


def run(daemon, clock):
    before_full_minute(clock)
    daemon.start()
    client = Client(daemon)
    until("it ticks", lambda: len(times(daemon, "often")) >= 2)

    # Due in a time of the clock: an hour back makes it an hour later, an hour on makes it due.
    due = clock.now() + 5
    client.submit("k.tick", "due", at=at(due))
    client.submit("k.tick", "delayed", delay="5s")
    clock.set(-3600)
    back = len(times(daemon, "often"))
    time.sleep(6)
    assert not times(daemon, "due"), "an hour back: ran early by the clock"
    for ran in times(daemon, "delayed"):
        assert ran >= due - 0.01 - 3600, "ran early"
    ticks = len(times(daemon, "often")) - back
    assert 0 <= ticks <= 14, f"{ticks} ticks of every = 500ms in 6 s after a step back"

    minute = len(times(daemon, "minute"))
    clock.set(3600)
    until("due after a step on", lambda: times(daemon, "due"), 10)
    assert times(daemon, "due")[0] >= due - 0.01
    on = len(times(daemon, "often"))
    time.sleep(3)
    ticks = len(times(daemon, "often")) - on
    assert 3 <= ticks <= 9, f"{ticks} ticks of every = 500ms in 3 s after a step on"
    assert len(times(daemon, "minute")) <= minute + 1, "more than one tick for a step on"

    # Back again: the minutes that were, are not again.
    count = len(times(daemon, "minute"))
    clock.set(0)
    time.sleep(2)
    assert len(times(daemon, "minute")) - count <= 1, times(daemon, "minute")
    daemon.stop()
    names = [int(tick // 60) for tick in times(daemon, "minute")]
    assert len(names) == len(set(names)), f"two ticks of one minute: {names}"
    print(f"# {len(times(daemon, 'often'))} ticks of every, {len(names)} of cron")


if __name__ == "__main__":
    main()
