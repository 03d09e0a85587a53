"""A tiny piano piece written at test time: MusicXML, and a performance as match file and MIDI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sfpipe.alignment.notes import import_partitura
from sfpipe.engraving.files import NoteHeads

QUARTER_S = 0.5
# Quarter, pitches: right and left hand; an upbeat, then four bars of 3/4 with chords.
ONSETS = [(0.0, (67,)), *((1.0 + i, (60 + i, 48 + i, 72 + i)) for i in range(12))]


@dataclass(frozen=True)
class Written:
    """Where the files are; `onset_s`: performed onset of every chord."""

    folder: Path
    score: Path
    match: Path
    midi: Path
    onset_s: np.ndarray


def musicxml() -> str:
    """The piece: note ids n0, n1, ... in the order of ONSETS."""
    bars, number = [], 0
    for bar in range(5):
        inside = ONSETS[:1] if bar == 0 else ONSETS[1 + 3 * (bar - 1) : 1 + 3 * bar]
        head = (
            "<attributes><divisions>2</divisions><key><fifths>0</fifths></key><time><beats>3"
            "</beats><beat-type>4</beat-type></time><staves>2</staves>"
            '<clef number="1"><sign>G</sign><line>2</line></clef>'
            '<clef number="2"><sign>F</sign><line>4</line></clef></attributes>'
            if bar == 0
            else ""
        )
        voices: dict[int, list[str]] = {1: [], 2: []}
        for _, pitches in inside:
            seen: set[int] = set()
            for pitch in pitches:
                staff = 1 if pitch >= 60 else 2
                voices[staff].append(_note(f"n{number}", pitch, staff, chord=staff in seen))
                seen.add(staff)
                number += 1
        back = f"<backup><duration>{2 * len(inside)}</duration></backup>"
        left = back + "".join(voices[2]) if voices[2] else ""
        bars.append(f'<measure number="{bar + 1}">{head}{"".join(voices[1])}{left}</measure>')
    return (
        '<?xml version="1.0"?><score-partwise version="3.1"><part-list><score-part id="P1">'
        "<part-name>Tiny</part-name></score-part></part-list>"
        f'<part id="P1">{"".join(bars)}</part></score-partwise>'
    )


def _note(name: str, pitch: int, staff: int, *, chord: bool) -> str:
    step, alter = [("C", 0), ("C", 1), ("D", 0), ("D", 1), ("E", 0), ("F", 0), ("F", 1), ("G", 0),
                   ("G", 1), ("A", 0), ("A", 1), ("B", 0)][pitch % 12]  # fmt: skip
    return (
        f'<note id="{name}">{"<chord/>" if chord else ""}<pitch><step>{step}</step>'
        f"<alter>{alter}</alter><octave>{pitch // 12 - 1}</octave></pitch><duration>2</duration>"
        f"<voice>{staff}</voice><type>quarter</type><staff>{staff}</staff></note>"
    )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Written:
    """The tiny piece, as `write_tiny` writes it."""
    return write_tiny(tmp_path_factory.mktemp("tiny"))


def write_tiny(folder: Path) -> Written:
    """One bass note is missing, one note is extra, one chord is spread, all is a bit rubato."""
    score = folder / "tiny.musicxml"
    score.write_text(musicxml())
    rng = np.random.default_rng(1)
    onset_s = 1.0 + QUARTER_S * np.array([q for q, _ in ONSETS]) + rng.uniform(0, 0.08, len(ONSETS))
    names = iter(range(100))
    notes, alignment = [], []
    for i, (_, pitches) in enumerate(ONSETS):
        for k, pitch in enumerate(pitches):
            name = f"n{next(names)}"
            if (i, k) == (3, 1):
                alignment.append({"label": "deletion", "score_id": name})
                continue
            spread = 0.2 * (k - 1) if i == 5 else 0.0
            played = f"p{len(notes)}"
            notes.append(_performed(played, float(onset_s[i]) + spread, pitch))
            alignment.append({"label": "match", "score_id": name, "performance_id": played})
    notes.append(_performed("extra", float(onset_s[7]) + 0.2, 30))
    alignment.append({"label": "insertion", "performance_id": "extra"})
    partitura = import_partitura()
    part = partitura.load_musicxml(str(score))[0]
    performance = partitura.performance.PerformedPart(notes)
    match, midi = folder / "tiny_p01.match", folder / "tiny_p01.mid"
    partitura.save_match(alignment, performance, part, out=str(match), assume_unfolded=True)
    read, _ = partitura.load_match(str(match))
    partitura.save_performance_midi(read, str(midi))
    return Written(folder, score, match, midi, onset_s)


def _performed(name: str, onset: float, pitch: int) -> dict:
    return {
        "id": name,
        "midi_pitch": pitch,
        "note_on": onset,
        "note_off": onset + 0.3,
        "sound_off": onset + 0.3,
        "velocity": 64,
        "channel": 1,
        "track": 0,
    }


@pytest.fixture(scope="session")
def heads() -> NoteHeads:
    """The heads of the tiny piece, as an engraver who filled the upbeat's bar up lists them."""
    rows = [
        (1, 50 + 20 * q, 30.0, 1, pitch, (q + 2) * 0.6, q + 2, False, False)
        for q, pitches in ONSETS
        for pitch in sorted(pitches)
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return NoteHeads(*columns)
