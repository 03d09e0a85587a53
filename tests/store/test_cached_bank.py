"""A bank that keeps few pieces in memory gives what one gives that keeps all."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sfpipe.errors import SfpipeError
from sfpipe.game import dynamics
from sfpipe.game.batched import BatchedGame
from sfpipe.store.bank import Bank, MemoryFormat
from sfpipe.store.cached_bank import MARGIN, CachedBank
from sfpipe.store.records import StorePair, load_records
from sfpipe.store.stored import Outlines, StoredRecords
from sfpipe.store.window import WINDOWS, Window
from sfpipe.store.writer import write_scores, write_spectrograms
from tests.toy import performance_record, score_record

ABOUT = {"dataset": "toy", "params": {}, "tools": {}}


def write(folder: Path, window: Window, n: int = 12, shard_mib: int | None = 1) -> StorePair:
    """Pieces of some 60 KiB, with one or two performances; the last to validate on."""
    stores = StorePair(folder / "scores/toy.h5", folder / "spectrograms/toy.h5")
    with (
        write_scores(stores.scores, **ABOUT, shard_mib=shard_mib) as scores,
        write_spectrograms(stores.spectrograms, **ABOUT, shard_mib=shard_mib) as played,
    ):
        for i in range(n):
            width, split = 500 + 37 * i, "valid" if i == n - 1 else "train"
            x = [30.0 + 5 * i, 150.0, width - 60.0]
            height = window.height + 2 * (i % 2)
            score = score_record(f"p{i:02}", x, width=width, height=height, split=split, seed=i)
            scores.add(**vars(score))
            for k in range(1 + i % 2):
                seconds = [0.3, 1.5 + k, 3.0 + k + i / 10]
                record = performance_record(
                    score.piece, seconds, frames=100 + 7 * i, name=f"v{k}", split=split, seed=9 * i
                )
                given = vars(record)
                played.add(given.pop("piece"), given.pop("performance"), **given)
    return stores


def both(folder: Path, window: Window, share: float) -> tuple[Bank, CachedBank]:
    """A whole bank of the pieces to train on, and one that keeps a share of it."""
    stores = write(folder, window)
    scores, performances = load_records(stores.scores, stores.spectrograms, window, split="train")
    whole = Bank(scores, performances, window)
    records = StoredRecords(stores, (), window, split="train")
    size = whole.strip.nbytes + whole.spectrogram.nbytes
    assert 0 < 1 - records.bank_bytes() / size < 0.7  # padding
    return whole, CachedBank(records, window, memory_bytes=int(share * size))


@pytest.mark.parametrize("name", ["nottingham", "msmd"])
def test_tables_and_names_are_the_same(tmp_path, name):
    whole, cached = both(tmp_path, WINDOWS[name], 0.5)
    assert len(whole) == len(cached) == 16
    assert whole.names == cached.names
    assert whole.columns_packed == cached.columns_packed
    assert whole.frames_packed == cached.frames_packed - MARGIN == len(whole.targets)
    assert torch.equal(whole.targets, cached.targets[:-MARGIN])
    for table in ("first_frame", "last_frame", "start_x", "strip_width", "strip_base"):
        assert torch.equal(getattr(whole, table), getattr(cached, table)), table
    for ours, theirs in zip(cached.infos, whole.infos, strict=True):
        for field, value in vars(theirs).items():
            assert np.array_equal(value, getattr(ours, field)), field


@pytest.mark.parametrize("name", ["nottingham", "msmd"])
@pytest.mark.parametrize("memory_format", [MemoryFormat(), MemoryFormat(True, True)])
def test_games_see_the_same(tmp_path, name, memory_format):
    """A third of the pieces fits: games push each other's pieces out all the time."""
    window = WINDOWS[name]
    whole, cached = both(tmp_path, window, 0.35)
    games = [BatchedGame(bank, window, 3, seed=4) for bank in (whole, cached)]
    rng = torch.Generator().manual_seed(0)
    for _ in range(150):
        action = torch.randint(-1, 2, (3,), generator=rng) + 1
        seen = [dynamics.observe(g.bank, g.observation_index(), memory_format) for g in games]
        for ours, theirs in zip(*seen, strict=True):
            assert torch.equal(ours, theirs)
        ends = [game.step(action).terminated for game in games]
        assert torch.equal(*ends)
    assert cached._strips.reads > 11 and cached._sounds.reads > 16


