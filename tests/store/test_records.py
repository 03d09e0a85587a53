"""Several data sets read as one."""

import shutil

import pytest

from sfpipe.errors import SfpipeError
from sfpipe.store.records import StorePair, load_all_records
from sfpipe.store.window import WINDOWS
from sfpipe.store.writer import write_scores, write_spectrograms
from tests.projects import write_stores

WINDOW = WINDOWS["nottingham"]


@pytest.fixture
def toy(tmp_path):
    write_stores(tmp_path)
    return StorePair(tmp_path / "data/scores/toy.h5", tmp_path / "data/spectrograms/toy.h5")


def again(pair: StorePair, name: str) -> StorePair:
    stores = [store.with_name(f"{name}.h5") for store in (pair.scores, pair.spectrograms)]
    for old, new in zip((pair.scores, pair.spectrograms), stores, strict=True):
        shutil.copy(old, new)
    return StorePair(*stores)


def test_pieces_of_further_sets_bear_the_names_of_both(toy):
    pairs = [again(toy, "other"), again(toy, "third")]
    scores, played = load_all_records(toy, pairs, WINDOW, split="train")
    assert [p.piece for p in played] == ["tune0", "other:tune0", "third:tune0"]
    assert all(scores[name].piece == name for name in scores)
    assert (scores["third:tune0"].strip == scores["tune0"].strip).all()


def test_a_further_set_may_lack_a_split_and_the_first_may_not(toy, tmp_path):
    about = {"dataset": "few", "params": {}, "tools": {}}
    few = StorePair(tmp_path / "few-scores.h5", tmp_path / "few.h5")
    for write, path in ((write_scores, few.scores), (write_spectrograms, few.spectrograms)):
        with write(path, **about):
            pass
    unseen = StorePair(few.scores, toy.spectrograms)  # sound of pieces that have no strip
    for further in (few, unseen):
        _, played = load_all_records(toy, [further], WINDOW, split="valid")
        assert [p.piece for p in played] == ["tune1"]
    with pytest.raises(SfpipeError, match="no performance has a strip in split valid"):
        load_all_records(few, [toy], WINDOW, split="valid")
