"""What the servers are told: arguments and configuration files."""

from layout import NODE

KUBELET = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {{anonymous: {{enabled: true}}, webhook: {{enabled: false}}}}
authorization: {{mode: AlwaysAllow}}
cgroupDriver: cgroupfs
volumePluginDir: {run}/volume-plugins
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
failCgroupV1: false
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
evictionHard: {{nodefs.available: "0%", imagefs.available: "0%", memory.available: "10Mi"}}
imageGCHighThresholdPercent: 100
maxPods: 500
serializeImagePulls: false
containerRuntimeEndpoint: unix://{socket}
"""

CONTAINERD = """\
version = 3
root = "{root}"
state = "{state}"
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins.'io.containerd.nri.v1.nri']
  disable = true
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        SystemdCgroup = false
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.userns]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.userns.options]
        SystemdCgroup = false
        BinaryName = "{runc}"
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "{cni}"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "docker.io/podfs-test/pause:1"
"""

CNI = """\
{{"cniVersion": "1.0.0", "name": "podfs", "plugins": [
  {{"type": "ptp", "ipMasq": false,
    "ipam": {{"type": "host-local", "dataDir": "{data}",
             "ranges": [[{{"subnet": "{subnet}"}}]],
             "routes": [{{"dst": "0.0.0.0/0"}}]}}}}]}}
"""


def write(layout, runc):
    cni = layout.etc / "cni"
    cni.mkdir(parents=True, exist_ok=True)
    layout.state.mkdir(parents=True, exist_ok=True)
    (cni / "10-podfs.conflist").write_text(CNI.format(
        data=layout.run / "cni-data", subnet=layout.pod_subnet))
    (layout.etc / "kubelet.yaml").write_text(
        KUBELET.format(socket=layout.socket, run=layout.run))
    (layout.etc / "containerd.toml").write_text(CONTAINERD.format(
        root=layout.run / "containerd", state=layout.state / "state",
        socket=layout.socket, cni=cni, runc=runc))


def etcd(layout, bins):
    return [bins / "etcd", "--data-dir", layout.run / "etcd",
            "--listen-client-urls", "http://127.0.0.1:2379",
            "--advertise-client-urls", "http://127.0.0.1:2379",
            "--listen-peer-urls", "http://127.0.0.1:2380",
            "--unsafe-no-fsync", "--log-level", "warn"]


def apiserver(layout, bins):
    pki = layout.pki
    return [bins / "kube-apiserver",
            "--etcd-servers", "http://127.0.0.1:2379",
            "--service-cluster-ip-range", layout.service_subnet,
            "--advertise-address", layout.api_ip,
            "--tls-cert-file", pki / "apiserver.crt",
            "--tls-private-key-file", pki / "apiserver.key",
            "--client-ca-file", pki / "ca.crt",
            "--token-auth-file", pki / "tokens.csv",
            "--secure-port", "6443",
            "--service-account-key-file", pki / "sa.key",
            "--service-account-signing-key-file", pki / "sa.key",
            "--service-account-issuer", "https://kubernetes.default",
            "--authorization-mode", "RBAC",
            "--disable-admission-plugins", "ServiceAccount",
            "--kubelet-preferred-address-types", "InternalIP",
            "--allow-privileged=true"]


def kubelet(layout, bins):
    return [bins / "kubelet", "--config", layout.etc / "kubelet.yaml",
            "--hostname-override", NODE, "--node-ip", layout.node_ip,
            "--root-dir", layout.run / "kubelet",
            "--cert-dir", layout.run / "kubelet-pki",
            "--kubeconfig", layout.kubeconfig("kubelet")]


def containerd(layout, bins):
    return [bins / "containerd", "--config", layout.etc / "containerd.toml"]
