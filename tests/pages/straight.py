"""Systems as engravers draw them, for scores that need no reading."""

from collections.abc import Sequence

import numpy as np

from sfpipe.pages.page_set import PageSystem


def straight_system(
    page: int,
    lines: Sequence[tuple[float, float]],
    x: tuple[float, float],
    strip: tuple[float, float, Sequence[float]],
) -> PageSystem:
    """A system whose lines are straight and level, as engravers draw them.

    Parameters
    ----------
    lines:
        y of the top and the bottom line of each staff, px of the page.
    x:
        Left and right end of the staves, px of the page.
    strip:
        Columns of the strip where it begins and ends, and the rows of the lines, two a staff.
    """
    start, end, rows = strip
    ys = np.array(lines, float).reshape(-1)
    mesh = np.empty((len(ys), 2, 2))
    mesh[:, 0, 0], mesh[:, 1, 0] = x
    mesh[:, :, 1] = ys[:, None]
    knots = np.array([start, end], float)
    return PageSystem(
        page, x[0], x[1], ys[0], ys[-1], start, end, knots, np.array(rows, float), mesh
    )
