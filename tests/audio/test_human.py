"""Performances by pianists as training material: cut where the position on the strip jumps."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from sfpipe.audio.files import load_audio
from sfpipe.audio.stage import spectrograms, synthesize
from sfpipe.datasets.index import Index, Piece, write_index
from sfpipe.engraving.files import NAMED_HEADS, write_rows
from sfpipe.params import AugmentParams, SpectrogramsParams, SynthesizeParams, VariantParams
from sfpipe.store.reader import read_performances
from sfpipe.store.schema import SAMPLE_RATE
from tests.audio.conftest import write_midi

TICK_S = 1 / 960  # of a match file with 480 ticks in a quarter of half a second
# Twelve bars of two quarters, a note on each: |: bars 0 to 5 [1. bar 6 :| [2. bar 7 ] 8 to 11.
PITCHES = [60 + (5 * i) % 24 for i in range(24)]
PLAYED = [*range(14), *range(12), *range(14, 24)]
PARTS = [range(14), range(12), range(14, 24)]


def musicxml() -> str:
    """The piece; its notes are called n0 to n23."""
    names = ["C", "C", "D", "D", "E", "F", "F", "G", "G", "A", "A", "B"]
    alters = [0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0]
    bars = []
    for bar in range(12):
        notes = "".join(
            f'<note id="n{i}"><pitch><step>{names[p % 12]}</step><alter>{alters[p % 12]}</alter>'
            f"<octave>{p // 12 - 1}</octave></pitch><duration>1</duration></note>"
            for i, p in enumerate(PITCHES)
            if i // 2 == bar
        )
        head = "<attributes><divisions>1</divisions></attributes>" if bar == 0 else ""
        left = {0: '<repeat direction="forward"/>', 6: '<ending number="1" type="start"/>'}
        left[7] = '<ending number="2" type="start"/>'
        right = {6: '<ending number="1" type="stop"/><repeat direction="backward"/>'}
        right[7] = '<ending number="2" type="stop"/>'
        lines = [
            f'<barline location="{side}">{signs[bar]}</barline>' if bar in signs else ""
            for side, signs in (("left", left), ("right", right))
        ]
        bars.append(f'<measure number="{bar + 1}">{lines[0]}{head}{notes}{lines[1]}</measure>')
    return (
        '<score-partwise version="3.1"><part-list><score-part id="P1"><part-name/></score-part>'
        f'</part-list><part id="P1">{"".join(bars)}</part></score-partwise>'
    )


def match_file(ticks: list[int]) -> str:
    """As (n)ASAP's of version 1.0.0: names with the pass, deletions of nothing."""
    lines = ["info(matchFileVersion,1.0.0).", "info(midiClockUnits,480)."]
    lines.append("info(midiClockRate,500000).")
    names = "CDEFGAB"
    seen: dict[int, int] = {}
    for k, (i, tick) in enumerate(zip(PLAYED, ticks, strict=True)):
        seen[i] = seen.get(i, 0) + 1
        pitch = PITCHES[i]
        step = names[[0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5, 6][pitch % 12]]
        sharp = "#" if pitch % 12 in (1, 3, 6, 8, 10) else "n"
        lines.append(
            f"snote(n{i}-{seen[i]},[{step},{sharp}],{pitch // 12 - 1},{k // 2 + 1}:{k % 2 + 1},"
            f"0,1/4,{k}.0000,{k + 1}.0000,[v1,staff1])"
            f"-note(n{k},{pitch},{tick},{tick + 300},64,0,0)."
        )
    return "\n".join([*lines, ""])


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """Folder with raw, engraved and clean.json; when each note was played, in s."""
    root = tmp_path_factory.mktemp("human")
    raw, engraved = root / "raw" / "p", root / "engraved" / "piece"
    raw.mkdir(parents=True)
    engraved.mkdir(parents=True)
    rng = np.random.default_rng(3)
    ticks = (2000 + 450 * np.arange(len(PLAYED)) + rng.integers(-60, 60, len(PLAYED))).tolist()
    onset_s = np.array(ticks) * TICK_S
    (raw / "score.musicxml").write_text(musicxml())
    (raw / "Ann01.match").write_text(match_file(ticks))
    notes = [(t, t + 0.3, PITCHES[i]) for t, i in zip(onset_s, PLAYED, strict=True)]
    write_midi(raw / "Ann01.MID", notes)
    (raw / "Bob02.match").write_text(match_file(ticks))
    write_midi(raw / "Bob02.mid", notes[:20])
    files = {
        str(path.relative_to(raw.parent)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(raw.iterdir())
    }
    source = "p/score.musicxml"
    piece = Piece("piece", "Piece", "train", source, files.pop(source), "CC0", performances=files)
    write_index(raw.parent, Index("toy", "CC0", "nobody", [piece]))
    (root / "clean.json").write_text(json.dumps({"accepted": {"train": ["piece"]}}))
    write_midi(engraved / "score.mid", [(i / 2, i / 2 + 0.4, p) for i, p in enumerate(PITCHES)])
    rows = [
        (1, 20 + 10 * i, 50, 1, p, i / 2, float(i), 0, 0, 0, f"n{i}") for i, p in enumerate(PITCHES)
    ]
    write_rows(engraved / "noteheads.csv", NAMED_HEADS, rows)
    return root, onset_s


def run(root: Path, out: Path, soundfont: Path, **changes):
    variants = VariantParams(soundfonts=[str(soundfont)])
    params = SynthesizeParams(train=variants, test=variants, **changes)
    return synthesize(
        params,
        root / "clean.json",
        root / "engraved",
        out,
        seed=1,
        raw=root / "raw",
        jobs=1,
    )


@pytest.fixture(scope="module")
def made(played, soundfont, tmp_path_factory):
    out = tmp_path_factory.mktemp("audio")
    return out, run(played[0], out, soundfont)


def names(out: Path) -> list[str]:
    return sorted(path.stem for path in (out / "piece").glob("*.json"))


def test_a_performance_is_cut_where_the_position_jumps(made, played):
    out, report = made
    onset_s = played[1]
    parts = [f"Ann01-TimGM6mb-part{n}" for n in (1, 2, 3)]
    assert names(out) == [*parts, "TimGM6mb-x1.00"]
    assert report.done == ["piece"]
    # 16 of the 36 in the match file have no note at their time in the MIDI file.
    assert "16 notes are in only one of it and its match file" in report.skipped["piece/Bob02"]
    first = 0
    for name, indices, turn in zip(parts, PARTS, (1, 2, 1), strict=True):
        with open(out / "piece" / f"{name}.csv") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["score_onset"]) for row in rows] == list(indices)
        assert {int(row["pass"]) for row in rows} == {turn}
        recipe = json.loads((out / "piece" / f"{name}.json").read_text())
        times = np.array([float(row["onset_s"]) for row in rows]) + recipe["start_s"]
        expected = onset_s[first : first + len(indices)]
        assert np.abs(times - expected).max() < 0.002
        assert 0 < times[0] - recipe["start_s"] <= 0.25
        span = expected[-1] - expected[0]
        assert recipe["tempo_factor"] == pytest.approx((len(indices) - 1) / 2 / span, rel=1e-3)
        first += len(indices)


