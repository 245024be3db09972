#!/usr/bin/env python3
"""far.py SECONDS COMMAND...: a link to a helper on which every byte takes that
long, in each direction, and as many as there are go at once."""

import os
import queue
import subprocess
import sys
import threading
import time


def pass_on(source, sink, seconds):
    under_way = queue.SimpleQueue()

    def arrive():
        while True:
            due, data = under_way.get()
            time.sleep(max(0, due - time.monotonic()))
            if not data:
                break
            while data:
                data = data[os.write(sink, data):]
        os.close(sink)

    end = threading.Thread(target=arrive)
    end.start()
    while data := os.read(source, 1 << 20):
        under_way.put((time.monotonic() + seconds, data))
    under_way.put((0, b""))
    end.join()


def main():
    seconds = float(sys.argv[1])
    helper = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    up = os.dup(helper.stdin.fileno())
    helper.stdin.close()
    threading.Thread(target=pass_on, args=(0, up, seconds),
                     daemon=True).start()
    pass_on(helper.stdout.fileno(), 1, seconds)


main()
