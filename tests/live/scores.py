"""A printed melody and a performance of it: made here, followed by a real agent."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from sfpipe.datasets.index import read_index
from sfpipe.engraving.piece import engrave_piece
from sfpipe.pages.page_set import PageSet
from sfpipe.pages.read import read_pages
from sfpipe.params import EngraveParams
from tests.tunes import write_raw

TUNE = """X:1
T:Three Lines
M:4/4
L:1/8
Q:1/4=120
K:G
GABd g2fg|edBA G2D2|EFGA B2d2|BAGE A4|GABd g2fg|edBA G2AB|c2A2 BGEF|G4 G4|
dggf g2dB|e2c2 d4|cedc B2G2|A2B2 A4|dggf g2dB|e2fg d2cB|cBAG FGAF|G4 G4|]
"""
SYSTEMS = 3


class Performed(NamedTuple):
    """`samples` float32 [shape=(N,)], 22,050 Hz; `onset_s` of every onset, and `onset_x`; its
    MIDI file.
    """

    page_set: PageSet
    samples: np.ndarray
    onset_s: np.ndarray
    onset_x: np.ndarray
    midi: Path


def perform(folder: Path, soundfont: Path) -> Performed:
    """Print the tune on a page, and play it."""
    from sfpipe.audio.synthesis import synthesize_midi

    raw = write_raw(folder / "raw", {"tune": TUNE})
    engrave_piece(read_index(raw).pieces[0], EngraveParams(), raw, folder / "engraved")
    samples = synthesize_midi(folder / "engraved/tune/score.mid", soundfont)
    path = folder / "tune.abc"
    path.write_text(TUNE, "utf-8")
    pages = read_pages(path)
    assert pages.onsets is not None and len(pages.systems) == SYSTEMS
    sound = samples.astype(np.float32) / 32768
    midi = folder / "engraved/tune/score.mid"
    return Performed(pages, sound, pages.onsets.seconds, pages.onsets.strip_x, midi)
