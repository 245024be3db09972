"""Credentials are seen by the API server and by nobody else: no log line at any
level, no error, no status, no argument, environment or file of podfs's has
them; and without a certificate that is right nobody is shown them."""

import base64
import contextlib
import errno
import json
import os
import shlex
import stat
import subprocess
import time
from pathlib import Path

import pytest

import apiserver
from scene import EXEC, mounted, refuse

SECRET = "planted-secret-that-nobody-prints"


def daemons(where):
    """pids of those that serve @where"""
    for p in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(where) in (p / "cmdline").read_bytes():
                yield int(p.name)


def plugin(folder, body):
    """An exec plugin that notes its arguments and environment first."""
    path = folder / "plugin"
    path.write_text("#!/bin/sh\n"
                    f"{{ env; tr '\\0' ' ' </proc/$$/cmdline; }} >>"
                    f"{shlex.quote(str(folder / 'plugin-saw'))}\n{body}\n")
    path.chmod(0o700)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1",
                     "interactiveMode": "Never", "command": str(path)}}


def credential(**status):
    return shlex.quote(json.dumps({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential", "status": status}))


def user_of(how, folder, key):
    if how == "token":
        return {"token": SECRET}
    if how == "token-file":
        (folder / "token").write_text(SECRET)
        return {"tokenFile": str(folder / "token")}
    if how == "basic":
        return {"username": "u", "password": SECRET}
    if how == "plugin":
        return plugin(folder, f"echo {credential(token=SECRET)}")
    if how == "plugin-that-fails":
        return plugin(folder, f"echo {SECRET}; exit 3")
    if how == "plugin-that-babbles":
        return plugin(folder, f"echo '{{\"kind\": \"{SECRET}\", "
                              f"\"token\": \"{SECRET}\"'")
    end = "-----END PRIVATE KEY-----\n"
    pem = key.read_text().partition(end)
    return {"client-certificate-data": base64.b64encode(
                pem[2].encode()).decode(),
            "client-key-data": base64.b64encode(
                (pem[0] + end).encode()).decode()}


@pytest.mark.parametrize("how", [
    "token", "token-file", "basic", "plugin", "plugin-that-fails",
    "plugin-that-babbles", "client-key"])
def test_nobody_prints_them(api, tool, tmp_path, target, certificate, how):
    secrets = [SECRET, base64.b64encode(SECRET.encode()).decode()[:-4],
               base64.b64encode(b"u:" + SECRET.encode()).decode()]
    if how == "client-key":
        body = certificate[0].read_text().split("-----")[2]
        secrets = [line for line in body.split("\n") if len(line) > 30]
        assert secrets
    tool.user = user_of(how, tmp_path, certificate[0])
    # where it is refused the server's words, and its own, are printed
    api.fault(refuse(401, "Unauthorized"), path=EXEC)
    api.fault(refuse(403, "Forbidden", "not you"), path=EXEC, times=99)
    where = tmp_path / "k8s"
    seen = {}
    works = "that" not in how
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(mounted(tool, where, "--log-level", "debug"))
        except AssertionError:
            assert not works
        if works:
            with pytest.raises(OSError) as e:
                os.listdir(where / target)
            assert e.value.errno == errno.EACCES
            seen["status.json"] = (where / ".podfs/status.json").read_bytes()
            # 1 where any mount of this machine doesn't answer in time
            done = subprocess.run(
                [Path(tool.program).parents[2] / "cli" / "podfs", "status"],
                capture_output=True, check=False)
            seen["podfs status"] = done.stdout + done.stderr
            pids = list(daemons(where))
            assert pids
            for pid in pids:
                for name in ("cmdline", "environ", "comm", "mountinfo"):
                    seen[f"{pid}/{name}"] = Path(
                        f"/proc/{pid}/{name}").read_bytes()
            runs = [p for p in Path("/run/podfs").iterdir()
                    if p.is_file() and str(where) in p.read_text()]
            assert len(runs) == 1
            assert stat.S_IMODE(runs[0].stat().st_mode) == 0o600
            seen["run file"] = runs[0].read_bytes()
    seen["log"] = (tmp_path / "podfs.log").read_bytes()
    if how.startswith("plugin"):
        seen["plugin"] = (tmp_path / "plugin-saw").read_bytes()
    assert len(seen["log"]) > 0
    for name, text in seen.items():
        for secret in secrets:
            assert secret.encode() not in text, name
    if how in ("token", "token-file", "plugin"):
        assert any(h.get("Authorization") == f"Bearer {SECRET}"
                   for _, _, _, h in api.requests)


def test_a_proxys_password(api, tool, tmp_path, target):
    tool.cluster["proxy-url"] = f"http://u:{SECRET}@127.0.0.1:9"
    where = tmp_path / "k8s"
    with contextlib.suppress(AssertionError), \
            mounted(tool, where, "--log-level", "debug"):
        for pid in daemons(where):
            for name in ("cmdline", "environ"):
                assert SECRET.encode() not in Path(
                    f"/proc/{pid}/{name}").read_bytes()
        time.sleep(0.2)
    log = (tmp_path / "podfs.log").read_text()
    assert "127.0.0.1" in log
    assert SECRET not in log


# ---- TLS -------------------------------------------------------------------------

def present(api, certificate):
    """From now on the server shows this one."""
    api.server.socket.context.load_cert_chain(certificate)


def test_a_certificate_that_ran_out(api, tool, tmp_path, certificate):
    csr, old = tmp_path / "csr", tmp_path / "old.pem"
    key = certificate[0]
    (tmp_path / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=fake",
                    "-out", csr], check=True, capture_output=True)
    (tmp_path / "index").touch()
    (tmp_path / "serial").write_text("01\n")
    (tmp_path / "conf").write_text(
        "[ca]\ndefault_ca=d\n[d]\n"
        f"database={tmp_path}/index\nserial={tmp_path}/serial\n"
        f"new_certs_dir={tmp_path}\ndefault_md=sha256\npolicy=p\n"
        "[p]\ncommonName=supplied\n")
    subprocess.run(
        ["openssl", "ca", "-batch", "-selfsign", "-config", tmp_path / "conf",
         "-keyfile", key, "-in", csr, "-extfile", tmp_path / "ext", "-notext",
         "-startdate", "20200101000000Z", "-enddate", "20200102000000Z",
         "-out", old], check=True, capture_output=True)
    tool.cluster["certificate-authority-data"] = base64.b64encode(
        old.read_bytes()).decode()
    with open(old, "ab") as f:
        f.write(key.read_bytes())
    present(api, old)
    code, out, _ = tool.run("list")
    assert code == 1 and "failed -71" in out and "expired" in out, out
    assert api.requests == []


@pytest.mark.parametrize("names", [["IP:127.0.0.1"], ["DNS:other.test"]])
def test_the_streams_certificate_is_checked_too(api, tool, tmp_path, target,
                                                certificate, names):
    """The REST calls went well; whoever answers the exec is another."""
    other = apiserver.make_certificate(tmp_path, *names)
    tool.user = {"token": SECRET}
    patched = api.on_patch

    def turn(a, t, c):
        present(api, other[0])
        patched(a, t, c)
    api.on_patch = turn
    with mounted(tool, tmp_path / "k8s", "--timeout", "5",
                 "--start-timeout", "5") as k8s:
        until, log = time.monotonic() + 120, ""
        while "certificate" not in log:
            assert time.monotonic() < until, log
            with pytest.raises(OSError):
                os.listdir(k8s / target)
            log = (tmp_path / "podfs.log").read_text()
    assert [r for r in api.requests if r[1] == EXEC] == []
