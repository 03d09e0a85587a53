import json

import h5py
import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.files import sha256
from sfpipe.store.bank import load_bank
from sfpipe.store.heads import Heads
from sfpipe.store.inspect import describe_store
from sfpipe.store.pack import pack, unpack
from sfpipe.store.reader import augmentation, read_performances, read_scores, strip_height
from sfpipe.store.schema import plainness
from sfpipe.store.window import WINDOWS
from sfpipe.store.writer import quantised, write_scores, write_spectrograms
from tests.projects import write_stores

ALL = ("train", "valid", "test")


@pytest.fixture
def stores(tmp_path):
    """Both stores of three pieces; tune0 has a second performance, slower."""
    write_stores(tmp_path)
    scores, spectrograms = (tmp_path / f"data/{k}/toy.h5" for k in ("scores", "spectrograms"))
    more = np.random.default_rng(1).random((78, 40)).astype(np.float32)
    about = {"dataset": "toy", "params": {"a": 1}, "tools": {"made": "by hand"}}
    records = read_performances(spectrograms)
    with write_spectrograms(spectrograms, **about) as store:
        for r in records:
            store.add(**vars(r))
        # by name it would come first
        slow = {"split": "train", "spectrogram": more, "onset_s": [0.1, 0.7], "score_onset": [0, 2]}
        store.add("tune0", "a-slow", tempo_factor=0.8, soundfont="F", duration_s=1.97, **slow)
        store.skip("lost", "has no notes")
    return scores, spectrograms


def same(a, b, **tolerance) -> None:
    assert vars(a).keys() == vars(b).keys()
    for key, value in vars(a).items():
        other = vars(b)[key]
        if isinstance(value, Heads):
            assert all(np.array_equal(x, y) for x, y in zip(value, other, strict=True)), key
        elif isinstance(value, np.ndarray):
            assert value.dtype == other.dtype, key
            atol = tolerance.get(key, 0)
            np.testing.assert_allclose(value, other, rtol=0, atol=atol, err_msg=key)
        else:
            assert value == other, key


def test_a_packed_file_is_read_as_either_store(stores, tmp_path):
    out = tmp_path / "packed.h5"
    packed = pack(*stores, out, splits=ALL)
    assert (packed.pieces, packed.performances) == (3, 4)
    assert packed.bytes == out.stat().st_size
    scores, again = read_scores(stores[0]), read_scores(out)
    assert list(scores) == list(again)
    for piece in scores:
        same(scores[piece], again[piece])
    assert strip_height(out) == 40
    before, after = read_performances(stores[1]), read_performances(out)
    assert len(before) == len(after) == 4
    for a, b in zip(before, after, strict=True):
        same(a, b, spectrogram=1 / 72 + 1e-6)
    rounded = np.abs(before[0].spectrogram - after[0].spectrogram).max()
    assert rounded > 1 / 256, "nothing was rounded: the test shows nothing"


def test_step_0_keeps_every_bit_and_unpack_makes_the_stores_again(stores, tmp_path):
    out = tmp_path / "packed.h5"
    pack(*stores, out, splits=ALL, step=0)
    made = tmp_path / "s.h5", tmp_path / "p.h5"
    unpack(out, *made)
    for old, new, read in zip(stores, made, (read_scores, read_performances), strict=True):
        a, b = read(old), read(new)
        assert len(a) == len(b)
        for x, y in zip(*(v.values() if isinstance(v, dict) else v for v in (a, b)), strict=True):
            same(x, y)
        with h5py.File(old) as file, h5py.File(new) as again:
            assert file.attrs["kind"] == again.attrs["kind"]
            assert json.loads(again.attrs["skipped"]) == {"lost": "has no notes"}
    with h5py.File(made[1]) as file:
        assert file["tune0/a-slow"].attrs["duration_s"] == 1.97


