#!/usr/bin/env python3
"""cutter.py PLAN COMMAND...: a stream to a parked helper that ends on order.

COMMAND is `podfs-helper serve`. Each frame that passes looks at the file PLAN,
{"side": "up"|"down", "frame": N, "bytes": B, "how": HOW}: counted from the
first that saw this plan, the frame N of that side passes with its first B bytes
only, and then the stream ends (B 0: at the frame's boundary). PLAN is renamed
to PLAN.done. HOW:

close   both ends at once
half    the other direction goes on for a while
late    the client's end at once, the helper's later, and what was on its way
        to the helper arrives there when another stream has taken over
rubbish what is no frame follows, then as half
silent  the helper's end at once, the client's later
"""

import json
import os
import select
import struct
import subprocess
import sys
import threading
import time

HEADER = 24
LATER = 0.1  # seconds
RUBBISH = b"\xff" * 1000


class Plan:
    """What is ordered; both sides ask. Its lock is held while one acts."""

    def __init__(self, path):
        self.path = path
        self.seen = None
        self.generation = 0
        self.lock = threading.Lock()

    def now(self):
        try:
            with open(self.path) as f:
                ident = os.fstat(f.fileno()).st_mtime_ns
                plan = json.load(f)
        except FileNotFoundError:
            return None
        if ident != self.seen:
            self.seen = ident
            self.generation += 1
        return plan

    def done(self):
        os.rename(self.path, self.path + ".done")


class Side(threading.Thread):
    """Passes on the frames of one direction. It waits for nothing that the
    other does: neither does an exec stream."""

    def __init__(self, name, source, sink, plan, leave):
        super().__init__(daemon=True)
        self.name, self.source, self.sink = name, source, sink
        self.plan, self.leave = plan, leave
        self.held = b""
        self.frames = self.generation = 0

    def frame(self):
        """The next whole one, or None."""
        if len(self.held) < HEADER:
            return None
        size = struct.unpack_from("<I", self.held)[0]
        if len(self.held) < size:
            return None
        frame, self.held = self.held[:size], self.held[size:]
        return frame

    def put(self, data):
        while data:
            data = data[os.write(self.sink, data):]

    def pass_on(self, frame):
        with self.plan.lock:
            order = self.plan.now()
            if self.generation != self.plan.generation:
                self.generation = self.plan.generation
                self.frames = 0
            if order and order["side"] == self.name and \
                    self.frames >= order["frame"]:
                cut = min(order["bytes"], len(frame) - 1)
                self.put(frame[:cut])
                self.plan.done()
                if order["how"] == "rubbish":
                    self.put(RUBBISH)
                self.leave(self, frame[cut:] + self.held, order["how"])
        self.frames += 1
        self.put(frame)

    def run(self):
        try:
            while data := os.read(self.source, 1 << 17):
                self.held += data
                while frame := self.frame():
                    self.pass_on(frame)
        except OSError:
            pass  # an end that is closed, by it or by leave()
        with self.plan.lock:  # not while the other is leaving
            os._exit(0)


def main():
    helper = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, start_new_session=True)
    to, back = helper.stdin.fileno(), helper.stdout.fileno()

    def late(side, rest):
        """In a group of its own: the daemon ends this one's."""
        os.setsid()
        waiting = b""
        if side is up:  # of the other's bytes its thread may hold some
            waiting = rest
            if select.select([0], [], [], 0)[0]:
                waiting += os.read(0, 1 << 17)
        os.close(0)
        os.close(1)
        time.sleep(LATER)
        while waiting:
            waiting = waiting[os.write(to, waiting):]
        time.sleep(LATER)

    def leave(side, rest, how):
        """Does not return. The other side goes on until the process ends."""
        if how in ("half", "rubbish"):
            time.sleep(LATER)
        elif how == "silent":
            os.close(to)
            os.close(back)
            time.sleep(LATER)
        elif how == "late" and os.fork() == 0:
            late(side, rest)
        os._exit(0)

    plan = Plan(sys.argv[1])
    up = Side("up", 0, to, plan, leave)
    down = Side("down", back, 1, plan, leave)
    up.start()
    down.start()
    down.join()


main()
