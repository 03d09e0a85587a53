"""Tracking error in seconds: positions of the strip mapped back to the performance's time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sfpipe.evaluation.onset_tracking import count_onsets

if TYPE_CHECKING:
    from sfpipe.game.play import PlayedGame


def time_errors(game: PlayedGame) -> np.ndarray:
    """Time error at each reached onset: performance time at the position, minus the onset's time.

    The onset map is linear between onsets; before the first and after the last one it goes on at
    the piece's mean speed. Where several times have the same position (a head below another), the
    one nearest to the onset is meant.

    Returns
    -------
    np.ndarray [shape=(n_reached,)], float64, s; negative is behind.
    """
    count = count_onsets(game, "paper")
    x = np.asarray(game.onset_x_px, np.float64)
    onset_s = np.asarray(game.onset_s, np.float64)
    position = x[count.onset_index] + count.error_px
    now = onset_s[count.onset_index]
    knots_x, knots_s = _extended(x, onset_s, reach_px=game.threshold_px + 1)
    if (np.diff(knots_x) > 0).all():
        return np.interp(position, knots_x, knots_s) - now
    return _nearest_time(position, now, knots_x, knots_s) - now


def _extended(x: np.ndarray, s: np.ndarray, reach_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Add a knot before the first and one after the last, as far as a reached onset can be off."""
    span_x, span_s = x[-1] - x[0], s[-1] - s[0]
    if span_x <= 0:
        return x, s
    reach_s = reach_px * span_s / span_x
    return (
        np.concatenate([[x[0] - reach_px], x, [x[-1] + reach_px]]),
        np.concatenate([[s[0] - reach_s], s, [s[-1] + reach_s]]),
    )


def _nearest_time(
    position: np.ndarray, now: np.ndarray, knots_x: np.ndarray, knots_s: np.ndarray
) -> np.ndarray:
    """The time nearest to `now` at which the piecewise linear map passes `position`.

    Positions that the map never passes take the time of the knot nearest in x.
    """
    out = np.empty(len(position))
    left, right = knots_x[:-1], knots_x[1:]
    step = right - left
    for i, (p, t) in enumerate(zip(position, now, strict=True)):
        inside = (np.minimum(left, right) <= p) & (p <= np.maximum(left, right))
        if not inside.any():
            out[i] = knots_s[np.argmin(np.abs(knots_x - p))]
            continue
        start, end = knots_s[:-1][inside], knots_s[1:][inside]
        width = step[inside]
        share = np.where(width != 0, (p - left[inside]) / np.where(width != 0, width, 1), 0)
        times = start + share * (end - start)
        # A level stretch stands for every time in it.
        times = np.where(width == 0, np.clip(t, start, end), times)
        out[i] = times[np.argmin(np.abs(times - t))]
    return out
