"""SCAN: a tree in one exchange, in one order, a piece at a time."""

import errno
import os

import pytest
import wire
from client import Refused

FOLDER, FILE, STOP = (wire.constant(f"WIRE_SCAN_{name}")
                      for name in ("FOLDER", "FILE", "STOP"))
MANY = 1 << 20


def scan(helper, path="", after=None, inline_max=0, budget=MANY, at=None):
    """[(kind, path, entries or content)], where it stopped, whether at the
    end."""
    parts = helper.calls("SCAN", path=path, resume=2 if at else after is not None,
                         after=at or after or "", inline_max=inline_max,
                         budget=budget)
    last = parts.pop()
    assert last["kind"] == STOP
    found, open_file = [], None
    for part in parts:
        path = part["path"].decode()
        if part["kind"] == FILE:
            if open_file == path:
                found[-1] = (FILE, path, found[-1][2] + part["data"])
            else:
                found.append((FILE, path, part["data"]))
            open_file = None if part["end"] else path
            continue
        assert open_file is None
        names = [e["name"].decode() for e in wire.entries(part["data"])]
        if found and found[-1][:2] == (FOLDER, path):
            names = found.pop()[2] + names
        found.append((FOLDER, path, names))
    return found, last["path"].decode(), last["end"]


@pytest.fixture
def tree(root):
    """A name that ends comes before one that goes on: a, a/x, a.b."""
    for folder in ("a", "a.b", "a/deep/er", "z"):
        (root / folder).mkdir(parents=True)
    for name, text in (("a/x", "1"), ("a/deep/er/f", "22"), ("a.b/y", "333"),
                       ("m", ""), ("z/large", "l" * 200)):
        (root / name).write_text(text)
    os.symlink("/etc/passwd", root / "z/link")
    os.mkfifo(root / "z/fifo")
    return root


WALK = [(FOLDER, "", ["a", "a.b", "m", "z"]),
        (FOLDER, "a", ["deep", "x"]),
        (FOLDER, "a/deep", ["er"]),
        (FOLDER, "a/deep/er", ["f"]),
        (FILE, "a/deep/er/f", b"22"),
        (FILE, "a/x", b"1"),
        (FOLDER, "a.b", ["y"]),
        (FILE, "a.b/y", b"333"),
        (FILE, "m", b""),
        (FOLDER, "z", ["fifo", "large", "link"])]


def test_the_whole_tree(helper, tree):
    found, _, end = scan(helper, inline_max=100)
    assert (found, end) == (WALK, 1)
    found, _, end = scan(helper)
    assert (found, end) == ([x for x in WALK if x[0] == FOLDER], 1)
    found, _, _ = scan(helper, path="a", inline_max=100)
    assert found == WALK[1:6]


@pytest.mark.parametrize("top", ["", "a"])
def test_it_is_no_reading(helper, tree, top):
    """Nobody has asked for that yet: the times of reading stay."""
    paths = [tree, *(p for p in tree.rglob("*") if not p.is_symlink())]
    for path in paths:
        os.utime(path, (1e9, 1e9))
    scan(helper, top, inline_max=1000)
    assert {path.lstat().st_atime for path in paths} == {1e9}


@pytest.mark.parametrize("budget", [0, 300, 1000])
def test_it_goes_on_where_it_stopped(helper, tree, budget):
    all_found, after = [], None
    for rounds in range(1, 100):
        found, after, end = scan(helper, after=after, inline_max=100,
                                 budget=budget)
        all_found += found
        if end:
            break
    assert all_found == WALK
    assert budget or rounds >= len(WALK)


GUESS = 16 << 10


def test_a_guess_ends_before_what_would_fill_it(helper, root):
    """A folder of many names, however it is come to; a larger scan has it."""
    (root / "a/many").mkdir(parents=True)
    (root / "b").mkdir()
    for i in range(200):
        (root / "a/many" / f"name{i:04}").touch()
    found, after, end = scan(helper, budget=GUESS)
    assert [x[:2] for x in found] == [(FOLDER, ""), (FOLDER, "a")]
    assert (after, end) == ("a", 0)
    assert scan(helper, "a/many", budget=GUESS, at="a/many") == (
        [], "", 0)
    found, after, end = scan(helper, after=after)
    assert [x[1] for x in found] == ["a/many", "b"] and end
    assert len(found[0][2]) == 200
    # what isn't sent may have as many as it likes
    (root / "a/many/below").mkdir()
    found, _, end = scan(helper, "a/many", "a/many", budget=GUESS)
    assert found == [(FOLDER, "a/many/below", [])] and end


