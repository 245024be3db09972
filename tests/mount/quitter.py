#!/usr/bin/env python3
"""quitter.py OP lost|unsent COMMAND...: a real helper that dies in an OP.

While a file QUIT stands in the current folder, the helper is killed when it has
done OP, before the reply leaves (lost), or before it hears of OP (unsent). QUIT
goes, and first what it holds is done by sh in the folder "root"."""

import os
import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "shared"))
import wire  # noqa: E402

QUIT = pathlib.Path("QUIT")


def pass_on(source, sink, last, die):
    while head := source.read(wire.HEADER.size):
        size, op = wire.HEADER.unpack(head)[:2]
        if op == last and QUIT.exists():
            die()
        sink.write(head + source.read(size - wire.HEADER.size))
        sink.flush()


def main():
    op, how = wire.OPS[sys.argv[1]], sys.argv[2]
    helper = subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)

    dying = threading.Event()

    def die():
        dying.set()
        helper.kill()
        helper.wait()
        subprocess.run(["sh", "-ec", QUIT.read_text()], cwd="root", check=True)
        QUIT.unlink()
        os._exit(1)

    def up():
        pass_on(os.fdopen(0, "rb"), helper.stdin,
                op if how == "unsent" else None, die)
        helper.stdin.close()

    threading.Thread(target=up, daemon=True).start()
    pass_on(helper.stdout, os.fdopen(1, "wb"), op if how == "lost" else None,
            die)
    if dying.is_set():
        threading.Event().wait()  # die() ends it all


main()
