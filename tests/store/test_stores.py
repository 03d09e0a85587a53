"""Stores: what goes in comes out, what does not belong does not go in, damage is said in a line."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from sfpipe.errors import SfpipeError
from sfpipe.store.inspect import describe_store
from sfpipe.store.reader import describe, read_performances, read_scores
from sfpipe.store.schema import FILE_ATTRS, SCORE_DATASETS, SPECTROGRAM_DATASETS
from sfpipe.store.writer import write_scores, write_spectrograms

ABOUT = {"dataset": "toy", "params": {"height_px": 40}, "tools": {"verovio": "6.4"}}


def score(seed: int = 0, **changes) -> dict:
    rng = np.random.default_rng(seed)
    return {
        "split": "train",
        "title": "Ä tune",
        "strip": rng.integers(0, 256, (40, 300)).astype(np.uint8),
        "onset_x_px": np.array([10.5, 20, 299.5]),
        "onset_y_px": np.array([20, 22.25, 18]),
        "onset_quarter": np.array([0, 1 / 3, 2.0]),
        "staff_space_px": 3.5,
        "px_per_cm": 28.346,
    } | changes


def performance(seed: int = 0, **changes) -> dict:
    rng = np.random.default_rng(seed)
    return {
        "split": "train",
        "spectrogram": rng.random((78, 50)).astype(np.float32),
        "onset_s": np.array([0.1, 0.1, 1 / 3]),
        "score_onset": np.array([0, 1, 2]),
        "tempo_factor": 1.25,
        "soundfont": "FluidR3_GM",
    } | changes


def scores_file(folder: Path, pieces: dict | None = None, skipped: dict | None = None) -> Path:
    path = folder / "scores.h5"
    with write_scores(path, **ABOUT) as store:
        for name, fields in (pieces or {"a": score()}).items():
            store.add(name, **fields)
        for name, reason in (skipped or {}).items():
            store.skip(name, reason)
    return path


def spectrograms_file(folder: Path, pieces: dict | None = None) -> Path:
    path = folder / "spectrograms.h5"
    with write_spectrograms(path, **ABOUT) as store:
        for name, performances in (pieces or {"a": {"p": performance()}}).items():
            for own, fields in performances.items():
                store.add(name, own, **fields)
    return path


def overwrite(path: Path, place: int, content: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(content)


def one_line(caught, path: Path) -> str:
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert " -> " in line
    return line


def test_scores_come_back(tmp_path):
    path = scores_file(tmp_path, {"b": score(1, split="test"), "a": score(0)})
    found = read_scores(path)
    assert list(found) == ["a", "b"]
    assert list(read_scores(path, "test")) == ["b"]
    record, given = found["b"], score(1)
    assert (record.piece, record.split, record.title) == ("b", "test", "Ä tune")
    assert (record.staff_space_px, record.px_per_cm) == (3.5, 28.346)
    for name, (_, dtype, _) in SCORE_DATASETS.items():
        array = getattr(record, name)
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, given[name].astype(dtype))


def test_performances_come_back(tmp_path):
    pieces = {
        "b": {"q": performance(1, split="test")},
        "a": {"slow": performance(2), "fast": performance(3)},
    }
    path = spectrograms_file(tmp_path, pieces)
    found = read_performances(path)
    assert [(r.piece, r.performance) for r in found] == [("a", "fast"), ("a", "slow"), ("b", "q")]
    assert [r.piece for r in read_performances(path, "test")] == ["b"]
    record, given = found[2], performance(1)
    assert (record.split, record.tempo_factor, record.soundfont) == ("test", 1.25, "FluidR3_GM")
    for name, (_, dtype, _) in SPECTROGRAM_DATASETS.items():
        array = getattr(record, name)
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, given[name].astype(dtype))


def test_stores_hold_what_the_schema_lists(tmp_path):
    for path, table in (
        (scores_file(tmp_path), SCORE_DATASETS),
        (spectrograms_file(tmp_path), SPECTROGRAM_DATASETS),
    ):
        with h5py.File(path) as file:
            assert set(file.attrs) == set(FILE_ATTRS)
            group = file["a"] if table is SCORE_DATASETS else file["a/p"]
            assert {k: str(v.dtype) for k, v in group.items()} == {
                k: dtype for k, (_, dtype, _) in table.items()
            }


def test_description(tmp_path):
    pieces = {"a": score(), "b": score(split="valid"), "c": score(split="valid")}
    info = describe(scores_file(tmp_path, pieces, {"d": "too wide"}))
    assert info["splits"] == {"train": 1, "valid": 2}
    assert info["pieces"] == 3
    assert info["params"] == {"height_px": 40}
    assert info["skipped"] == {"d": "too wide"}


def test_inspect_text(tmp_path):
    path = scores_file(tmp_path, {"a": score(), "b": score(split="test")}, {"c": "no ink"})
    lines = describe_store(path, most=5).splitlines()
    assert lines[0] == f"{path}: scores of 'toy', schema version 1"
    assert lines[1].strip() == "2 pieces (1 test, 1 train), 8 arrays"
    assert lines[2].strip() == "tools: verovio 6.4"
    assert lines[3].strip() == 'params: {"height_px": 40}'
    assert any(re.fullmatch(r"  a/strip +uint8 +\(40, 300\)", line) for line in lines)
    assert "  ... and 3 more" in lines
    assert lines[-2:] == ["  skipped 1:", "    c: no ink"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strip": np.zeros((40, 300), np.float32)}, "strip must be uint8"),
        ({"strip": np.zeros((40, 300, 3), np.uint8)}, "strip must be uint8"),
        ({"strip": np.zeros((40, 0), np.uint8)}, "strip must be uint8"),
        ({"onset_x_px": [1.0, np.nan, 3.0]}, "onset_x_px holds NaN"),
        ({"onset_x_px": [1.0, 300.0, 3.0]}, "lies outside the strip"),
        ({"onset_x_px": [-0.5, 2.0, 3.0]}, "lies outside the strip"),
        ({"onset_x_px": [1.0, 2.0]}, "2 x, 3 y, 3 onset times"),
        ({"onset_x_px": [[1.0], [2.0], [3.0]]}, "must be one-dimensional"),
        ({"onset_x_px": [], "onset_y_px": [], "onset_quarter": []}, "at least one"),
        ({"onset_y_px": ["a", "b", "c"]}, "no number"),
        ({"onset_quarter": [0, np.inf, 1]}, "onset_quarter holds NaN"),
        ({"split": "training"}, "expected one of train, valid, test"),
        ({"px_per_cm": 0.0}, "px_per_cm is 0.0"),
        ({"staff_space_px": float("nan")}, "staff_space_px is nan"),
    ],
)
def test_a_wrong_score_does_not_go_in(tmp_path, changes, message):
    with pytest.raises(SfpipeError, match="bad: ") as caught:
        scores_file(tmp_path, {"good": score(), "bad": score(**changes)})
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spectrogram": np.zeros((40, 78), np.float32)}, "must be (78, frames), found (40, 78)"),
        ({"spectrogram": np.zeros((78, 0), np.float32)}, "must be (78, frames)"),
        ({"spectrogram": np.full((78, 9), np.nan, np.float32)}, "holds NaN"),
        ({"spectrogram": np.full((78, 9), 1 + 1j)}, "no number"),
        ({"onset_s": [0.2, 0.1, 0.3]}, "not decrease"),
        ({"onset_s": [-0.1, 0.1, 0.3]}, "non-negative"),
        ({"onset_s": [0.1, 0.3]}, "2 onset times but 3 score onsets"),
        ({"onset_s": [0.1, np.nan, 0.3]}, "onset_s holds NaN"),
        ({"onset_s": [], "score_onset": []}, "0 onset times"),
        ({"score_onset": [0, 1, -1]}, "integers from 0"),
        ({"score_onset": [0, 1, 1.5]}, "integers from 0"),
        ({"split": ""}, "expected one of train, valid, test"),
    ],
)
def test_a_wrong_performance_does_not_go_in(tmp_path, changes, message):
    with pytest.raises(SfpipeError, match="bad") as caught:
        spectrograms_file(
            tmp_path, {"good": {"p": performance()}, "bad": {"p": performance(**changes)}}
        )
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", ".", "a/b"])
def test_names_that_hdf5_would_take_for_folders(tmp_path, name):
    with pytest.raises(SfpipeError, match="cannot be the name"):
        scores_file(tmp_path, {name: score()})
    with pytest.raises(SfpipeError, match="cannot be the name"):
        spectrograms_file(tmp_path, {"a": {name: performance()}})


def test_nothing_goes_in_twice(tmp_path):
    with (
        pytest.raises(SfpipeError, match="'a' is there twice"),
        write_scores(tmp_path / "s.h5", **ABOUT) as store,
    ):
        store.add("a", **score())
        store.add("a", **score())
    with (
        pytest.raises(SfpipeError, match="'a/p' is there twice"),
        write_spectrograms(tmp_path / "s.h5", **ABOUT) as store,
    ):
        store.add("a", "p", **performance())
        store.add("a", "p", **performance())
    with pytest.raises(SfpipeError, match="a/q: split is test, of others train"):
        spectrograms_file(tmp_path, {"a": {"p": performance(), "q": performance(split="test")}})


def test_an_interrupted_write_leaves_the_old_store(tmp_path):
    path = scores_file(tmp_path, {"old": score()})
    with pytest.raises(KeyboardInterrupt), write_scores(path, **ABOUT) as store:
        store.add("new", **score())
        raise KeyboardInterrupt
    assert list(read_scores(path)) == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_write_leaves_the_old_store(tmp_path):
    path = scores_file(tmp_path, {"old": score()})
    code = """
