"""Metrics of score following in sheet music images (section 4.1 of the paper, and since).

Conventions
-----------
Games are given as a sequence of `sfpipe.game.play.PlayedGame`, in any order: one
per piece, performance and trial. Tracking errors are in pixels of the strip, position minus
target, so that negative is behind. Onsets are merged: one per spectrogram frame.

Every function that counts onsets takes ``counting``: ``"paper"`` is the definition,
``"reference"`` what the evaluator published in 2019 does (see `sfpipe.evaluation.onset_tracking`).

Metrics
-------
* `onset_tracking_ratio`: R_on, onsets reached before losing the target / all onsets, pooled.
* `mean_onset_tracking_ratio`: the same ratio per piece, averaged over pieces.
* `tracked_until_end_ratio`: R_tue, games followed to the last onset / games.
* `tracking_error`: mean and standard deviation of |dx| over the sampled onsets, px or cm.
* `worst_case_error`: mean |dx| over all onsets; one that was not reached counts as the threshold.
* `onsets_within`: share of all onsets reached with a time error of at most so many seconds.
* `confidence_intervals`: 95 % bootstrap intervals of R_on, R_tue and |dx|, resampling pieces.

Means and standard deviations of nothing (no onset sampled) are NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.onset_tracking import Counting, OnsetCount, count_onsets
from sfpipe.evaluation.timing import time_errors
from sfpipe.evaluation.validation import validate

if TYPE_CHECKING:
    from sfpipe.game.play import PlayedGame

TOLERANCES_S = (0.05, 0.1, 0.5, 1.0, 5.0)
N_RESAMPLES = 10_000

# An error of exactly one tolerance is within it, whatever the last bit says.
_SLACK_S = 1e-9


def onset_tracking_ratio(games: Sequence[PlayedGame], counting: Counting = "paper") -> float:
    """R_on, in [0, 1]: onsets reached before losing the target / all onsets, over all games."""
    counts = [count_onsets(game, counting) for game in games]
    return sum(c.n_reached for c in counts) / sum(c.n_onsets for c in counts)


def mean_onset_tracking_ratio(games: Sequence[PlayedGame], counting: Counting = "paper") -> float:
    """R_on of each piece (its performances and trials pooled), averaged over pieces."""
    sums = _sums_per_piece(games, counting)
    return float(np.mean(sums[:, _REACHED] / sums[:, _ONSETS]))


def tracked_until_end_ratio(games: Sequence[PlayedGame], counting: Counting = "paper") -> float:
    """R_tue, in [0, 1]: games in which every onset was reached / games."""
    return float(np.mean([count_onsets(game, counting).to_end for game in games]))


def tracking_error(
    games: Sequence[PlayedGame],
    counting: Counting = "paper",
    unit: Literal["px", "cm"] = "px",
) -> tuple[float, float]:
    """Mean and (population) standard deviation of |dx| over the sampled onsets.

    With counting ``paper`` all games are pooled, and cm are those of each game's `px_per_cm`;
    with ``reference`` both figures are taken per trial and averaged over trials, and a pixel is
    taken for 1/72 inch, as the evaluator of 2019 does. (Where no onset of a trial was sampled
    that evaluator reports -1; here the trial is left out.)
    """
    trials: dict[int, list[OnsetCount]] = {}
    for game in games:
        group = game.trial if counting == "reference" else 0
        trials.setdefault(group, []).append(count_onsets(game, counting))
    figures = []
    for _, counts in sorted(trials.items()):
        scales = [c.cm_per_px if unit == "cm" else 1.0 for c in counts]
        size = np.abs(np.concatenate([c.error_px * k for c, k in zip(counts, scales, strict=True)]))
        if len(size):
            figures.append((size.mean(), size.std()))
    if not figures:
        return float("nan"), float("nan")
    mean, std = np.mean(figures, axis=0)
    return float(mean), float(std)


def worst_case_error(games: Sequence[PlayedGame], unit: Literal["px", "cm"] = "px") -> float:
    """Mean |dx| over all onsets, where an onset that was not reached counts as the threshold b.

    Unlike |dx| over reached onsets, it cannot be lowered by losing the hard pieces early.
    """
    total, n_onsets = 0.0, 0
    for game in games:
        count = count_onsets(game, "paper")
        missed = (count.n_onsets - count.n_reached) * game.threshold_px
        scale = count.cm_per_px if unit == "cm" else 1.0
        total += scale * (float(np.abs(count.error_px).sum()) + missed)
        n_onsets += count.n_onsets
    return total / n_onsets


def onsets_within(
    games: Sequence[PlayedGame], tolerances_s: Sequence[float] = TOLERANCES_S
) -> dict[float, float]:
    """Share of all onsets reached with |time error| <= each tolerance; lost ones are not within.

    The position is mapped back to time through the onset map (`sfpipe.evaluation.timing`).
    """
    errors = np.abs(np.concatenate([time_errors(game) for game in games]))
    n_onsets = sum(len(game.onset_frames) for game in games)
    return {t: int((errors <= t + _SLACK_S).sum()) / n_onsets for t in tolerances_s}


def confidence_intervals(
    games: Sequence[PlayedGame],
    rng: np.random.Generator,
    counting: Counting = "paper",
    n_resamples: int = N_RESAMPLES,
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals of R_on, R_tue and |dx|.

    Pieces are resampled with all their performances and trials, since trials of one piece are
    not independent. One piece alone gives intervals of zero width.

    Returns
    -------
    ``r_on``, ``r_tue``, ``abs_dx_px`` -> (low, high).
    """
    sums = _sums_per_piece(games, counting)
    n = len(sums)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(np.float64) @ sums
    with np.errstate(invalid="ignore"):
        figures = {
            "r_on": drawn[:, _REACHED] / drawn[:, _ONSETS],
            "r_tue": drawn[:, _TO_END] / drawn[:, _GAMES],
            "abs_dx_px": drawn[:, _SIZE] / drawn[:, _SAMPLED],
        }
    return {name: _percentiles(values) for name, values in figures.items()}


