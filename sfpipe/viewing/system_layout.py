"""The printed systems of a piece under one another, and where a place of the strip is on them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np

from sfpipe.datasets.index import read_index
from sfpipe.engraving.files import (
    System,
    read_description,
    read_images,
    read_noteheads,
    read_systems,
)
from sfpipe.errors import SfpipeError
from sfpipe.viewing.select_performance import SelectedPerformance

# Images of systems, (time, strip x, y) of note heads, SVG of the systems.
Music: TypeAlias = tuple[list[np.ndarray], list[tuple[float, float, float]], list[str]]
LINE_SPACES = 120  # staff spaces that are readable on one line
# What may be longer than that is left as the engraver set it.
_TOLERANCE = 1.1
_AS_SET = 1.5  # times as long may be the systems of a piece that the engraver broke into several
_MARGIN = 1.5  # staff spaces of paper above and below the ink
_SEARCH = 0.3  # of a line, in which its end is looked for


@dataclass(frozen=True)
class SheetRow:
    """One line of music.

    Attributes
    ----------
    image:
        uint8 [shape=(height, width)], grey.
    x_px:
        Where it begins in the strip; it ends ``image.shape[1]`` later.
    top_px:
        Rows of blank paper that were cut off above.
    system, left_px:
        Which of the sheet's systems it is from, and its first column there.
    """

    image: np.ndarray
    x_px: int
    top_px: int = 0
    system: int = 0
    left_px: int = 0


@dataclass(frozen=True)
class SheetHead:
    """A printed note head that sounds: `time_s` in the performance, row, and px in that row."""

    time_s: float
    row: int
    x_px: float
    y_px: float


@dataclass(frozen=True)
class Sheet:
    """A piece as lines of music, its note heads in order of time.

    `vectors` are its systems as the engraver drew them, SVG in pixels of the rows; empty where
    only pixels are known.
    """

    rows: list[SheetRow]
    heads: list[SheetHead]
    vectors: Sequence[str] = ()

    def locate(self, x_px: float) -> tuple[int, float]:
        """The row and the px in it of a strip column; the nearest row's end if it is beyond."""
        starts = [row.x_px for row in self.rows]
        i = max(int(np.searchsorted(starts, x_px, side="right")) - 1, 0)
        return i, min(max(x_px - starts[i], 0.0), float(self.rows[i].image.shape[1]))


def sheet(shown: SelectedPerformance) -> Sheet:
    """The engraved systems of a piece as rows, endless lines broken into readable ones.

    A piece whose engraving is not here (or is not the one of the store) is shown as the store's
    strip, broken into rows.

    Raises
    ------
    SfpipeError
        If a file of the engraved piece is damaged.
    """
    found = None if shown.folder is None else _engraved(shown)
    images, heads, vectors = found or _strip(shown)
    space = shown.score.staff_space_px
    rows: list[SheetRow] = []
    start = 0
    length = round(LINE_SPACES * space * (1 if len(images) == 1 else _AS_SET))
    for index, (image, columns) in enumerate(zip(images, _by_image(images, heads), strict=True)):
        for first, end in breaks(image, columns, length, space):
            line = _trimmed(image[:, first:end], start + first, round(_MARGIN * space))
            rows.append(replace(line, system=index, left_px=first))
        start += image.shape[1]
    piece = Sheet(rows, [], vectors)
    for time, x, y in heads:
        row, inside = piece.locate(x)
        piece.heads.append(SheetHead(time, row, inside, y - rows[row].top_px))
    return piece


def _trimmed(image: np.ndarray, x_px: int, margin: int) -> SheetRow:
    """A row without the blank paper above and below its ink."""
    inked = np.flatnonzero((image < 200).any(axis=1))
    if not len(inked):
        return SheetRow(image, x_px)
    top = max(int(inked[0]) - margin, 0)
    return SheetRow(image[top : int(inked[-1]) + 1 + margin], x_px, top)