def test_parts_together_are_the_whole_sound(made, played):
    out, _ = made
    parts = [out / "piece" / f"Ann01-TimGM6mb-part{n}.flac" for n in (1, 2, 3)]
    total = sum(len(load_audio(part)) for part in parts) / SAMPLE_RATE
    start = json.loads(parts[0].with_suffix(".json").read_text())["start_s"]
    # FluidSynth lets the last note ring.
    assert played[1][-1] + 0.3 < start + total < played[1][-1] + 10


def test_the_parts_are_performances_of_the_store(made, played, tmp_path):
    out, _ = made
    store = tmp_path / "toy.h5"
    clean = played[0] / "clean.json"
    spectrograms(SpectrogramsParams(), out, clean, store, dataset="toy", jobs=1)
    records = {r.performance: r for r in read_performances(store)}
    part = records["Ann01-TimGM6mb-part2"]
    assert part.score_onset.tolist() == list(range(12))
    # The sound grows where the onsets are.
    energy = part.spectrogram.sum(axis=0)
    at = (part.onset_s * 20).astype(int)
    assert np.mean([energy[a : a + 3].max() > 1.02 * energy[a - 1] for a in at]) > 0.9


def test_what_is_there_is_kept(made, played, soundfont):
    out, _ = made
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    run(played[0], out, soundfont)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")} == stamps


@pytest.mark.parametrize(
    ("human", "copies", "expected"),
    [
        ("none", 0, ["TimGM6mb-x1.00"]),
        ("instead", 0, [f"Ann01-TimGM6mb-part{n}" for n in (1, 2, 3)]),
        (
            "instead",
            1,
            [f"Ann01-TimGM6mb{mark}-part{n}" for mark in ("", "-augmented1") for n in (1, 2, 3)],
        ),
    ],
)
def test_beside_or_instead_of_sequenced_ones(played, soundfont, tmp_path, human, copies, expected):
    augment = AugmentParams(copies=copies, room_share=0, noise_share=0)
    run(played[0], tmp_path, soundfont, human=human, augment=augment)
    assert names(tmp_path) == sorted(expected)
