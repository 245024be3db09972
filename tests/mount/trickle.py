#!/usr/bin/env python3
"""trickle.py BYTES SECONDS COMMAND...: a slow link to a helper. No more than
BYTES pass at a time, then nothing for SECONDS, in each direction by itself."""

import os
import subprocess
import sys
import threading
import time


def pass_on(source, sink, size, pause):
    while data := os.read(source, size):
        while data:
            data = data[os.write(sink, data):]
        if pause:
            time.sleep(pause)
    os.close(sink)


def main():
    size, pause = int(sys.argv[1]), float(sys.argv[2])
    helper = subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    up = os.dup(helper.stdin.fileno())
    helper.stdin.close()
    threading.Thread(target=pass_on, args=(0, up, size, pause),
                     daemon=True).start()
    pass_on(helper.stdout.fileno(), 1, size, pause)


main()
