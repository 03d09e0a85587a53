"""The example of CONTRIBUTING.md, run as it stands there; its map of the house."""

import re

import pytest

from sfpipe.following.evaluation_set import load_evaluation_set
from sfpipe.following.registry import FOLLOWERS
from sfpipe.following.sources import Sources
from tests.pipeline.closure import ROOT
from tests.pipeline.test_dependencies import ROOMS
from tests.projects import write_stores
from tests.toy import NOTTINGHAM


def test_a_new_follower_is_one_entry(tmp_path, monkeypatch):
    section = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## A new follower")[1]
    code = re.search(r"```python\n(.*?)```", section, re.S)[1]
    write_stores(tmp_path)
    stores = tmp_path / "data/scores/toy.h5", tmp_path / "data/spectrograms/toy.h5"
    played = load_evaluation_set(*stores, NOTTINGHAM, split="test")
    monkeypatch.setattr("sfpipe.following.registry.FOLLOWERS", dict(FOLLOWERS))
    names = {"sources": Sources(*stores), "evaluation_set": played}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    # The toy tune goes from x 20 to 90 in 22 frames; this one is at 86 after them.
    (game,) = names["games"]
    assert not game.lost and game.onsets_reached == len(game.onset_frames) == 3
    assert game.position_px[-1] == pytest.approx(20 + 3 * 22)


def test_the_map_has_every_room_in_order():
    rooms = re.findall(r"^\| `(\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M)
    assert rooms == [room for floor in ROOMS for room in floor]


def test_files_and_names_that_are_named_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = re.findall(r"`((?:sfpipe|tests|docs|pipelines)/[\w/.]+)`", text)
    assert len(paths) > 12
    assert [path for path in paths if not (ROOT / path).exists()] == []
    for name, path in re.findall(r"`([A-Z]\w+)`[^`\n]{0,12}(?:in|of) `(sfpipe/[\w/]+\.py)`", text):
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text("utf-8")), (name, path)
