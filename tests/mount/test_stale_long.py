"""A short run of soak/stale.py: writers on both sides, readers on both sides."""

from stale import Slot, check, lateness


def test_nothing_is_older_than_the_contract_says(tmp_path):
    found, looks, _ = check(tmp_path, "told", seconds=4)
    # an error is nothing old: docs/caches.md says when, test_replaced is of them
    assert [f for f in found if f[2] != "ESTALE"] == []
    assert looks


def slot(*states):
    s = Slot("in0/f", None)
    for begun, done, value in states:
        s.states.append((begun, value))
        s.done.append(done)
    return s


def test_the_checker_knows_how_late_a_look_was():
    s = slot((5, 5.5, "b"), (7, 7.5, "c"))
    assert lateness(s, 5.2, 5.3, Slot.first) == 0
    assert lateness(s, 5.2, 5.3, "b") == 0
    assert lateness(s, 8.5, 8.6, "b") == 1
    assert lateness(s, 8.5, 8.6, "c") == 0
    assert lateness(s, 6, 6.1, "c") is None
    assert lateness(s, 6, 6.1, "ESTALE") is None
    assert lateness(s, 6, 6.1, None) is None
