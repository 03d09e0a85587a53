"""Pictures of the alignment: every onset marked on the strip, wrapped into readable rows."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.store.reader import read_scores

ZOOM = 3
ROW_PX = 500  # strip pixels per row
GAP = 12  # rows of paper between two rows, in output pixels
LINE, RING = (240, 140, 140), (0, 0, 220)  # BGR


def show_alignment(
    scores_h5: Path, out: Path, *, pieces: Sequence[str] | None, n_random: int, seed: int
) -> list[Path]:
    """Draw strips of a score store with a line and a ring at every onset; the PNGs' paths.

    Parameters
    ----------
    pieces:
        Names to draw; None draws `n_random` pieces chosen by `seed`.

    Raises
    ------
    SfpipeError
        If the store cannot be read, or a piece is not in it (naming the nearest).
    """
    records = read_scores(scores_h5)
    names = sorted(records)
    if pieces is None:
        order = np.random.default_rng(seed).permutation(len(names))
        pieces = [names[i] for i in order[:n_random]]
    for name in pieces:
        if name not in records:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0)
            remedy = f"did you mean '{near[0]}'?" if near else "run: sfpipe scores"
            raise SfpipeError(f"has no piece '{name}'", file=scores_h5, remedy=remedy)
    return [
        _write(
            out / f"{name}.png",
            draw_alignment(records[name].strip, records[name].onset_x_px, records[name].onset_y_px),
        )
        for name in pieces
    ]


def draw_alignment(strip: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The strip three times enlarged, in rows of 500 px, onsets marked.

    Parameters
    ----------
    strip:
        uint8 [shape=(height, width)].
    x, y:
        float [shape=(n_onsets,)], px.

    Returns
    -------
    np.ndarray
        uint8 [shape=(rows, columns, 3)], BGR.
    """
    import cv2

    height, width = strip.shape
    rows = []
    for left in range(0, width, ROW_PX):
        part = np.full((height, ROW_PX), 255, np.uint8)
        piece = strip[:, left : left + ROW_PX]
        part[:, : piece.shape[1]] = piece
        large = cv2.resize(part, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_NEAREST)
        picture = cv2.cvtColor(large, cv2.COLOR_GRAY2BGR)
        for column, row in zip(x, y, strict=True):
            if left <= column < left + ROW_PX:
                centre = round((column - left + 0.5) * ZOOM), round((row + 0.5) * ZOOM)
                cv2.line(picture, (centre[0], 0), (centre[0], height * ZOOM - 1), LINE, 1)
                cv2.circle(picture, centre, 2 * ZOOM, RING, 1, cv2.LINE_AA)
        rows += [picture, np.full((GAP, ROW_PX * ZOOM, 3), 255, np.uint8)]
    return np.vstack(rows[:-1])


def _write(path: Path, picture: np.ndarray) -> Path:
    import cv2

    with replacing(path) as temporary:
        if not cv2.imwrite(str(temporary), picture):
            raise SfpipeError("cannot be written", file=path, remedy="check the folder")
    return path
