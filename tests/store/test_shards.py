"""Stores in several files: the same pieces, all or nothing, and what does not belong together."""

import json
import shutil

import h5py
import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.store.reader import describe, list_performances, read_performances, read_scores
from sfpipe.store.writer import write_scores, write_spectrograms

ABOUT = {"dataset": "toy", "params": {"a": 1}, "tools": {}}


def write(folder, names="abcdef", shard_mib=1, failing=None, **about):
    """Pieces of some 700 KiB each, in both stores."""
    rng = np.random.default_rng(0)
    about = ABOUT | about | {"shard_mib": shard_mib}
    with (
        write_scores(folder / "scores/toy.h5", **about) as scores,
        write_spectrograms(folder / "spectrograms/toy.h5", **about) as played,
    ):
        for name in names:
            if name == failing:
                raise SfpipeError("stopped")
            scores.add(
                name,
                split="train",
                strip=rng.integers(0, 256, (160, 4400)).astype(np.uint8),
                onset_x_px=np.array([10.0, 20.0]),
                onset_y_px=np.array([10.0, 20.0]),
                onset_quarter=np.array([0.0, 1.0]),
                staff_space_px=7.0,
                px_per_cm=28.0,
            )
            for performance in "pq":
                played.add(
                    name,
                    performance,
                    split="train",
                    spectrogram=rng.random((78, 1100)).astype(np.float32),
                    onset_s=np.array([0.5, 1.5]),
                    score_onset=np.array([0, 1]),
                )
        scores.skip("z", "it is bad")


def shards(folder, kind="scores"):
    return sorted(path.name for path in (folder / kind).iterdir())


def test_shards_hold_what_one_file_holds(tmp_path):
    write(tmp_path / "one", shard_mib=None)
    write(tmp_path / "many")
    # Two pieces make a MiB.
    assert shards(tmp_path / "many") == [*(f"toy-0000{i}.h5" for i in range(3)), "toy.h5"]
    assert len(shards(tmp_path / "many", "spectrograms")) == 4
    one, many = (read_scores(tmp_path / name / "scores/toy.h5") for name in ("one", "many"))
    assert list(one) == list(many) == list("abcdef")
    for piece in one:
        assert np.array_equal(one[piece].strip, many[piece].strip)
    records = [
        read_performances(tmp_path / name / "spectrograms/toy.h5") for name in ("one", "many")
    ]
    assert len(records[0]) == 12
    for ours, theirs in zip(*records, strict=True):
        assert (ours.piece, ours.performance) == (theirs.piece, theirs.performance)
        assert np.array_equal(ours.spectrogram, theirs.spectrogram)
    assert list_performances(tmp_path / "many/spectrograms/toy.h5")["b"] == ["p", "q"]
    about = describe(tmp_path / "many/scores/toy.h5")
    assert (about["pieces"], about["splits"]) == (6, {"train": 6})
    assert about["skipped"] == {"z": "it is bad"}
    # A shard is a store, too.
    assert list(read_scores(tmp_path / "many/scores/toy-00001.h5")) == ["c", "d"]


def test_the_same_pieces_make_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name)
    for file in shards(tmp_path / "a"):
        assert (tmp_path / "a/scores" / file).read_bytes() == (
            tmp_path / "b/scores" / file
        ).read_bytes()


def test_a_failure_leaves_the_store_as_it_was(tmp_path):
    write(tmp_path)
    before = {file: (tmp_path / "scores" / file).read_bytes() for file in shards(tmp_path)}
    with pytest.raises(SfpipeError, match="stopped"):
        write(tmp_path, names="uvwxyz", failing="y")
    after = {file: (tmp_path / "scores" / file).read_bytes() for file in shards(tmp_path)}
    assert after == before


def test_shards_of_a_larger_store_and_nothing_else_are_removed(tmp_path):
    write(tmp_path)
    (tmp_path / "scores/toy-00009.h5").write_text("mine")
    shutil.copy(tmp_path / "scores/toy-00000.h5", tmp_path / "scores/toy-kept.h5")
    write(tmp_path, names="ab")
    mine = ["toy-00009.h5", "toy-kept.h5"]
    assert shards(tmp_path) == ["toy-00000.h5", *mine, "toy.h5"]
    write(tmp_path, names="ab", shard_mib=None)
    assert shards(tmp_path) == [*mine, "toy.h5"]
    assert list(read_scores(tmp_path / "scores/toy.h5")) == ["a", "b"]


def test_a_piece_is_added_once_and_its_performances_together(tmp_path):
    spectrogram = np.ones((78, 4000), np.float32)
    given = {"split": "train", "spectrogram": spectrogram, "onset_s": np.array([0.5])}
    given["score_onset"] = np.array([0])
    for order, message in (
        (("ap", "bp", "aq"), "piece 'a' is in a shard that is complete"),
        (("ap", "ap"), "performance 'a/p' is there twice"),
    ):
        with (
            pytest.raises(SfpipeError, match=message),
            write_spectrograms(tmp_path / "toy.h5", **ABOUT, shard_mib=1) as played,
        ):
            for piece, performance in order:
                played.add(piece, performance, **given)


def rewrite(index, change):
    with h5py.File(index, "r+") as file:
        entries = json.loads(file.attrs["shards"])
        change(entries)
        file.attrs["shards"] = json.dumps(entries)


def test_what_does_not_belong_together_is_named(tmp_path):
    write(tmp_path / "new", params={"a": 2})
    write(tmp_path / "old")
    scores = tmp_path / "old/scores"
    index = scores / "toy.h5"

    def error() -> str:
        with pytest.raises(SfpipeError) as raised:
            read_scores(index)
        assert raised.value.file == str(index)
        assert "dvc repro scores" in str(raised.value.remedy)
        return raised.value.what

    kept = (scores / "toy-00001.h5").read_bytes()
    shutil.copy(tmp_path / "new/scores/toy-00001.h5", scores)
    assert error() == "its shards were not written with it"
    (scores / "toy-00001.h5").write_bytes(kept + b"more")
    assert error() == "its shard toy-00001.h5 was not written with it"
    (scores / "toy-00001.h5").unlink()
    assert error() == "its shard toy-00001.h5 is missing"
    (scores / "toy-00001.h5").write_bytes(kept)
    assert len(read_scores(index)) == 6
    rewrite(index, lambda entries: entries[1].update(name="../x.h5"))
    assert error() == "names a shard '../x.h5', expected toy-00001.h5"
    rewrite(index, lambda entries: entries.__setitem__(slice(None), [{}]))
    assert error().startswith("is damaged")


def test_an_index_is_no_shard(tmp_path):
    write(tmp_path)
    index = tmp_path / "scores/toy.h5"
    shard = index.with_name("toy-00000.h5")
    shutil.copy(index, shard)
    rewrite(index, lambda entries: entries[0].update(bytes=shard.stat().st_size))
    with pytest.raises(SfpipeError, match="its shard"):
        read_scores(index)
