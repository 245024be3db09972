"""Client certificates and roots in all the forms that curl takes, on the exec
stream too: files and data that hold more than one thing."""

import base64
import subprocess
from pathlib import Path

import pytest

import execserver
from scene import EXEC, mounted


def openssl(*argv):
    subprocess.run(["openssl", *map(str, argv)], check=True,
                   capture_output=True)


def authority(folder, name, signer=None):
    """(certificate, key): of itself, or of @signer."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    ext = "basicConstraints=critical,CA:true"
    openssl("req", "-x509" if not signer else "-new", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
            f"/CN={name}", "-keyout", key, "-out",
            cert if not signer else folder / "csr",
            *([] if signer else ["-days", "2", "-addext", ext]))
    if signer:
        sign(folder, cert, signer, ext)
    return cert, key


def sign(folder, cert, signer, ext):
    (folder / "ext").write_text(f"{ext}\n")
    openssl("x509", "-req", "-in", folder / "csr", "-CA", signer[0], "-CAkey",
            signer[1], "-CAcreateserial", "-days", "2", "-extfile",
            folder / "ext", "-out", cert)


class Client:
    """A user's certificate of an intermediate authority."""

    def __init__(self, folder, kind):
        self.root = authority(folder, "root")
        middle = authority(folder, "middle", self.root)
        key, cert = folder / "client.key", folder / "client.crt"
        how = {"rsa": ["-algorithm", "RSA", "-pkeyopt",
                       "rsa_keygen_bits:2048"],
               "ec": ["-algorithm", "EC", "-pkeyopt",
                      "ec_paramgen_curve:prime256v1"]}[kind.split("-")[0]]
        openssl("genpkey", *how, "-out", key)
        if kind.endswith("-old"):  # "BEGIN EC PRIVATE KEY", its curve before
            openssl("ec", "-in", key, "-out", key)
        openssl("req", "-new", "-key", key, "-subj", "/CN=client", "-out",
                folder / "csr")
        sign(folder, cert, middle, "basicConstraints=CA:false")
        self.key, self.cert = key.read_text(), cert.read_text()
        self.chain = self.cert + middle[0].read_text()


def both(text):
    return {"client-certificate": text, "client-key": text}


HOW = {
    "apart": lambda c: {"client-certificate": c.chain, "client-key": c.key},
    "key-first": lambda c: both(c.key + c.chain),
    "certificate-first": lambda c: both(c.chain + c.key),
    "key-between": lambda c: both(
        c.cert + c.key + c.chain[len(c.cert):]),
    "with-remarks": lambda c: both(
        f"# a remark\n{c.key}\nsubject: /CN=client\n\n{c.chain}# end"),
    "dos": lambda c: both((c.key + c.chain).replace("\n", "\r\n")),
}


@pytest.fixture
def files(api, target, tmp_path):
    root = tmp_path / "files"
    root.mkdir()
    (root / "there").write_text("content\n")
    api.fault(execserver.script(execserver.helper_on(root)), path=EXEC,
              times=99)
    return root


def user_of(folder, parts, inline):
    """As data, or as files; one file where both are the same."""
    user = {}
    for name, text in parts.items():
        if inline:
            user[f"{name}-data"] = base64.b64encode(text.encode()).decode()
            continue
        path = folder / f"{hash(text)}.pem"
        path.write_text(text, newline="")
        user[name] = str(path)
    return user


@pytest.mark.parametrize("kind, how, inline", [
    *[(kind, "apart", True) for kind in ("rsa", "ec", "ec-old")],
    *[("ec", how, False) for how in HOW], ("rsa", "key-first", True),
    ("ec-old", "key-first", True), ("ec", "certificate-first", True)])
def test_client_certificate(api, tool, tmp_path, files, kind, how, inline):
    """The server wants one, and knows nothing but the root."""
    client = Client(tmp_path, kind)
    api.wants_client_of(client.root[0])
    tool.user = user_of(tmp_path, HOW[how](client), inline)
    with mounted(tool, tmp_path / "k8s", "--log-level", "debug") as k8s:
        assert (k8s / "db/one/app/there").read_text() == "content\n"


@pytest.mark.parametrize("first", [True, False])
def test_more_than_one_root(api, tool, tmp_path, certificate, files, first):
    """As while a cluster's authority is replaced."""
    other = Path(authority(tmp_path, "other")[0]).read_text()
    roots = (certificate[1], other) if first else (other, certificate[1])
    tool.cluster["certificate-authority-data"] = base64.b64encode(
        "# roots\n".join(roots).encode()).decode()
    with mounted(tool, tmp_path / "k8s", "--log-level", "debug") as k8s:
        assert (k8s / "db/one/app/there").read_text() == "content\n"


def test_a_key_of_another_certificate(api, tool, tmp_path, files):
    client = Client(tmp_path, "ec")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-out", tmp_path / "other.key")
    tool.user = user_of(tmp_path, {
        "client-certificate": client.chain,
        "client-key": (tmp_path / "other.key").read_text()}, False)
    code, out, _ = tool.run("list")
    assert code == 1, out
