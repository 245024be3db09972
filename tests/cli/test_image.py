"""The helper's image, read as the importers of OCI and docker read it."""

import hashlib
import io
import json
import tarfile

import pytest

from conftest import BUILD


class Archive:
    def __init__(self, path):
        with tarfile.open(path) as tar:
            self.files = {m.name: tar.extractfile(m).read()
                          for m in tar.getmembers() if m.isfile()}

    def blob(self, digest):
        kind, hexes = digest.split(":")
        data = self.files[f"blobs/{kind}/{hexes}"]
        assert hashlib.sha256(data).hexdigest() == hexes
        return data

    def follow(self, descriptor):
        data = self.blob(descriptor["digest"])
        assert len(data) == descriptor["size"]
        return data

    def images(self):
        """(descriptor, config, layers) of each architecture."""
        top = json.loads(self.files["index.json"])
        index = json.loads(self.follow(top["manifests"][0]))
        for one in index["manifests"]:
            manifest = json.loads(self.follow(one))
            yield (one, json.loads(self.follow(manifest["config"])),
                   [self.follow(layer) for layer in manifest["layers"]])


@pytest.fixture
def archive(podfs, tmp_path):
    path = tmp_path / "image.tar"
    done = podfs.run("image", "-o", path)
    assert (done.returncode, done.stderr) == (0, "")
    return Archive(path)


def test_both_architectures(archive):
    assert [one["platform"]["architecture"]
            for one, _, _ in archive.images()] == ["amd64", "arm64"]


def test_one_static_binary_and_a_sticky_folder(archive):
    for one, _, (layer,) in archive.images():
        arch = one["platform"]["architecture"]
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            helper = tar.extractfile("podfs-helper").read()
            members = {m.name: (m.mode, m.isdir()) for m in tar.getmembers()}
        assert members == {"podfs-helper": (0o755, False),
                           "run": (0o755, True), "run/podfs": (0o1777, True)}
        assert helper == (BUILD / "helper-image" /
                          f"podfs-helper-{arch}").read_bytes()


def test_config(archive):
    for one, config, (layer,) in archive.images():
        user, group = config["config"]["User"].split(":")
        assert int(user) > 0 and int(group) > 0
        assert config["architecture"] == one["platform"]["architecture"]
        assert config["config"]["Entrypoint"] == ["/podfs-helper"]
        assert config["rootfs"]["diff_ids"] == [
            "sha256:" + hashlib.sha256(layer).hexdigest()]


def test_what_docker_reads(archive, podfs):
    version = podfs.run("version").stdout.split()[1]
    (entry,) = json.loads(archive.files["manifest.json"])
    assert entry["RepoTags"] == [f"podfs-helper:{version}"]
    config = json.loads(archive.files[entry["Config"]])
    assert [hashlib.sha256(archive.files[name]).hexdigest()
            for name in entry["Layers"]] == [
                d.split(":")[1] for d in config["rootfs"]["diff_ids"]]


def test_names_for_containerd(podfs, tmp_path):
    path = tmp_path / "image.tar"
    podfs.run("image", "-o", path, "--name", "team/helper:7")
    note = json.loads(Archive(path).files["index.json"])
    assert note["manifests"][0]["annotations"] == {
        "io.containerd.image.name": "docker.io/library/team/helper:7",
        "org.opencontainers.image.ref.name": "7"}


def test_the_same_bytes_twice(podfs, tmp_path):
    podfs.run("image", "-o", tmp_path / "a")
    podfs.run("image", "-o", tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_one_architecture(podfs, tmp_path):
    podfs.run("image", "-o", tmp_path / "a", "--arch", "arm64")
    (one,) = list(Archive(tmp_path / "a").images())
    assert one[0]["platform"]["architecture"] == "arm64"


def test_a_file_appears_whole_or_not_at_all(podfs, tmp_path):
    podfs.fails(1, "image", "-o", tmp_path / "no" / "such")
    (tmp_path / "folder").mkdir()
    podfs.fails(1, "image", "-o", tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder"]