def test_a_guess_ends_before_larger_files(helper, root):
    """But for the first, if it may come at all: who reads it asks for more."""
    (root / "d").mkdir()
    for name, size in ("a", 40000), ("b", 100), ("c", 60000), ("e", 300000):
        (root / "d" / name).write_bytes(bytes(size))
    after = "d"
    for want in ["d", "d/a"], ["d/b"], ["d/c"], []:
        found, after, end = scan(helper, "d", after, inline_max=100000,
                                 budget=GUESS, at=after == "d" and after)
        assert [x[1] for x in found] == want
        assert end == (want == [])
    found, _, end = scan(helper, "d", "d/c", inline_max=MANY)
    assert [x[1] for x in found] == ["d/e"] and end


def test_one_that_sent_nothing_ended_where_it_began(helper, root):
    (root / "a").mkdir()
    (root / "b/many").mkdir(parents=True)
    for i in range(200):
        (root / "b/many" / f"name{i:04}").touch()
    assert scan(helper, after="b", budget=GUESS) == ([], "b", 0)
    first = helper.send("SCAN", path="", resume=1, after="b", inline_max=0,
                        budget=GUESS)
    assert status(helper, first) == 0
    found = helper.replies(follow(helper, first))
    assert found[0]["path"] == b"b/many" and found[-1]["end"]


def follow(helper, ident, budget=MANY, path=""):
    return helper.send("SCAN", base=ident, path=path, resume=3, after="",
                       inline_max=100, budget=budget)


def status(helper, ident):
    """With which its reply ends."""
    while True:
        _, flags, got, code, _ = helper.frame()
        assert got == ident
        if not flags & wire.MORE:
            return code


def test_one_follows_another(helper, tree):
    """All were sent before the first has ended; nothing is missing between them,
    nor told twice."""
    for budget in 2, 300, 1000:
        idents = [helper.send("SCAN", path="", resume=0, after="",
                              inline_max=100, budget=budget)]
        for _ in range(len(WALK)):
            idents.append(follow(helper, idents[-1], budget))
        paths, ended = [], []
        while len(ended) < len(idents):
            _, flags, ident, status, body = helper.frame()
            m = wire.decode("REP", "SCAN", body)
            assert status == 0 and ident == idents[len(ended)]
            if flags & wire.MORE:
                paths.append((m["kind"], m["path"].decode()))
            else:
                ended.append(m["end"])
        assert paths == [(kind, path) for kind, path, _ in WALK]
        assert ended[-1] == 1


@pytest.mark.parametrize("which, code", [
    ("itself", errno.EINVAL), ("unknown", errno.ESTALE),
    ("failed", errno.ESTALE), ("long ago", errno.ESTALE)])
def test_one_that_can_not_be_followed(helper, tree, which, code):
    first = helper.send("SCAN", path="none" if which == "failed" else "",
                        resume=0, after="", inline_max=0, budget=MANY)
    assert status(helper, first) == (errno.ENOENT if which == "failed" else 0)
    if which == "long ago":
        for _ in range(20):
            scan(helper)
    ident = {"itself": 1 << 40, "unknown": 0}.get(which, first)
    assert status(helper, follow(helper, ident)) == code


def test_a_look_is_no_end_to_remember(helper, tree):
    """Many looks at single folders don't push out where a walk came to."""
    first = helper.send("SCAN", path="", resume=0, after="", inline_max=100,
                        budget=300)
    assert status(helper, first) == 0
    for _ in range(20):
        scan(helper, budget=1)
    assert status(helper, follow(helper, first)) == 0


def test_what_has_nothing_left_takes_no_place(helper, root):
    """Nor does it need the folder to be there still."""
    (root / "gone").mkdir()
    first = helper.send("SCAN", path="gone", resume=0, after="", inline_max=0,
                        budget=MANY)
    assert status(helper, first) == 0
    (root / "gone").rmdir()
    helper.send("SCAN", base=first, path="gone", resume=3, after="",
                inline_max=0, budget=MANY)
    _, _, _, code, body = helper.frame()
    assert (code, wire.decode("REP", "SCAN", body)["end"]) == (0, 1)


def test_behind_a_place_that_is_gone(helper, tree):
    found, _, _ = scan(helper, after="a/nothing/here", inline_max=100)
    assert found == WALK[5:]