import os, signal, sys
import numpy as np
from sfpipe.store.writer import write_scores
with write_scores(sys.argv[1], dataset="toy", params={}, tools={}) as store:
    strip = np.zeros((40, 300), np.uint8)
    store.add("new", split="train", strip=strip, onset_x_px=[1.0], onset_y_px=[1.0],
              onset_quarter=[0.0], staff_space_px=3.5, px_per_cm=28.0)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], timeout=1200)
    assert done.returncode == -signal.SIGKILL
    assert list(read_scores(path)) == ["old"]


def test_missing(tmp_path):
    path = tmp_path / "scores.h5"
    with pytest.raises(SfpipeError) as caught:
        read_scores(path)
    assert str(caught.value) == f"{path}: no such file -> run 'dvc repro scores'"
    with pytest.raises(SfpipeError, match=re.escape("-> run 'dvc repro spectrograms'")):
        read_performances(path)


@pytest.mark.parametrize("content", [b"", b"hello", os.urandom(5000)])
def test_no_hdf5(tmp_path, content):
    path = tmp_path / "scores.h5"
    path.write_bytes(content)
    with pytest.raises(SfpipeError) as caught:
        read_scores(path)
    assert "is not a readable HDF5 file" in one_line(caught, path)


def test_a_picture_is_no_store_and_stays(tmp_path):
    """The line names what to give instead; it tells neither to delete nor to remake it."""
    path = tmp_path / "page.png"
    Image.new("L", (9, 9)).save(path)
    content = path.read_bytes()
    with pytest.raises(SfpipeError) as caught:
        describe_store(path)
    line = one_line(caught, path)
    assert "is not a readable HDF5 file" in line
    assert line.endswith("-> name a store, e.g. data/scores/ryan.h5 or data/spectrograms/ryan.h5")
    assert path.read_bytes() == content


