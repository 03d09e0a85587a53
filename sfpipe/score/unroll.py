"""The unrolled score: all systems of a piece side by side in one strip (section 4.1, Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sfpipe.engraving.files import NoteHeads, System
from sfpipe.engraving.geometry import head_places, onsets_beyond, strip_tops
from sfpipe.errors import SfpipeError
from sfpipe.store.heads import Heads

PAPER = 255


@dataclass(frozen=True)
class Strip:
    """An unrolled score and where its onsets are.

    `image` uint8 [shape=(height, width)], paper 255; `onset_x_px`, `onset_y_px` float64
    [shape=(n_onsets,)] in pixels of the strip; `onset_quarter`, `onset_s` float64
    [shape=(n_onsets,)], increasing; `heads`, every struck note head.
    """

    image: np.ndarray
    onset_x_px: np.ndarray
    onset_y_px: np.ndarray
    onset_quarter: np.ndarray
    onset_s: np.ndarray
    heads: Heads


def unroll(
    systems: Sequence[System],
    images: Sequence[np.ndarray],
    heads: NoteHeads,
    height_px: int,
    *,
    window: tuple[int, float] | None = None,
) -> Strip:
    """Concatenate the systems, each cropped or padded to `height_px` rows around its staves.

    An onset is one place: the struck heads (not the tied ones) that begin together, at the
    median of their positions; of a chord's column the median x.

    Parameters
    ----------
    systems, images:
        Of one piece, in reading order; images uint8 [shape=(height_px, width_px)].
    window:
        Height of the game's window and staff space, in px: systems whose heads it would cut are
        moved (see `middle_row`), and only too many onsets outside of it are an error: one is if
        all its heads are, and gets the strip's first or last row.
        None: the staves are in the middle, and every head must be inside the strip.

    Raises
    ------
    SfpipeError
        If there is no onset, or too many lie above or below the strip (`onsets_beyond`).
    """
    tops = strip_tops(systems, heads, height_px, window)
    strip = np.hstack(
        [_rows(image, top, height_px) for image, top in zip(images, tops, strict=True)]
    )
    groups = heads.onsets()
    if not groups:
        raise SfpipeError("has no onsets")
    struck = np.concatenate(groups)
    x, y = head_places(systems, heads, height_px, window=window)
    _, reason = onsets_beyond(heads, y, height_px, window=window)
    if reason is not None:
        raise SfpipeError(reason)
    return Strip(
        image=strip,
        onset_x_px=np.array([np.median(x[g]) for g in groups]),
        onset_y_px=np.clip([np.median(y[g]) for g in groups], 0, height_px - 1),
        onset_quarter=np.array([heads.onset_quarter[g[0]] for g in groups]),
        onset_s=np.array([heads.onset_s[g[0]] for g in groups]),
        heads=Heads.of(
            np.repeat(np.arange(len(groups)), [len(g) for g in groups]),
            y[struck],
            heads.midi_pitch[struck],
        ),
    )


def _rows(image: np.ndarray, top: int, height: int) -> np.ndarray:
    """Rows [top, top + height) of an image, paper where it has none."""
    result = np.full((height, image.shape[1]), PAPER, np.uint8)
    first, last = max(top, 0), min(top + height, image.shape[0])
    if first < last:
        result[first - top : last - top] = image[first:last]
    return result
