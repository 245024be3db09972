"""/.podfs/status.json."""

import concurrent.futures
import json


def test_by_many_at_once(mount):
    """Whoever has read all of it closes it: its text stays until the answer
    has left the daemon (ASan and TSan look)."""
    status = mount.point / ".podfs/status.json"

    def read(_):
        return json.loads(status.read_text())["sessions"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for sessions in pool.map(read, range(800)):
            assert isinstance(sessions, list)