def test_a_newer_format_of_hdf5_is_told_as_newer(tmp_path):
    """Byte 8 of an HDF5 file is the version of its superblock (File Format Specification, II.A)."""
    path = scores_file(tmp_path)
    content = bytearray(path.read_bytes())
    assert content[8] <= 3, "the newest of HDF5 2.0"
    content[8] = 9
    path.write_bytes(content)
    for read in (read_scores, describe_store):
        with pytest.raises(SfpipeError) as caught:
            read(path)
        line = one_line(caught, path)
        assert "has a newer format than HDF5" in line
        assert "-> pip install --upgrade h5py" in line
        assert "damaged" not in line


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated(tmp_path, share):
    path = scores_file(tmp_path, {f"p{i}": score(i) for i in range(5)})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SfpipeError) as caught:
        read_scores(path)
    assert "is not a readable HDF5 file" in one_line(caught, path)


def test_damaged_inside(tmp_path):
    path = scores_file(tmp_path)
    middle = path.stat().st_size // 2  # in the packed strip
    overwrite(path, middle, bytes(200))
    with pytest.raises(SfpipeError) as caught:
        read_scores(path)
    assert "is damaged" in one_line(caught, path)


def test_one_flipped_bit_in_a_spectrogram_is_an_error(tmp_path):
    path = spectrograms_file(tmp_path)
    with h5py.File(path) as file:
        place = file["a/p/spectrogram"].id.get_chunk_info(0).byte_offset
    overwrite(path, place + 1000, bytes([path.read_bytes()[place + 1000] ^ 1]))
    with pytest.raises(SfpipeError) as caught:
        read_performances(path)
    assert "is damaged" in one_line(caught, path)


def test_a_damaged_object_header_is_one_line(tmp_path):
    path = scores_file(tmp_path)
    overwrite(path, path.read_bytes().index(b"schema_version") - 8, bytes(8))
    with pytest.raises(SfpipeError) as caught:
        read_scores(path)
    one_line(caught, path)