def test_the_game_is_the_same_but_for_the_rounding(stores, tmp_path):
    out = tmp_path / "packed.h5"
    pack(*stores, out, splits=ALL)
    window = WINDOWS["nottingham"]
    a, b = load_bank(*stores, window), load_bank(out, out, window)
    for name in ("strip", "targets", "first_frame", "last_frame", "start_x", "strip_base"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert np.abs(a.spectrogram - b.spectrogram).max() <= 1 / 72 + 1e-6


def test_by_default_what_training_needs(stores, tmp_path):
    out = tmp_path / "packed.h5"
    pack(*stores, out)
    assert list(read_scores(out)) == ["tune0", "tune1"]


def test_fewer_performances_are_those_nearest_to_the_scores_tempo(stores, tmp_path):
    out = tmp_path / "packed.h5"
    pack(*stores, out, splits=["train"], performances=1)
    assert [(r.piece, r.performance) for r in read_performances(out)] == [("tune0", "plain")]


def test_the_file_tells_where_it_comes_from(stores, tmp_path):
    out = tmp_path / "packed.h5"
    pack(*stores, out)
    with h5py.File(out) as file:
        assert json.loads(file.attrs["sources"]) == {
            "scores": sha256(stores[0]),
            "spectrograms": sha256(stores[1]),
        }
        params = json.loads(file.attrs["params"])
        assert (params["pack"], params["spectrograms"]) == ({"step": 1 / 36}, {"a": 1})
        assert {"made", "sfpipe", "h5py"} <= set(json.loads(file.attrs["tools"]))
        assert json.loads(file.attrs["skipped"]) == {"lost": "has no notes"}
    shown = describe_store(out)
    assert "packed of 'toy', schema version 1" in shown
    assert "(40, 200)" in shown and "uint8 x 0.0277778" in shown


def test_how_performances_were_varied_is_kept(stores, tmp_path):
    packed, again = tmp_path / "packed.h5", (tmp_path / "scores.h5", tmp_path / "spectrograms.h5")
    with h5py.File(stores[1], "a") as file:
        file.attrs["params"] = json.dumps({"augment": {"copies": 2}})
    pack(*stores, packed)
    unpack(packed, *again)
    assert [augmentation(f) for f in (stores[1], packed, again[1])] == [{"copies": 2}] * 3


@pytest.mark.parametrize("what", ["truncated", "flipped", "foreign"])
def test_a_damaged_file_is_said_in_one_line(stores, tmp_path, what):
    out = tmp_path / "packed.h5"
    pack(*stores, out)
    content = bytearray(out.read_bytes())
    if what == "truncated":
        out.write_bytes(content[: len(content) // 2])
    elif what == "foreign":
        out.write_bytes(b"no file of ours" * 99)
    else:
        with h5py.File(out) as file:
            at = file["tune1/strip"].id.get_chunk_info(0).byte_offset
        content[at + 50] ^= 1
        out.write_bytes(content)
    with pytest.raises(SfpipeError) as told:
        unpack(out, tmp_path / "s.h5", tmp_path / "p.h5")
    assert str(told.value).startswith(f"{out}: is ") and "\n" not in str(told.value)
    assert told.value.remedy
    assert not (tmp_path / "s.h5").exists() and not (tmp_path / "p.h5").exists()
    if what == "flipped":
        with pytest.raises(SfpipeError, match="sfpipe pack"):
            read_scores(out)


def test_only_a_packed_file_is_unpacked(stores, tmp_path):
    with pytest.raises(SfpipeError, match="is a store of scores, not packed"):
        unpack(stores[0], tmp_path / "s.h5", tmp_path / "p.h5")


def test_nothing_to_pack(stores, tmp_path):
    with pytest.raises(SfpipeError, match="split is 'tset'"):
        pack(*stores, tmp_path / "x.h5", splits=["tset"])
    with pytest.raises(SfpipeError, match="no piece of train"):
        with write_scores(stores[0], dataset="toy", params={}, tools={}):
            pass
        pack(*stores, tmp_path / "x.h5", splits=["train"])
    with pytest.raises(SfpipeError, match="cannot pack 0"):
        pack(*stores, tmp_path / "x.h5", performances=0)


def test_rounding_keeps_to_half_a_step_or_refuses():
    values = np.array([0, 0.004, 0.3, 9.99], np.float32)
    assert quantised(values, 0.01).tolist() == [0, 0, 30, 999]
    assert quantised(values, 0.1).dtype == np.uint8
    for wrong in (np.array([-1.0]), np.array([1e6]), np.array([np.nan])):
        with pytest.raises(SfpipeError, match="no multiples of"):
            quantised(wrong, 0.01)


def test_fewer_performances_are_plain_ones(stores, tmp_path):
    heard = np.random.default_rng(2).random((78, 40)).astype(np.float32)
    records = read_performances(stores[1])
    with write_spectrograms(stores[1], dataset="toy", params={}, tools={}) as store:
        for r in records:
            store.add(**vars(r))
        augmented = {"split": "train", "spectrogram": heard, "onset_s": [0.1], "score_onset": [0]}
        store.add("tune0", "F-augmented1", **augmented)
    out = tmp_path / "packed.h5"
    pack(*stores, out, splits=["train"], performances=2)
    assert {r.performance for r in read_performances(out)} == {"plain", "a-slow"}


def test_a_damaged_score_store_is_not_said_to_be_the_other_one(stores, tmp_path):
    with h5py.File(stores[0], "a") as file:
        del file["tune1/onset_x_px"]
    with pytest.raises(SfpipeError) as told:
        pack(*stores, tmp_path / "packed.h5")
    assert told.value.file == str(stores[0]) and "dvc repro scores" in told.value.remedy


def test_performances_are_sorted_by_how_plain_they_are():
    played = [
        ("a-augmented1", 1.0),
        ("A-varied2", 1.0),
        ("b", 0.5),
        ("c", 1.5),
        ("d", 0.8),
        ("e", 1.0),
        ("a", 1.2),
    ]
    names = [name for name, _ in sorted(played, key=lambda p: plainness(*p))]
    assert names == ["e", "a", "d", "c", "b", "A-varied2", "a-augmented1"]
