#!/usr/bin/env python3
"""A real helper, some of whose replies are changed on their way.

liar.py OP ERRNO COMMAND...: while a file LIE stands in the current folder,
every reply to OP fails with ERRNO (the protocol's number).
"""

import os
import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "helper"))
import wire  # noqa: E402


def up(to):
    while data := os.read(0, 65536):
        to.write(data)
        to.flush()
    to.close()


def main():
    op, code = wire.OPS[sys.argv[1]], int(sys.argv[2])
    helper = subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    threading.Thread(target=up, args=(helper.stdin,), daemon=True).start()
    out = os.fdopen(1, "wb")
    while head := helper.stdout.read(wire.HEADER.size):
        size, this, flags, ident, status = wire.HEADER.unpack(head)
        body = helper.stdout.read(size - wire.HEADER.size)
        if this == op and pathlib.Path("LIE").exists():
            head = wire.HEADER.pack(wire.HEADER.size, this,
                                    flags & ~wire.MORE, ident, code)
            body = b""
        out.write(head + body)
        out.flush()


main()
