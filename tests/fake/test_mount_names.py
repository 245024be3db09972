"""A mount whose cluster is slow or refuses: nobody sees names that are not
yet known as names that are not there."""

import errno
import os
import subprocess
import threading
import time

import pytest

from apiserver import namespace, pod
from scene import SOON, mounted, refuse


def slow(api, event):
    """Pods only by namespace, and those of "db" when @event comes."""
    def late(handler):
        event.wait(120)
        handler.reply(200, {"kind": "PodList", "metadata": {
            "resourceVersion": "1"}, "items": []})

    api.add(namespace("db"), namespace("web"), pod("w", namespace="web"))
    api.fault(refuse(403, "Forbidden"),
              path="/api/v1/pods", times=9)
    api.fault(late, path="/api/v1/namespaces/db/pods")


def test_a_first_list_is_waited_for(api, tool, tmp_path):
    event = threading.Event()
    slow(api, event)
    with mounted(tool, tmp_path / "k8s") as k8s:
        assert os.listdir(k8s / "web") == ["w"]
        began = time.monotonic()
        threading.Timer(0.5, event.set).start()
        assert os.listdir(k8s / "db") == []
        assert time.monotonic() - began >= 0.4
        assert not (k8s / "db" / "none").exists()


def test_who_waits_can_be_killed(api, tool, tmp_path):
    event = threading.Event()
    slow(api, event)
    with mounted(tool, tmp_path / "k8s") as k8s:
        for argv in (["ls", k8s / "db"], ["stat", k8s / "db" / "pod"]):
            waits = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
            time.sleep(0.3)
            assert waits.poll() is None
            waits.kill()
            waits.wait(timeout=SOON)
        event.set()


def test_umount_does_not_wait(api, tool, tmp_path):
    event = threading.Event()
    slow(api, event)
    with mounted(tool, tmp_path / "k8s") as k8s:
        waits = subprocess.Popen(["ls", k8s / "db"], stderr=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL)
        time.sleep(0.3)
        assert waits.poll() is None
        began = time.monotonic()
    assert time.monotonic() - began < SOON
    assert waits.wait(timeout=SOON) != 0
    waits.stderr.close()
    event.set()


def test_a_namespace_that_is_refused(api, tool, tmp_path):
    api.add(namespace("db"), namespace("web"), pod("w", namespace="web"))
    for path in ("/api/v1/pods", "/api/v1/namespaces/db/pods"):
        api.fault(refuse(403, "Forbidden"),
                  path=path, times=99)
    with mounted(tool, tmp_path / "k8s") as k8s:
        with pytest.raises(OSError) as e:
            os.listdir(k8s / "db")
        assert e.value.errno == errno.EACCES
        assert os.listdir(k8s / "web") == ["w"]
