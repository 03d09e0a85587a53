import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import mido
import numpy as np
import pytest

from sfpipe.engraving.files import NOTEHEADS

DATA = Path(__file__).parents[1] / "data"
TICKS = 960
QUARTER_S = 0.5


def write_midi(
    path: Path, notes: Sequence[tuple[float, float, int]], *, velocity: int = 80
) -> Path:
    """Notes as (start_s, end_s, pitch), at 120 quarters per minute."""
    events = []
    for start, end, pitch in notes:
        events.append((round(start / QUARTER_S * TICKS), 1, pitch))
        events.append((round(end / QUARTER_S * TICKS), 0, pitch))
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)])
    now = 0
    for tick, on, pitch in sorted(events):
        kind = "note_on" if on else "note_off"
        track.append(
            mido.Message(kind, note=pitch, velocity=velocity if on else 0, time=tick - now)
        )
        now = tick
    file = mido.MidiFile(ticks_per_beat=TICKS)
    file.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(str(path))
    return path


def write_piece(folder: Path, *, shift: int = 0, n: int = 4) -> None:
    """A piece as `engrave` leaves it: n notes of 0.4 s, the last with a tied second head."""
    notes = [(0.4 * i, 0.4 * i + 0.4, 60 + shift + 2 * i) for i in range(n)]
    write_midi(folder / "score.mid", notes)
    with open(folder / "noteheads.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(NOTEHEADS)
        for i, (start, _, pitch) in enumerate(notes):
            writer.writerow([1, 20 + 10 * i, 20, 1, pitch, round(start, 6), start * 2, 0, 0])
        start = 0.4 * n - 0.2
        writer.writerow([1, 20 + 10 * n, 20, 1, notes[-1][2], round(start, 6), start * 2, 1, 0])


@pytest.fixture
def pieces(tmp_path: Path) -> Callable[..., Path]:
    """Make engraved pieces and the clean list: pieces(train=["a"], test=["b"]) -> tmp_path."""

    def make(**splits: list[str]) -> Path:
        for names in splits.values():
            for i, name in enumerate(names):
                write_piece(tmp_path / "engraved" / name, shift=i)
        (tmp_path / "clean.json").write_text(json.dumps({"accepted": splits}))
        return tmp_path

    return make


@pytest.fixture(scope="session")
def golden():
    """Input, filters and spectrogram of the 2019 reference for five synthetic seconds."""
    with np.load(DATA / "spec_synth5s.npz") as arrays:
        return dict(arrays)
