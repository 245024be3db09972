"""Says on stderr what is being done, where it takes over two seconds."""

import sys
import threading
import time
from contextlib import contextmanager

QUIET_S = 2.0


@contextmanager
def step(what):
    start = time.monotonic()
    ended = threading.Event()

    def tell():
        if ended.wait(QUIET_S):
            return
        print(f"cluster: {what} ...", file=sys.stderr, flush=True)
        while not ended.wait(30):
            took = time.monotonic() - start
            print(f"cluster: {what}: {took:.0f} s", file=sys.stderr, flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
        took = time.monotonic() - start
        if took >= QUIET_S:
            print(f"cluster: {what}: done in {took:.1f} s", file=sys.stderr,
                  flush=True)


def wait_for(what, ready, timeout, every=0.1):
    """Calls ready() until it is true; SystemExit names what didn't come."""
    end = time.monotonic() + timeout
    with step(f"waiting for {what}"):
        while not ready():
            if time.monotonic() > end:
                raise SystemExit(f"cluster: {what} did not come within "
                                 f"{timeout:.0f} s")
            time.sleep(every)
