"""Tracking error in seconds: positions of the strip mapped back to the performance's time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sfpipe.evaluation.onset_tracking import count_onsets

if TYPE_CHECKING:
    from sfpipe.game.play import PlayedGame

_ANYWHERE_PX = 1e6  # longer than any strip


class _Segments(NamedTuple):
    """Stretches of the music: px at the begin and end of each, and s; float64 [shape=(n,)]."""

    left: np.ndarray
    right: np.ndarray
    start: np.ndarray
    end: np.ndarray


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
    knots_x, knots_s = _extended(x, onset_s, game.threshold_px + 1, game.threshold_px + 1)
    if (np.diff(knots_x) > 0).all():
        return np.interp(position, knots_x, knots_s) - now
    there = _nearest_time(position, now, _segments(knots_x, knots_s))
    missing = np.flatnonzero(np.isnan(there))
    there[missing] = [knots_s[np.argmin(np.abs(knots_x - position[i]))] for i in missing]
    return there - now


def shown_positions(game: PlayedGame) -> np.ndarray:
    """The position shown at each onset, lost or not, float64 [shape=(N,)], strip px.

    NaN: the game had ended, and the follower with it.
    """
    shown = all_shown(game)
    steps = np.asarray(game.onset_frames, np.int64) - game.start_frame
    inside = steps < len(shown)
    return np.where(inside, shown[np.where(inside, steps, 0)], np.nan)


def all_shown(game: PlayedGame) -> np.ndarray:
    """The position shown in every frame from the first onset's on, lost or not, as long as any is.

    It is what the follower says of the music (`PlayedGame.believed_px`), else the game's position.

    Returns
    -------
    np.ndarray [shape=(M,)], float64, strip px.
    """
    start = float(game.onset_x_px[0])  # where every game begins
    after = [game.believed_px] if len(game.believed_px) else [game.position_px, game.after_loss_px]
    return np.concatenate([[start], *after]).astype(np.float64)


def shown_time_errors(game: PlayedGame) -> np.ndarray:
    """Time error of the position shown at every onset, lost or not.

    The map is that of `time_errors`, but for jumps of the performance (a step back, or one over
    more than a window): no time passes through them, and each stretch between two of them goes on
    for the threshold b at either end, the first and the last as far as the strip. Of several times
    at a position the nearest to the onset is meant.

    Returns
    -------
    np.ndarray [shape=(N,)], float64, s; negative is behind. NaN: no position was shown, or one
    that the performance never comes to.
    """
    x = np.asarray(game.onset_x_px, np.float64)
    onset_s = np.asarray(game.onset_s, np.float64)
    shown, steps = shown_positions(game), np.diff(x)
    jumps = np.flatnonzero((steps < 0) | (steps > game.width)) + 1
    stretches = list(zip(np.split(x, jumps), np.split(onset_s, jumps), strict=True))
    px = sum(float(there[-1] - there[0]) for there, _ in stretches)
    seconds = sum(float(then[-1] - then[0]) for _, then in stretches)
    pace = seconds / px if px > 0 else 0.0
    if not len(jumps) and (steps > 0).all():
        knots = _extended(x, onset_s, _ANYWHERE_PX, _ANYWHERE_PX, pace)
        return np.interp(shown, *knots) - onset_s
    parts = []
    for i, stretch in enumerate(stretches):
        before = game.threshold_px if i else _ANYWHERE_PX
        after = game.threshold_px if i + 1 < len(stretches) else _ANYWHERE_PX
        parts.append(_segments(*_extended(*stretch, before, after, pace)))
    segments = _Segments(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return _nearest_time(shown, onset_s, segments) - onset_s


def _extended(
    x: np.ndarray, s: np.ndarray, before_px: float, after_px: float, pace: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Add a knot before the first and one after the last, at `pace` (s/px; None: the mean)."""
    if pace is None:
        if x[-1] <= x[0]:
            return x, s
        pace = (s[-1] - s[0]) / (x[-1] - x[0])
    return (
        np.concatenate([[x[0] - before_px], x, [x[-1] + after_px]]),
        np.concatenate([[s[0] - before_px * pace], s, [s[-1] + after_px * pace]]),
    )


def _segments(knots_x: np.ndarray, knots_s: np.ndarray) -> _Segments:
    return _Segments(knots_x[:-1], knots_x[1:], knots_s[:-1], knots_s[1:])


def _nearest_time(position: np.ndarray, now: np.ndarray, of: _Segments) -> np.ndarray:
    """The time nearest to `now` at which the music passes `position`; NaN: it never does."""
    out = np.full(len(position), np.nan)
    low, high = np.minimum(of.left, of.right), np.maximum(of.left, of.right)
    for i, (p, t) in enumerate(zip(position, now, strict=True)):
        inside = (low <= p) & (p <= high)
        if not inside.any():
            continue
        left, right, start, end = (column[inside] for column in of)
        width = right - left
        share = np.where(width != 0, (p - left) / np.where(width != 0, width, 1), 0)
        # A level stretch stands for every time in it.
        times = np.where(width == 0, np.clip(t, start, end), start + share * (end - start))
        out[i] = times[np.argmin(np.abs(times - t))]
    return out
