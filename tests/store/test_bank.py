"""The packed bank against slow slicing of one padded strip and one padded spectrogram at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.errors import SfpipeError
from sfpipe.store.bank import Bank, load_bank
from sfpipe.store.packing import crop_rows, halve
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.store.window import WINDOWS, Window, window_by_name
from sfpipe.store.writer import write_scores, write_spectrograms
from tests.toy import SMALL, performance_record, score_record

HALF = Window("msmd", width=32, height=16, shrink=2)
EXCERPT = 40


def padded_strip(record: ScoreRecord, window: Window) -> np.ndarray:
    """The middle rows in grey values, with one window width of white paper on both sides."""
    top = (record.strip.shape[0] - window.height) // 2
    middle = record.strip[top : top + window.height]
    return np.pad(middle, ((0, 0), (window.width, window.width)), constant_values=255)


def slow_window(record: ScoreRecord, window: Window, position: float) -> np.ndarray:
    """Ink the network sees around a padded position, by slicing and averaging."""
    start = int(position - window.width / 2)
    part = padded_strip(record, window)[:, start : start + window.width]
    assert part.shape[1] == window.width
    ink = 255 - part.astype(float)
    if window.shrink == 1:
        return ink
    height, width = window.image_shape
    means = ink.reshape(height, 2, width, 2).mean((1, 3))
    return np.ceil(means - 0.5)  # halves go towards paper


def slow_excerpt(record: PerformanceRecord, frame: int) -> np.ndarray:
    """The 40 frames before a padded frame index."""
    padded = np.pad(record.spectrogram, ((0, 0), (EXCERPT, EXCERPT)))
    return padded[:, frame - EXCERPT : frame]


@st.composite
def banks(draw):
    """Windows, strips of odd and even widths, several performances of a piece, in any order."""
    window = draw(st.sampled_from([SMALL, HALF]))
    scores, performances = {}, []
    for i in range(draw(st.integers(1, 3))):
        width = draw(st.integers(3, 70))
        height = draw(st.integers(window.height, window.height + 5))
        scores[f"p{i}"] = score_record(
            f"p{i}", [1.0, width - 1.5], width=width, height=height, seed=draw(st.integers(0, 99))
        )
        for j in range(draw(st.integers(1, 2))):
            frames = draw(st.integers(5, 60))
            performances.append(
                performance_record(
                    f"p{i}", [0.05, (frames - 1) / 20], frames=frames, name=f"q{j}", seed=10 * i + j
                )
            )
    performances = draw(st.permutations(performances))
    return window, scores, performances, Bank(scores, performances, window)


@settings(deadline=None, max_examples=60)
@given(banks(), st.data())
def test_windows_equal_slow_slicing(made, data):
    window, scores, performances, bank = made
    which, positions = [], []
    for i, record in enumerate(performances):
        # Where the game's rules let a position be, ends included.
        low, high = window.width / 2, scores[record.piece].strip.shape[1] + 1.5 * window.width - 1
        inside = st.floats(low, high).map(lambda x: round(x * 4) / 4)
        for position in {low, high, *data.draw(st.lists(inside, min_size=2, max_size=6))}:
            which.append(i)
            positions.append(position)
    columns = bank.columns(torch.tensor(which), torch.tensor(positions, dtype=torch.float64))
    seen = bank.score_windows(columns)
    assert seen.dtype == torch.uint8
    assert seen.shape[1:] == window.image_shape
    for one, i, position in zip(seen.numpy(), which, positions, strict=True):
        expected = slow_window(scores[performances[i].piece], window, position)
        np.testing.assert_array_equal(one, expected, err_msg=f"performance {i} at {position}")


@settings(deadline=None, max_examples=40)
@given(banks())
def test_excerpts_equal_slow_slicing(made):
    _, _, performances, bank = made
    for i, record in enumerate(performances):
        frames = torch.arange(EXCERPT, EXCERPT + record.spectrogram.shape[1] + 1)
        seen = bank.excerpts(bank.frame_base[i] + frames)
        expected = np.stack([slow_excerpt(record, int(p)) for p in frames])
        np.testing.assert_array_equal(seen.numpy(), expected)


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_the_papers_windows_in_both_phases(window):
    scores = {
        "a": score_record("a", [5, 900], width=1001, height=160, seed=1),
        "b": score_record("b", [5, 900], width=1000, height=171, seed=2),
    }
    performances = [performance_record(p, [0.1, 1.0], frames=30) for p in "ab"]
    bank = Bank(scores, performances, window)
    positions = np.concatenate(
        [
            window.width / 2 + np.arange(4),  # all paper but for the first columns
            window.width + np.array([0, 1, 2.5, 499, 500]),
            1000 + 1.5 * window.width - 1 - np.arange(3),
        ]
    )
    for i, record in enumerate(scores.values()):
        columns = bank.columns(torch.full((len(positions),), i), torch.from_numpy(positions))
        for seen, position in zip(bank.score_windows(columns), positions, strict=True):
            np.testing.assert_array_equal(seen.numpy(), slow_window(record, window, position))


def test_beside_a_piece_is_paper_and_before_it_silence():
    black = score_record("a", [1, 50], width=60, height=8)
    black.strip[:] = 0
    scores = {"a": black, "b": score_record("b", [1, 50], width=60, height=8)}
    scores["b"].strip[:] = 0
    performances = [performance_record(p, [0, 1.0], frames=30) for p in "ab"]
    bank = Bank(scores, performances, SMALL)
    half = SMALL.width / 2
    for i in range(2):
        columns = bank.columns(
            torch.tensor([i, i, i]),
            torch.tensor([half, SMALL.width, 60 + 2 * SMALL.width - half - 1]),
        )
        first, at_start, last = bank.score_windows(columns)
        assert (first == 0).all()  # 15 px before the strip: paper only
        assert (at_start[:, :15] == 0).all()
        assert (at_start[:, 15:] == 255).all()
        assert (last[:, 1:] == 0).all()
        assert (bank.excerpts(bank.frame_base[i : i + 1] + EXCERPT) == 0).all()


def test_halve_by_hand():
    ink = np.array([[1, 2, 0, 255, 7], [2, 2, 1, 255, 8]], np.uint8)
    # 7/4 = 1.75, 511/4 = 127.75, (7 + 8)/4 = 3.75 beside a column of paper
    np.testing.assert_array_equal(halve(ink), [[2, 128, 4]])
    # halves: 2/4 and 6/4 go towards paper
    np.testing.assert_array_equal(halve(np.array([[1, 0, 3, 3], [1, 0, 0, 0]], np.uint8)), [[0, 1]])
    np.testing.assert_array_equal(halve(np.full((2, 2), 255, np.uint8)), [[255]])


def test_crop_rows():
    strip = np.arange(6, dtype=np.uint8)[:, None] * np.ones((1, 3), np.uint8)
    np.testing.assert_array_equal(crop_rows(strip, 4)[:, 0], [254, 253, 252, 251])
    np.testing.assert_array_equal(crop_rows(strip, 5)[:, 0], [255, 254, 253, 252, 251])
    with pytest.raises(SfpipeError, match="the strip is 6 px high, the window needs 8"):
        crop_rows(strip, 8)


def bank_of(onset_s: list[float], x: list[float], frames: int, **changes) -> Bank:
    record = performance_record("a", onset_s, frames=frames)
    fields = {**vars(record), **changes}
    score = score_record("a", x, width=100, height=8)
    return Bank({"a": score}, [PerformanceRecord(**fields)], SMALL)


def test_an_onset_on_the_edge_of_a_frame_belongs_to_the_later_one():
    k = np.arange(2000)
    on_the_edge = bank_of([int(i) / 20 for i in k], [10.0] * 2000, 2000)
    np.testing.assert_array_equal(on_the_edge.infos[0].onset_frames, k)
    just_before = bank_of([int(i) / 20 + 0.0499999 for i in k], [10.0] * 2000, 2000)
    np.testing.assert_array_equal(just_before.infos[0].onset_frames, k)


def test_onsets_of_one_frame_are_merged_into_the_first():
    bank = bank_of([0.10, 0.12, 0.149, 0.15, 0.41], [10, 20, 30, 40, 50], 20)
    info = bank.infos[0]
    assert info.onset_frames.tolist() == [2, 3, 8]
    assert info.onset_x_px.tolist() == [10, 40, 50]
    assert info.onset_s.tolist() == [0.10, 0.15, 0.41]
    assert info.onset_set == {2, 3, 8}


def test_repeated_passages_go_back_in_the_score():
    bank = bank_of([0.1, 0.3, 0.5, 0.7], [10, 40], 20, score_onset=np.array([0, 1, 0, 1], np.int32))
    assert bank.infos[0].onset_x_px.tolist() == [10, 40, 10, 40]


def test_onsets_behind_the_audio_are_left_out():
    bank = bank_of([0.1, 0.3, 2.0], [10, 20, 30], 10)
    assert bank.infos[0].onset_frames.tolist() == [2, 6]
    with pytest.raises(SfpipeError, match="a/p: fewer than two onsets inside the audio"):
        bank_of([0.1, 1.0, 2.0], [10, 20, 30], 10)


def test_targets_and_tables_by_hand():
    bank = bank_of([0.10, 0.30, 0.40], [10, 18, 48], 12)
    # Frames 2, 6 and 8, 40 frames later; x a window of 30 px further right.
    expected = [40.0] * 43 + [42, 44, 46, 48, 63] + [78] * 4
    np.testing.assert_allclose(bank.targets.numpy(), expected)
    assert bank.first_frame.tolist() == [42]
    assert bank.last_frame.tolist() == [48]
    assert bank.start_x.tolist() == [40]
    assert bank.strip_width.tolist() == [160]


def test_targets_of_a_second_performance_begin_at_its_own_frames():
    scores = {"a": score_record("a", [10, 20], width=60, height=8)}
    performances = [
        performance_record("a", [0.1, 0.6], frames=20, name="p"),
        performance_record("a", [0.2, 1.2], frames=30, name="q"),
    ]
    bank = Bank(scores, performances, SMALL)
    assert bank.frame_base.tolist() == [0, 60]
    at = bank.targets[bank.frame_base + bank.first_frame]
    assert at.tolist() == [40, 40]
    middle = bank.targets[bank.frame_base + torch.tensor([40 + 7, 40 + 14])]
    assert middle.tolist() == [45, 45]


def test_what_cannot_be_played_is_said():
    score = score_record("a", [10, 20], width=60, height=8)
    record = performance_record("a", [0.1, 0.6], frames=20)
    with pytest.raises(SfpipeError, match="no performances to play"):
        Bank({"a": score}, [], SMALL)
    with pytest.raises(SfpipeError, match="piece 'a' has performances but no strip"):
        Bank({"b": score}, [record], SMALL)
    wrong = np.array([0, 2], np.int32)
    with pytest.raises(SfpipeError, match="a/p: an onset points outside the score"):
        bank_of([0.1, 0.6], [10, 20], 20, score_onset=wrong)


@pytest.fixture
def stores(tmp_path):
    about = {"dataset": "toy", "params": {}, "tools": {}}
    scores, spectrograms = tmp_path / "scores.h5", tmp_path / "spectrograms.h5"
    with write_scores(scores, **about) as store:
        for name, height in (("a", 40), ("b", 40), ("low", 30)):
            r = score_record(name, [10, 20], width=200, height=height)
            fields = {k: v for k, v in vars(r).items() if k != "piece"}
            store.add(name, **fields | {"split": {"a": "train"}.get(name, "test")})
    with write_spectrograms(spectrograms, **about) as store:
        for name in ("a", "b", "c", "low"):
            r = performance_record(name, [0.1, 0.6], frames=20)
            fields = {k: v for k, v in vars(r).items() if k not in ("piece", "performance")}
            store.add(name, "p", **fields | {"split": {"a": "train"}.get(name, "test")})
    return scores, spectrograms


def test_load_bank_takes_a_split_or_pieces(stores):
    window = WINDOWS["nottingham"]
    assert [i.piece for i in load_bank(*stores, window, split="train").infos] == ["a"]
    assert [i.piece for i in load_bank(*stores, SMALL).infos] == ["a", "b", "low"]
    assert [i.piece for i in load_bank(*stores, window, pieces=["b"]).infos] == ["b"]


def test_load_bank_says_what_is_missing(stores):
    scores, spectrograms = stores
    window = WINDOWS["nottingham"]
    with pytest.raises(SfpipeError, match="no piece 'zz' in split test") as caught:
        load_bank(*stores, window, split="test", pieces=["b", "zz"])
    assert caught.value.file == str(spectrograms)
    with pytest.raises(SfpipeError, match="no performance has a strip in split valid") as caught:
        load_bank(*stores, window, split="valid")
    assert caught.value.file == str(spectrograms)
    with pytest.raises(SfpipeError, match="is 30 px high, the window needs 40") as caught:
        load_bank(*stores, window, split="test")
    assert caught.value.file == str(scores)


def test_windows_by_name():
    assert window_by_name("msmd") is WINDOWS["msmd"]
    assert window_by_name(SMALL) is SMALL
    assert (WINDOWS["nottingham"].threshold_px, WINDOWS["msmd"].threshold_px) == (50, 170)
    assert (WINDOWS["nottingham"].image_shape, WINDOWS["msmd"].image_shape) == (
        (40, 150),
        (80, 256),
    )
    with pytest.raises(SfpipeError, match="unknown window 'wide' -> use one of nottingham, msmd"):
        window_by_name("wide")