def test_foreign_hdf5(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["data"] = [1, 2]
    for read in (read_scores, read_performances, describe_store):
        with pytest.raises(SfpipeError) as caught:
            read(path)
        assert "is HDF5 but not an sfpipe store" in one_line(caught, path)


@pytest.mark.parametrize("version", [0, 2])
def test_other_schema_version(tmp_path, version):
    path = scores_file(tmp_path)
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = version
    with pytest.raises(SfpipeError) as caught:
        read_scores(path)
    line = one_line(caught, path)
    assert f"has schema version {version}, this sfpipe reads 1 -> make it again: run" in line


def test_the_two_kinds_swapped(tmp_path):
    with pytest.raises(SfpipeError, match="is a store of scores, expected spectrograms"):
        read_performances(scores_file(tmp_path))
    with pytest.raises(SfpipeError, match="is a store of spectrograms, expected scores"):
        read_scores(spectrograms_file(tmp_path))


def change(path: Path, what) -> Path:
    with h5py.File(path, "a") as file:
        what(file)
    return path


def put(name: str, value):
    def do(file):
        if name in file:
            del file[name]
        if value is not None:
            file[name] = value

    return do


def folder(name: str):
    def do(file):
        del file[name]
        file.create_group(name)

    return do


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (put("a/strip", None), "is damaged"),
        (put("a/strip", np.zeros((40, 300))), "strip must be uint8"),
        (put("a/onset_x_px", [1.0, np.nan, 3.0]), "a: onset_x_px holds NaN"),
        (put("a/onset_x_px", [1.0, 2.0, 3000.0]), "a: an onset lies outside the strip"),
        (folder("a/strip"), "a/strip is no array"),
        (put("stray", 3), "is damaged"),
        (lambda file: file["a"].attrs.pop("split"), "is damaged"),
        (lambda file: file["a"].attrs.create("px_per_cm", "wide"), "is damaged"),
        (lambda file: file.attrs.pop("skipped"), "is damaged (lacks 'skipped')"),
    ],
)
def test_a_store_that_somebody_changed_scores(tmp_path, what, message):
    path = change(scores_file(tmp_path), what)
    with pytest.raises(SfpipeError) as caught:
        read_scores(path)
    assert message in one_line(caught, path)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (
            put("a/p/spectrogram", np.full((78, 9), np.nan, np.float32)),
            "a/p: the spectrogram holds",
        ),
        (put("a/p/spectrogram", np.zeros((10, 9), np.float32)), "must be (78, frames)"),
        (put("a/p/onset_s", [3.0, 2.0, 1.0]), "not decrease"),
        (put("a/p/score_onset", None), "is damaged"),
        (folder("a/p/score_onset"), "a/p/score_onset is no array"),
    ],
)
def test_a_store_that_somebody_changed_spectrograms(tmp_path, what, message):
    path = change(spectrograms_file(tmp_path), what)
    with pytest.raises(SfpipeError) as caught:
        read_performances(path)
    assert message in one_line(caught, path)


def link(name: str, target):
    def do(file):
        del file[name]
        file[name] = target

    return do


def without_data(name: str, **how):
    def do(file):
        del file[name]
        file.create_dataset(name, **how)

    return do


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (without_data("a/strip", shape=(40, 300), dtype="u1", fillvalue=255), "are not there"),
        (without_data("a/strip", shape=(1 << 14, 1 << 15), dtype="u1"), "512 MiB, at most 256"),
        (
            without_data("a/strip", shape=(40, 300), dtype="u1", external=[("x", 0, 12000)]),
            "in another file",
        ),
        (link("a/strip", h5py.SoftLink("/a/onset_x_px")), "a/strip is a link"),
        (link("a/strip", h5py.ExternalLink("x.h5", "/x")), "a/strip is a link"),
        (put("a/onset_x_px", ["one", "two"]), "expected numbers"),
    ],
)
def test_what_an_array_asks_for_is_looked_at_before_it_is_read(tmp_path, what, message):
    path = change(scores_file(tmp_path), what)
    with pytest.raises(SfpipeError) as caught:
        read_scores(path)
    assert message in one_line(caught, path)


def test_inspect_of_a_store_with_broken_attributes(tmp_path):
    path = scores_file(tmp_path)
    with h5py.File(path, "a") as file:
        file.attrs["params"] = "{"
    with pytest.raises(SfpipeError) as caught:
        describe_store(path)
    assert "is damaged" in one_line(caught, path)


def test_attributes_are_json(tmp_path):
    with h5py.File(scores_file(tmp_path)) as file:
        assert json.loads(file.attrs["tools"]) == ABOUT["tools"]
