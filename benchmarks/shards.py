"""Data larger than memory: a synthetic store's pieces, all in memory beside a cache of some.

The arrays have the shapes of Nottingham tunes. Strips and spectrograms are holes in sparse files
(zeros that take no disk), onsets are real. As a program, ``python -m benchmarks.shards PIECES GIB
FOLDER`` makes stores of so many pieces in FOLDER, if they are not there, and plays them with a
cache of so many GiB.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch

from benchmarks.table import Bench, Row
from sfpipe.agents.networks import ActorCritic
from sfpipe.game import dynamics
from sfpipe.game.batched import BatchedGame
from sfpipe.params import TrainParams
from sfpipe.store.bank import Bank
from sfpipe.store.cached_bank import CachedBank
from sfpipe.store.records import StorePair, load_records
from sfpipe.store.schema import BINS
from sfpipe.store.stored import StoredRecords
from sfpipe.store.window import WINDOWS
from sfpipe.store.writer import open_new
from sfpipe.training.ppo import PPO

WINDOW = WINDOWS["nottingham"]
WIDTH, FRAMES, ONSETS = 1250, 1480, 220  # a tune of 74 s
GAMES = 64
SHARD_MIB = 1024
FEW = 200  # pieces that a bank holds as a whole


def make(folder: Path, pieces: int) -> StorePair:
    """Stores of so many pieces, all to train on; those that are there are taken."""
    stores = StorePair(folder / "scores/synthetic.h5", folder / "spectrograms/synthetic.h5")
    if stores.scores.exists() and stores.spectrograms.exists():
        return stores
    about = {"dataset": "synthetic", "params": {"pieces": pieces}, "tools": {}}
    x = np.linspace(20, WIDTH - 20, ONSETS).astype(np.float32)
    y, quarters = np.full(ONSETS, 20, np.float32), np.arange(ONSETS, dtype=np.float64)
    seconds, order = np.linspace(0.5, 72, ONSETS), np.arange(ONSETS, dtype=np.int32)
    with (
        open_new(stores.scores, "scores", **about, shard_mib=SHARD_MIB) as scores,
        open_new(stores.spectrograms, "spectrograms", **about, shard_mib=SHARD_MIB) as sounds,
    ):
        for store in (scores, sounds):
            store.attrs["skipped"] = "{}"
        for i in range(pieces):
            name = f"p{i:06}"
            group = scores.create_group(name)
            group.attrs.update(split="train", title=name, staff_space_px=3.5, px_per_cm=28.0)
            _hole(group, "strip", (40, WIDTH), np.uint8)
            for key, values in (("x_px", x), ("y_px", y), ("quarter", quarters)):
                group.create_dataset(f"onset_{key}", data=values)
            group = sounds.create_group(name)
            group.attrs["split"] = "train"
            sub = group.create_group("p")
            sub.attrs.update(tempo_factor=1.0, soundfont="", duration_s=FRAMES / 20)
            _hole(sub, "spectrogram", (BINS, FRAMES), np.float32)
            sub.create_dataset("onset_s", data=seconds)
            sub.create_dataset("score_onset", data=order)
    return stores


def _hole(group: h5py.Group, name: str, shape: tuple[int, int], dtype: type) -> None:
    """An array whose place in the file is kept, and nothing written there."""
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    created.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space, kind = h5py.h5s.create_simple(shape), h5py.h5t.py_create(np.dtype(dtype))
    h5py.h5d.create(group.id, name.encode(), kind, space, created)


class Playing:
    """Games that keep up with the music, and what they see."""

    def __init__(self, bank: Bank):
        self.game = BatchedGame(bank, WINDOW, GAMES, seed=0)

    def __call__(self) -> float:
        """Fifty steps; how many frames that is."""
        game, bank = self.game, self.game.bank
        for _ in range(50):
            game.observe()
            state = game.state
            aim = dynamics.target(bank, state.performance, state.frame + 1)
            game.step((aim - state.position - state.speed).round().clamp(-1, 1))
        return 50.0 * GAMES


def training(bank: Bank) -> Callable[[], float]:
    """Updates of PPO from random weights, whose games are soon lost: frames."""
    ppo = {"num_envs": GAMES, "num_steps": 15, "minibatch_size": 240}
    network = ActorCritic(WINDOW, dropout=0.0).initialise(torch.Generator().manual_seed(0))
    params = TrainParams(preset="paper", ppo=ppo)
    learner = PPO(network.placed("cpu"), bank, bank, params, seed=0)
    return lambda: float(learner.update()["frames"])


def bench_shards(bench: Bench, *_: object) -> None:
    """A cache that holds all beside a bank, and one that holds a tenth of all."""
    with tempfile.TemporaryDirectory() as folder:
        stores = make(Path(folder), FEW)
        whole = Bank(*load_records(stores.scores, stores.spectrograms, WINDOW), WINDOW)
        size = whole.strip.nbytes + whole.spectrogram.nbytes
        for share, what in ((1.0, "all fits"), (0.5, "half fits")):
            records = StoredRecords(stores, (), WINDOW, split="train")
            cached = CachedBank(records, WINDOW, memory_bytes=int(share * size))
            for kind, play in (("game", Playing), ("ppo", training)):
                ours, theirs = play(cached), play(whole)
                ours()
                name = f"shards, {kind}, {what} (beside: a bank)"
                bench.compare(name, "frames/s", ours, theirs)
        command = [sys.executable, "-m", "benchmarks.shards", "2000", "0.25", f"{folder}/more"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        for name, unit, value in json.loads(done.stdout.splitlines()[-1]):
            bench.show(Row(f"shards, 2,000 pieces, 0.25 GiB: {name}", unit, [value]))


def main(pieces: int, gib: float, folder: Path) -> None:
    """Make the stores, if they are not there, and play them; prints figures as JSON."""
    torch.set_num_threads(1)
    figures: list[tuple[str, str, float]] = []
    started = time.process_time()

    def note(name: str, unit: str, value: float) -> None:
        figures.append((name, unit, value))
        print(f"{name}: {value:,.5g} {unit}", file=sys.stderr, flush=True)

    stores = make(folder, pieces)
    note("made in", "cpu s", time.process_time() - started)
    files = [file for kind in ("scores", "spectrograms") for file in (folder / kind).iterdir()]
    note("files", "", len(files))
    note("size", "GiB", sum(f.stat().st_size for f in files) / 2**30)
    note("on disk", "GiB", sum(f.stat().st_blocks for f in files) * 512 / 2**30)
    started = time.process_time()
    records = StoredRecords(stores, (), WINDOW, split="train")
    bank = CachedBank(records, WINDOW, memory_bytes=int(gib * 2**30))
    note("opened in", "cpu s", time.process_time() - started)
    note("peak after opening", "GiB", _peak())
    for kind, play, rounds in (("game", Playing(bank), 40), ("ppo", training(bank), 8)):
        play()
        reads, started = bank._sounds.reads, time.process_time()
        frames = sum(play() for _ in range(rounds))
        seconds = time.process_time() - started
        note(f"{kind}", "frames/cpu s", frames / seconds)
        note(
            f"{kind}, pieces read", "per 1,000 frames", 1000 * (bank._sounds.reads - reads) / frames
        )
    note("peak", "GiB", _peak())
    print(json.dumps(figures))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
