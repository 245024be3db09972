"""Certificates and kubeconfigs: one CA, the server's, one for each user."""

import base64
import json
import subprocess

from layout import Layout

DAYS = "3650"
TOKEN = "podfs-test-token"

# user name: group. The rights are in rbac.yaml.
USERS = {
    "admin": "system:masters",
    "podfs": "podfs-tests",
    "reader": "podfs-tests",
    "editor-ns": "podfs-tests",
    "nobody": "podfs-tests",
}


def _openssl(*args, stdin=None):
    subprocess.run(["openssl", *args], check=True, input=stdin,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _cert(layout, name, subject, ext):
    key, csr, crt = (layout.pki / f"{name}.{e}" for e in ("key", "csr", "crt"))
    _openssl("req", "-new", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key),
             "-out", str(csr), "-subj", subject)
    _openssl("x509", "-req", "-in", str(csr), "-CA", str(layout.pki / "ca.crt"),
             "-CAkey", str(layout.pki / "ca.key"), "-CAcreateserial",
             "-days", DAYS, "-out", str(crt), "-extfile", "/dev/stdin",
             stdin=ext.encode())


def _b64(path):
    return base64.b64encode(path.read_bytes()).decode()


def write_secret(path, text):
    path.touch(mode=0o600)
    path.write_text(text)


def _kubeconfig(layout, path, user, server):
    """JSON, which is YAML too."""
    write_secret(path, json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "podfs",
        "clusters": [{"name": "podfs", "cluster": {
            "server": server,
            "certificate-authority-data": _b64(layout.pki / "ca.crt")}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "podfs", "context": {
            "cluster": "podfs", "user": "user", "namespace": "db"}}],
    }, indent=1))


def make(layout: Layout):
    layout.pki.mkdir(mode=0o700)
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS,
             "-keyout", str(layout.pki / "ca.key"),
             "-out", str(layout.pki / "ca.crt"), "-subj", "/CN=podfs-test-ca")
    names = ["IP:127.0.0.1", f"IP:{layout.api_ip}", f"IP:{layout.node_ip}",
             f"IP:{layout.host_ip}", f"IP:{layout.service_ip}", "DNS:localhost",
             "DNS:kubernetes", "DNS:kubernetes.default"]
    _cert(layout, "apiserver", "/CN=kube-apiserver",
          "subjectAltName=" + ",".join(names))
    # not system:nodes: that needs the Node authorizer beside RBAC
    _cert(layout, "kubelet", "/O=system:masters/CN=system:node:node1",
          "extendedKeyUsage=clientAuth")
    for user, group in USERS.items():
        _cert(layout, user, f"/O={group}/CN={user}",
              "extendedKeyUsage=clientAuth")
    _openssl("genrsa", "-out", str(layout.pki / "sa.key"), "2048")
    (layout.pki / "tokens.csv").write_text(
        f'{TOKEN},token-user,token-user,"system:masters"\n')


def kubeconfigs(layout: Layout):
    outside = f"https://{layout.api_ip}:6443"
    for user in [*USERS, "kubelet"]:
        _kubeconfig(layout, layout.kubeconfig(user), {
            "client-certificate-data": _b64(layout.pki / f"{user}.crt"),
            "client-key-data": _b64(layout.pki / f"{user}.key"),
        }, "https://127.0.0.1:6443" if user == "kubelet" else outside)
    _kubeconfig(layout, layout.kubeconfig("token"), {"token": TOKEN}, outside)
