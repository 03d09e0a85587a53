"""Strips side by side in one image, as a network sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.window import Window


@dataclass(frozen=True)
class PackedOffset:
    """Where a piece's strip lies in a packed image.

    Attributes
    ----------
    base:
        Column of its padding's left edge, so that padded coordinates index it directly.
    phase:
        Distance to its second phase; 0 if the window is not shrunk.
    """

    base: int
    phase: int

    def column(self, position: float, window: Window) -> int:
        """First packed column of the window around `position` (padded px): int(position - W/2)."""
        start = int(position - window.width / 2)
        if window.shrink == 1:
            return self.base + start
        return self.base + (start >> 1) + (start & 1) * self.phase


def pack_strips(
    scores: Mapping[str, ScoreRecord], pieces: Sequence[str], window: Window
) -> tuple[np.ndarray, dict[str, PackedOffset]]:
    """Strips side by side, as the network sees them, with a window of paper between them.

    Returns
    -------
    tuple
        uint8 ink [shape=(height seen, columns)], and where each piece is.

    Raises
    ------
    SfpipeError
        If a piece has no strip, or its strip is lower than the window.
    """
    paper, height = window.width // window.shrink, window.height // window.shrink
    parts = [np.zeros((height, paper), np.uint8)]
    widths: dict[str, int] = {}
    for piece in pieces:
        if piece not in scores:
            raise SfpipeError(
                f"piece '{piece}' has performances but no strip",
                remedy="make both stores again: dvc repro scores spectrograms",
            )
        ink = crop_rows(scores[piece].strip, window.height)
        phases = [ink] if window.shrink == 1 else [halve(ink), halve(np.pad(ink, ((0, 0), (1, 0))))]
        widths[piece] = ink.shape[1]
        for image in phases:
            parts += [image, np.zeros((height, paper), np.uint8)]
    return np.concatenate(parts, axis=1), packed_offsets(widths, window)[0]


def packed_offsets(
    widths: Mapping[str, int], window: Window
) -> tuple[dict[str, PackedOffset], int]:
    """Where `pack_strips` puts strips of some widths in px, and how many columns there are then."""
    paper = window.width // window.shrink
    places: dict[str, PackedOffset] = {}
    at = paper
    for piece, width in widths.items():
        phases = [width] if window.shrink == 1 else [-(-width // 2), -(-(width + 1) // 2)]
        # The odd phase begins one strip column early: half a pixel of paper, half of strip.
        second = phases[0] + paper + 1
        places[piece] = PackedOffset(at - paper, second if len(phases) > 1 else 0)
        at += sum(phases) + paper * len(phases)
    return places, at


def crop_rows(strip: np.ndarray, height: int, file: str | Path | None = None) -> np.ndarray:
    """The middle `height` rows of a strip as ink (255 - grey value), uint8.

    Raises
    ------
    SfpipeError
        If the strip is lower than the window.
    """
    extra = strip.shape[0] - height
    if extra < 0:
        raise SfpipeError(
            f"the strip is {strip.shape[0]} px high, the window needs {height}",
            file=file,
            remedy="set scores.height_px to at least the window's height",
        )
    top = extra // 2
    return 255 - strip[top : top + height]


def halve(ink: np.ndarray) -> np.ndarray:
    """Mean of 2 x 2 px blocks, rounded to uint8; an odd last column is paired with paper."""
    if ink.shape[1] % 2:
        ink = np.pad(ink, ((0, 0), (0, 1)))
    wide = ink.astype(np.uint16)
    blocks = wide[0::2, 0::2] + wide[1::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 1::2]
    # Halves are rounded towards paper, as rounding grey values up does.
    return ((blocks + 1) >> 2).astype(np.uint8)
