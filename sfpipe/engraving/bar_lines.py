"""Bar lines of a strip, found by their ink."""

from __future__ import annotations

import numpy as np

_INKED = 0.92  # of the rows from the first line of a system to its last
_DARK = 90  # grey values below paper
_NARROWEST = 3.0  # staff spaces of a bar


def find_bar_lines(
    strip: np.ndarray,
    columns: tuple[float, float],
    rows: tuple[float, float],
    staff_space_px: float,
    *,
    not_at: np.ndarray | None = None,
) -> list[float]:
    """The bar lines within a system, px of the strip: where the next bar begins.

    A bar line is a column with ink from the top line to the bottom line of the system.

    Parameters
    ----------
    strip:
        uint8 [shape=(height, width)], paper 255.
    columns, rows:
        Where the system begins and ends, and its outer staff lines, px.
    not_at:
        Columns without bar lines, bool [shape=(width,)], say because a stem may be there.
    """
    top, bottom = (round(row) for row in rows)
    first, end = (round(column) for column in columns)
    ink = 255 - strip[max(top, 0) : bottom + 1, first:end].astype(np.int16)
    ink[:, :-1] += ink[:, 1:]  # a thin line may lie between two columns
    dark = (ink > _DARK).mean(axis=0) >= _INKED
    if not_at is not None:
        dark &= ~not_at[first:end]
    least = _NARROWEST * staff_space_px
    lines = [float(first)]
    for column in np.flatnonzero(dark) + first + 1.0:
        if column - lines[-1] >= least and end - column >= least:
            lines.append(float(column))
    return lines[1:]