def test_from_a_place_on(helper, tree):
    for i, (_, path, _) in enumerate(WALK[1:], 1):
        found, _, _ = scan(helper, at=path, inline_max=100)
        assert found == WALK[i:], path
    found, _, _ = scan(helper, at="a/nothing/here", inline_max=100)
    assert found == WALK[5:]


def test_attributes_and_targets(helper, tree):
    parts = helper.calls("SCAN", path="z", budget=MANY)
    (part,) = [p for p in parts if p["kind"] == FOLDER]
    assert part["attr"]["ino"] == os.stat(tree / "z").st_ino
    for e in wire.entries(part["data"]):
        st = os.lstat(tree / "z" / e["name"].decode())
        assert (e["attr"]["ino"], e["attr"]["mode"]) == (st.st_ino, st.st_mode)
        assert e["target"] == (b"/etc/passwd" if e["name"] == b"link" else b"")


def test_too_many_names_are_left_out(helper, root):
    (root / "big").mkdir()
    for i in range(2100):
        (root / "big" / str(i)).touch()
    (root / "next").mkdir()
    found, _, end = scan(helper)
    assert ([path for _, path, _ in found], end) == (["", "next"], 1)


def test_a_folder_of_several_frames(helper, root):
    names = sorted(f"{i:04}" + "x" * 40 for i in range(1400))
    for name in names:
        (root / name).touch()
    (found,), _, _ = scan(helper)
    assert found == (FOLDER, "", names)


@pytest.mark.parametrize("budget", [0, MANY])
def test_files_of_several_frames(helper, root, budget):
    """A piece ends behind a whole one."""
    sizes = 65535, 65536, 65537, 200000, 1 << 20, (1 << 20) + 1
    content = {f"f{i}": os.urandom(size) for i, size in enumerate(sizes)}
    for name, data in content.items():
        (root / name).write_bytes(data)
    content.pop("f5")  # too large
    after, got = None, {}
    for _ in range(10):
        found, after, end = scan(helper, after=after, inline_max=1 << 30,
                                 budget=budget)
        got |= {path: data for kind, path, data in found if kind == FILE}
        if end:
            break
    assert got == content


def test_too_deep_is_left_out(helper, root):
    path = root
    for _ in range(80):
        path /= "d"
    path.mkdir(parents=True)
    found, _, end = scan(helper)
    assert (len(found), end) == (65, 1)


def test_of_one_folder_beside_as_many_as_there_may_be(helper, root):
    """What nobody waits for takes no place from a walk, nor a walk from it."""
    for i in range(8):
        (root / f"f{i}").write_bytes(os.urandom(MANY))
    # none of them ends before its reply is read
    walks = [helper.send("SCAN", path="", resume=0, after="", inline_max=MANY,
                         budget=8 * MANY) for _ in range(4)]
    one = helper.send("SCAN", path="", resume=0, after="", inline_max=0,
                      budget=1)
    status = {}
    while len(status) < 5:
        _, flags, ident, code, _ = helper.frame()
        if not flags & wire.MORE:
            status[ident] = code
    assert status[one] == 0
    *three, fourth = sorted(status[w] for w in walks)
    # it waits for a place, a second at most: they may be stuck
    assert three == [0, 0, 0] and fourth in (0, errno.EBUSY)


def test_who_waits_for_a_place_may_be_given_up(helper, root):
    for i in range(8):
        (root / f"f{i}").write_bytes(os.urandom(MANY))
    first = helper.send("SCAN", path="", resume=0, after="", inline_max=MANY,
                        budget=2)
    assert status(helper, first) == 0
    walks = [helper.send("SCAN", path="", resume=0, after="", inline_max=MANY,
                         budget=8 * MANY) for _ in range(3)]
    waits, given_up = follow(helper, first, 300), follow(helper, first, 300)
    helper.send("CANCEL", id=given_up)
    codes = {}
    while len(codes) < 5:
        _, flags, ident, code, _ = helper.frame()
        if not flags & wire.MORE:
            codes[ident] = code
    assert [codes[w] for w in walks] == [0, 0, 0]
    assert codes[waits] == 0
    assert codes[given_up] in (0, errno.EINTR)


def test_no_scan_of_what_is_no_folder(helper, tree):
    for path, code in (("m", errno.ENOTDIR), ("none", errno.ENOENT)):
        with pytest.raises(Refused) as e:
            scan(helper, path=path)
        assert e.value.errno == code
    os.symlink("a", tree / "s")
    with pytest.raises(Refused):
        scan(helper, path="s")
