"""podfs status and /.podfs, in words, as JSON and for Prometheus."""

import json
import os
import re
import signal
import stat

from prometheus_client.parser import text_string_to_metric_families

from conftest import NAME


RATES = re.compile(r"^    \d+ calls/s, in [0-9.]+ [KMG]?i?B/s, out [0-9.]+ "
                   r"[KMG]?i?B/s, \d+ under way$", re.M)
SILENT = "has not answered for "


def test_in_words(podfs, mount, point):
    (mount / "etc/hostname").read_text()
    said = podfs.run("status", point).stdout
    (line,) = [s for s in said.splitlines() if f"  {NAME}: " in s]
    assert re.search(r": ready, .*\d+ calls, .*round trip [0-9.]+ ms$", line)
    assert "names and files known" in said
    assert re.search(r", \d+ calls, in \d+\.?\d* [KM]?i?B, "
                     r"out \d+\.?\d* [KM]?i?B, ", line)
    # of what there is one of it is said so
    assert "1 namespace, 1 pod, 1 container\n" in said


def test_output_json(podfs, mount):
    (mount / "etc/hostname").read_text()
    for args in (["-o", "json"], ["-ojson"], ["--output=json"], ["--json"]):
        json.loads(podfs.run("status", *args).stdout)


def test_watch_shows_rates(podfs, mount, point):
    (mount / "etc/hostname").read_text()
    said = podfs.run("status", "--watch", "--count", "3", point).stdout
    # on a busy machine a look may come to nothing
    looks = said.count(f"  {NAME}: ready")
    assert looks + said.count(SILENT) == 3 and looks > 0
    # not of the first; not a terminal: nothing is cleared
    assert len(RATES.findall(said)) == looks - 1
    assert "\033" not in said


def test_watch_goes_on_while_one_stands_still(podfs, mount, point):
    (mount / "etc/hostname").read_text()
    pid = podfs.document(point)["pid"]
    watch = podfs.spawn("status", "--watch", point)
    said = ""

    def shown(what):
        nonlocal said
        for line in watch.stdout:
            said += line
            if what in line:
                return
        raise AssertionError(said)

    shown("ready")
    os.kill(pid, signal.SIGSTOP)
    shown(SILENT)
    shown(SILENT)
    os.kill(pid, signal.SIGCONT)
    shown("calls/s")
    assert SILENT in said and RATES.search(said)
    podfs.run("umount", point)
    assert watch.wait(60) == 1
    assert "nothing of podfs" in watch.stderr.read()


def test_of_one_mount(podfs, mount, point, root, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    podfs.mount(other, root)
    for args in ([point], [tmp_path / "." / "k8s"]):
        said = podfs.run("status", *args).stdout
        assert said.startswith(f"{point}\n") and str(other) not in said
    (document,) = json.loads(podfs.run("status", "--json", point).stdout)
    assert document["mountpoint"] == str(point)
    assert "nothing of podfs" in podfs.fails(1, "status", tmp_path)
    assert "one mount point only" in podfs.fails(2, "status", point, other)


def metrics(point):
    text = (point / ".podfs/metrics").read_text()
    families = list(text_string_to_metric_families(text))
    names = [f.name for f in families]
    assert len(names) == len(set(names))
    for family in families:
        assert family.documentation and family.type in ("gauge", "counter")
        assert family.samples or family.name.startswith("podfs_container_") \
            or family.name == "podfs_requests", family
    return {(s.name, s.labels.get("kind", s.labels.get("container", ""))):
            s.value for f in families for s in f.samples}


def test_metrics(podfs, mount, point):
    before = metrics(point)
    assert before[("podfs_build_info", "")] == 1
    assert ("podfs_container_ready", "postcont") not in before
    (mount / "etc/hostname").read_text()
    after = metrics(point)
    assert after[("podfs_container_ready", "postcont")] == 1
    assert after[("podfs_container_operations_total", "postcont")] > 0
    assert after[("podfs_container_received_bytes_total", "postcont")] > 0
    assert 0 < after[("podfs_container_round_trip_seconds", "postcont")] < 60
    assert any(name == "podfs_requests_total" and kind
               for name, kind in after)
    assert after[("podfs_nodes", "")] > before[("podfs_nodes", "")]


def test_the_documents_are_files_for_their_owner(mount, point):
    folder = point / ".podfs"
    assert sorted(p.name for p in folder.iterdir()) == ["metrics",
                                                        "status.json"]
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_the_round_trip_is_in_the_document(podfs, mount, point):
    (mount / "etc/hostname").read_text()
    (session,) = podfs.document(point)["sessions"]
    assert session["round_trip_us"] > 0
    assert session["waiting_ms"] == 0 and session["waits_for"] == ""
