"""Pictures of what was read: right heads green, wrong pitches orange, the rest red."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sfpipe.omr.accuracy import Truth, match_notes
from sfpipe.omr.notes import OmrNote

ZOOM = 3
ROW_PX = 500  # strip pixels per row of the picture
RIGHT, PITCH, WRONG = (0, 160, 0), (0, 140, 255), (0, 0, 230)  # BGR


def draw_reading(
    strip: np.ndarray, notes: Sequence[OmrNote], truth: Truth, space: float
) -> np.ndarray:
    """The strip three times enlarged, in rows; rings at notes as read, crosses at missed heads.

    Parameters
    ----------
    strip:
        uint8 [shape=(height, width)].
    space:
        Staff space, px.

    Returns
    -------
    np.ndarray
        uint8 [shape=(rows, columns, 3)], BGR.
    """
    import cv2

    large = cv2.resize(strip, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
    picture = cv2.cvtColor(large, cv2.COLOR_GRAY2BGR)
    matches = match_notes(notes, truth, space)
    radius = round(0.8 * space * ZOOM)
    for note, j in zip(notes, matches, strict=True):
        right = j >= 0 and note.midi_pitch == truth.midi_pitch[j]
        colour = RIGHT if right else PITCH if j >= 0 else WRONG
        cv2.circle(picture, _place(note.x_px, note.y_px), radius, colour, 2, cv2.LINE_AA)
    for j in set(range(len(truth.x_px))) - set(matches):
        place = _place(float(truth.x_px[j]), float(truth.y_px[j]))
        cv2.drawMarker(picture, place, WRONG, cv2.MARKER_TILTED_CROSS, 2 * radius, 2)
    rows = []
    for left in range(0, picture.shape[1], ROW_PX * ZOOM):
        row = np.full((picture.shape[0], ROW_PX * ZOOM, 3), 255, np.uint8)
        part = picture[:, left : left + ROW_PX * ZOOM]
        row[:, : part.shape[1]] = part
        rows.append(row)
    return np.vstack(rows)


def _place(x: float, y: float) -> tuple[int, int]:
    return round((x + 0.5) * ZOOM), round((y + 0.5) * ZOOM)