def evaluate(
    games: Sequence[PlayedGame],
    *,
    rng: np.random.Generator,
    counting: Counting = "paper",
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Any]:
    """Compute every metric, after `validate`; plain numbers, NaN where there is none.

    The intervals (``ci95``) are drawn with `rng`; ``n_resamples=0`` leaves them out.

    Raises
    ------
    SfpipeError
        If there is no game, or one breaks a convention (NaN, incomplete, inconsistent).
    """
    validate(games)
    px, cm = (tracking_error(games, counting, unit) for unit in ("px", "cm"))
    result: dict[str, Any] = {
        "r_on": onset_tracking_ratio(games, counting),
        "r_on_piece_mean": mean_onset_tracking_ratio(games, counting),
        "r_tue": tracked_until_end_ratio(games, counting),
        "abs_dx_px": {"mean": px[0], "std": px[1]},
        "abs_dx_cm": {"mean": cm[0], "std": cm[1]},
    }
    if counting == "paper":
        result["abs_dx_lost_is_worst"] = {
            "px": worst_case_error(games, "px"),
            "cm": worst_case_error(games, "cm"),
        }
        result["within_s"] = {f"{t:g}": share for t, share in onsets_within(games).items()}
    if n_resamples:
        intervals = confidence_intervals(games, rng, counting, n_resamples)
        result["ci95"] = {n: {"low": low, "high": high} for n, (low, high) in intervals.items()}
    return result


# Columns of the sums per piece.
_GAMES, _TO_END, _ONSETS, _REACHED, _SAMPLED, _SIZE = range(6)


def _sums_per_piece(games: Sequence[PlayedGame], counting: Counting) -> np.ndarray:
    """[shape=(n_pieces, 6)], sorted by piece: what every pooled ratio is made of."""
    rows: dict[str, np.ndarray] = {}
    for game in games:
        count = count_onsets(game, counting)
        size = np.abs(count.error_px)
        row = [1, count.to_end, count.n_onsets, count.n_reached, len(size), size.sum()]
        rows[game.piece] = rows.get(game.piece, np.zeros(6)) + np.array(row, np.float64)
    if not rows:
        raise SfpipeError("no games to evaluate: expected at least one, found none")
    return np.stack([rows[piece] for piece in sorted(rows)])


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
