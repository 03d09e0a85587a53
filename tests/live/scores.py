"""A printed melody on two pages, and a performance of it: made here, followed by a real agent."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sfpipe.datasets.index import read_index
from sfpipe.engraving.piece import engrave_piece
from sfpipe.pages.page_set import Page, PageSet
from sfpipe.params import EngraveParams
from sfpipe.score.stage import unroll_piece
from tests.pages.straight import straight_system
from tests.tunes import write_raw

TUNE = """X:1
T:Two Pages
M:4/4
L:1/8
Q:1/4=120
K:G
GABd g2fg|edBA G2D2|EFGA B2d2|BAGE A4|GABd g2fg|edBA G2AB|c2A2 BGEF|G4 G4|
dggf g2dB|e2c2 d4|cedc B2G2|A2B2 A4|dggf g2dB|e2fg d2cB|cBAG FGAF|G4 G4|]
"""
SYSTEMS, PER_PAGE, MARGIN = 4, 2, 20  # px of the strip around a system


class Performed(NamedTuple):
    """`samples` float32 [shape=(N,)], 22,050 Hz; `onset_s` of every onset, and `onset_x`."""

    page_set: PageSet
    samples: np.ndarray
    onset_s: np.ndarray
    onset_x: np.ndarray


def perform(folder: Path, soundfont: Path) -> Performed:
    """Engrave the tune on two pages of two systems, and play it."""
    from sfpipe.audio.synthesis import synthesize_midi

    raw = write_raw(folder / "raw", {"tune": TUNE})
    engrave_piece(read_index(raw).pieces[0], EngraveParams(), raw, folder / "engraved")
    piece = folder / "engraved/tune"
    strip, _ = unroll_piece(piece, 40)
    samples = synthesize_midi(piece / "score.mid", soundfont).astype(np.float32) / 32768
    pages = _pages(strip.image, strip.onset_x_px, piece)
    return Performed(pages, samples, strip.onset_s, strip.onset_x_px)


def _pages(image: np.ndarray, onset_x: np.ndarray, piece: Path) -> PageSet:
    width = image.shape[1]
    # A system ends just before the first note of a bar: every 4 bars, 32 eighths.
    edges = [0.0]
    for k in range(1, SYSTEMS):
        near = int(np.argmin(np.abs(onset_x - width * k / SYSTEMS)))
        edges.append(float(onset_x[near]) - 8)
    edges.append(float(width))
    svg = (piece / "system-001.svg").read_text("utf-8")
    box = [float(v) for v in re.search(r'viewBox="([^"]+)"', svg)[1].split()]
    about = (piece / "systems.csv").read_text().splitlines()[1].split(",")
    top, bottom = float(about[5]), float(about[6])
    inner = re.sub(r"<\?xml.*?\?>", "", svg)
    longest = max(b - a for a, b in pairwise(edges))
    page_width, height = longest + 2 * MARGIN, PER_PAGE * (box[3] + MARGIN) + MARGIN
    pages, systems = [], []
    middle = image.shape[0] / 2 - 0.5
    rows = [middle - (bottom - top) / 2, middle + (bottom - top) / 2]
    for number in range(SYSTEMS // PER_PAGE):
        parts = []
        for i in range(PER_PAGE):
            start, end = edges[number * PER_PAGE + i], edges[number * PER_PAGE + i + 1]
            y = MARGIN + i * (box[3] + MARGIN)
            head = f'<svg x="{MARGIN}" y="{y}" width="{end - start}" height="{box[3]}" '
            head += f'viewBox="{start} 0 {end - start} {box[3]}"'
            parts.append(re.sub(r"<svg\b[^>]*?(?=>)", head + _namespaces(inner), inner, count=1))
            where = (MARGIN, MARGIN + end - start)
            systems.append(
                straight_system(number, [(y + top, y + bottom)], where, (start, end, rows))
            )
        text = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {page_width} {height}">'
        text += f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>'
        pages.append(Page(round(page_width), round(height), number + 1, svg=text))
    start = float(onset_x[0])
    return PageSet(tuple(pages), tuple(systems), image, 1, 3.5, start, source="tune.abc")


def _namespaces(svg: str) -> str:
    head = re.search(r"<svg\b[^>]*>", svg)[0]
    return "".join(f" {x}" for x in re.findall(r'xmlns(?::\w+)?="[^"]*"', head))