def test_stretches_are_the_same_and_end_in_paper(tmp_path):
    whole, cached = both(tmp_path, WINDOWS["nottingham"], 0.6)
    column = whole.strip_base[[3, 0, 9]] + torch.tensor([5, 0, 150])
    frame = whole.frame_base[[3, 0, 9]] + torch.tensor([60, 45, 80])
    for bank in (whole, cached):
        assert bank.strip_windows(column, 300).shape == (3, 1, 40, 300)
    assert torch.equal(*(bank.strip_windows(column, 300) for bank in (whole, cached)))
    assert torch.equal(*(bank.sound_windows(frame, 40, 90) for bank in (whole, cached)))
    last = torch.tensor([whole.columns_packed - 10, whole.columns_packed + 500])
    end = whole.strip_windows(last, 64)
    assert torch.equal(end[0, 0, :, :10], whole.strip[:, -10:] * np.float32(1 / 255))
    assert not end[0, ..., 10:].any() and not end[1].any()
    assert torch.equal(
        whole.sound_windows(torch.tensor([5]), 40, 60)[0, 0], whole.spectrogram[:, :60]
    )


def test_what_is_looked_at_at_once_need_not_fit_but_a_piece_must(tmp_path):
    whole, cached = both(tmp_path, WINDOWS["nottingham"], 0.2)
    states = dynamics.start(cached, torch.arange(len(cached)))
    seen = [dynamics.observe(b, dynamics.observation_index(b, states)) for b in (whole, cached)]
    for ours, theirs in zip(*seen, strict=True):
        assert torch.equal(ours, theirs)
    small = CachedBank(cached.records, cached.window, memory_bytes=20_000)
    with pytest.raises(SfpipeError, match=r"a piece has [\d,]+ columns, [\d,]+ fit") as raised:
        dynamics.observe(small, dynamics.observation_index(small, states))
    assert "train.common.memory_gib" in raised.value.remedy


def test_what_breaks_later_is_named(tmp_path):
    stores = write(tmp_path, WINDOWS["nottingham"], shard_mib=None)
    records = StoredRecords(stores, (), WINDOWS["nottingham"], split="train")
    bank = CachedBank(records, WINDOWS["nottingham"], memory_bytes=1 << 20)
    damaged = bytearray(stores.spectrograms.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 4096] = bytes(4096)
    with stores.spectrograms.open("r+b") as file:
        file.write(damaged)
    with pytest.raises(SfpipeError) as raised:
        for i in range(len(bank)):
            state = dynamics.start(bank, torch.tensor([i]))
            dynamics.observe(bank, dynamics.observation_index(bank, state))
    assert raised.value.file == str(stores.spectrograms)


def test_further_stores_and_outlines(tmp_path):
    window = WINDOWS["nottingham"]
    first, other = write(tmp_path / "a", window, n=3), write(tmp_path / "b", window, n=4)
    records = StoredRecords(first, [other], window, split="train")
    names = [f"{stored.piece}/{stored.performance}" for stored in records.performances]
    assert names[:3] == ["p00/v0", "p01/v0", "p01/v1"]
    assert names[3:] == [f"{other.name}:p0{i}" for i in ("0/v0", "1/v0", "1/v1", "2/v0")]
    outlines = Outlines(records)
    assert len(outlines) == 5
    outline, score = outlines["p01"], records.score("p01")
    assert outline.strip.shape == score.strip.shape and not outline.strip.any()
    assert np.array_equal(outline.onset_x_px, score.onset_x_px)
    records.close()
    with pytest.raises(SfpipeError, match="no performance has a strip in split test"):
        StoredRecords(first, (), window, split="test")