def breaks(
    image: np.ndarray, heads_x: np.ndarray, length: int, space: float
) -> list[tuple[int, int]]:
    """Where a system is cut into lines: first and end column of each.

    A line ends after a bar line, where one is found in its last third, else where there is least
    ink far from note heads.

    Parameters
    ----------
    image:
        uint8 [shape=(height, width)], grey.
    heads_x:
        float [shape=(n,)], columns of note heads.
    length:
        Most columns of a line.
    space:
        Staff space, px.
    """
    width = image.shape[1]
    if width <= _TOLERANCE * length:
        return [(0, width)]
    ink = 255.0 - image
    darkness = ink.sum(0)
    # A bar line is dark over the whole staff: its darkest column stands out.
    bar = (ink > 100).sum(0) >= 3.7 * space
    near = np.zeros(width)  # 1 on a note head, 0 from 1.2 staff spaces on
    for x in heads_x:
        near = np.maximum(near, 1 - np.abs(np.arange(width) - x) / (1.2 * space))
    lines, first = [], 0
    while width - first > _TOLERANCE * length:
        low, high = first + int((1 - _SEARCH) * length), first + length
        there = np.flatnonzero(bar[low:high] & (near[low:high] == 0))
        if len(there):
            cut = low + int(there[-1]) + 1
        else:
            cost = darkness[low:high] + 1e6 * near[low:high]
            cut = low + int(np.flatnonzero(cost == cost.min())[-1])
        lines.append((first, cut))
        first = cut
    return [*lines, (first, width)]


def _engraved(shown: SelectedPerformance) -> Music | None:
    """Images of the systems, their heads and vectors; None if of another strip."""
    assert shown.folder is not None
    systems: list[System] = read_systems(shown.folder)
    images = read_images(shown.folder, systems)
    printed = read_noteheads(shown.folder)
    groups = printed.onsets()
    if sum(image.shape[1] for image in images) != shown.score.strip.shape[1] or len(groups) != len(
        shown.score.onset_x_px
    ):
        return None
    place = {system.system: i for i, system in enumerate(systems)}
    lefts = np.cumsum([0] + [image.shape[1] for image in images])
    heads = []
    for time, index in _times(shown):
        for head in groups[index]:
            left = lefts[place[int(printed.system[head])]]
            heads.append((time, float(printed.x_px[head] + left), float(printed.y_px[head])))
    files = [(shown.folder / system.file).with_suffix(".svg") for system in systems]
    vectors = [file.read_text("utf-8") for file in files if file.is_file()]
    if len(vectors) != len(images):
        vectors = _set_again(shown.folder, shown.raw)
    return images, heads, vectors


def _set_again(folder: Path, raw: Path | None) -> list[str]:
    """The systems of piano music in print; none where its source or LilyPond is not here."""
    from sfpipe.engraving.lilypond.crisp import crisp_systems

    try:
        if raw is None or read_description(folder).get("engine") != "lilypond":
            return []
        for piece in read_index(raw).pieces:
            if piece.id == folder.name:
                return crisp_systems(piece, raw, folder)
    except SfpipeError as error:
        print(f"sfpipe: {folder.name} is shown as the agent reads it ({error})", file=sys.stderr)
    return []


def _strip(shown: SelectedPerformance) -> Music:
    score = shown.score
    heads = [
        (time, float(score.onset_x_px[i]), float(score.onset_y_px[i])) for time, i in _times(shown)
    ]
    return [score.strip], heads, []


def _times(shown: SelectedPerformance) -> list[tuple[float, int]]:
    """When each score onset is played first, in order of time."""
    seen: set[int] = set()
    times = []
    record = shown.performance
    for time, index in zip(record.onset_s.tolist(), record.score_onset.tolist(), strict=True):
        if not 0 <= index < len(shown.score.onset_x_px):
            raise SfpipeError(
                f"{shown.name}: an onset points outside the score",
                remedy="make both stores again: dvc repro scores spectrograms",
            )
        if index not in seen:
            seen.add(index)
            times.append((time, index))
    return times


def _by_image(
    images: list[np.ndarray], heads: list[tuple[float, float, float]]
) -> list[np.ndarray]:
    """Columns of the heads on each image."""
    x = np.array([head[1] for head in heads])
    lefts = np.cumsum([0] + [image.shape[1] for image in images])
    pairs = pairwise(lefts)
    return [x[(x >= low) & (x < high)] - low for low, high in pairs]
