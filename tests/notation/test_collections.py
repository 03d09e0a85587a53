"""Whole collections against abc2midi; docs/tunes.md has the table."""

import shutil

import pytest

from tests.notation.abc2midi import compare, equal, ours, table, theirs

TUNE = "X:1\nM:6/8\nL:1/8\nK:Dm\nd|:fed cBA|{c}B3 ^c3|1 d3 d2e:|2 d3-d3|]\n"


@pytest.fixture(autouse=True)
def program():
    if shutil.which("abc2midi") is None:
        pytest.skip("abc2midi is not installed (Debian: apt install abcmidi)")


def test_one_tune_is_read_by_both(tmp_path):
    assert compare(TUNE, tmp_path) == "equal"
    other = ours(TUNE.replace("^c3", "c3"))
    assert not equal(other, theirs(TUNE, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("collection", "tunes", "played", "notes"),
    [
        ("ryan", 1059, 1005, 1040),
        ("oneill", 2009, 1930, 1985),
        ("aird", 1180, 1105, 1160),
        ("nottingham", 1034, 1000, 1025),
    ],
)
def test_collections(collection, tunes, played, notes, request):
    if collection == "nottingham":
        request.getfixturevalue("mirror")
    found = table(collection)
    assert found.total() == tunes and found["equal"] >= played
    order = sum(n for reason, n in found.items() if reason.startswith("order: "))
    assert found["equal"] + order >= notes
