"""Drawing attributions over the planes they belong to (Figure 9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.evaluation.figures import bare, new_figure, save
from sfpipe.game.dynamics import Observation
from sfpipe.game.players import ACTIONS
from sfpipe.inspection.integrated_gradients import Attributions

FOR, AGAINST = np.array([0.75, 0.08, 0.08]), np.array([0.08, 0.25, 0.75])
PLANES = ("score", "delta score", "spectrogram", "delta spectrogram")


def overlay(plane: np.ndarray, attribution: np.ndarray, top: float) -> np.ndarray:
    """A plane in light grey, red where it speaks for the action and blue where against it.

    Parameters
    ----------
    plane:
        float [shape=(height, width)] in [0, 1], 0 is paper.
    attribution:
        float [shape=(height, width)], in units of the output.
    top:
        Attribution that is drawn in full colour.

    Returns
    -------
    np.ndarray [shape=(height, width, 3)], float in [0, 1], RGB.
    """
    grey = 1 - 0.45 * np.clip(plane, 0, 1)[..., None]
    share = np.clip(np.abs(attribution) / max(top, 1e-12), 0, 1)[..., None] ** 0.6
    colour = np.where(attribution[..., None] > 0, FOR, AGAINST)
    return (1 - share) * grey + share * colour


def full_colour(*attributions: np.ndarray) -> float:
    """The attribution that one pixel in a thousand exceeds: that of full colour."""
    size = np.concatenate([np.abs(a).ravel() for a in attributions])
    return float(np.quantile(size, 0.999)) if len(size) else 0.0


def draw_saliency(
    observation: Observation, attributed: Attributions, names: list[str], path: Path
) -> Path:
    """Draw the four planes of each state, one column per state.

    Parameters
    ----------
    names:
        Of the states, for the titles.
    """
    n = len(attributed)
    height, width = observation.score.shape[2:]
    tall = 3.3 * height / width
    figure = new_figure(3.3 * n, 2 * (tall + 0.25) + 2 * 1.75 + 0.5)
    grid = figure.add_gridspec(4, n, height_ratios=[tall + 0.1, tall + 0.1, 1.7, 1.7])
    for i in range(n):
        score, sound = (
            observation.score[i].float().numpy(),
            observation.spectrogram[i].float().numpy(),
        )
        tops = [full_colour(attributed.score[i]), full_colour(attributed.spectrogram[i])]
        rows = [(np.abs(score[c]), attributed.score[i, c], tops[0], "equal") for c in (0, 1)] + [
            (np.sqrt(np.abs(sound[c])), attributed.spectrogram[i, c], tops[1], "auto")
            for c in (0, 1)
        ]
        for row, (plane, attribution, top, aspect) in enumerate(rows):
            axis = bare(figure.add_subplot(grid[row, i]))
            _draw(axis, overlay(plane, attribution, top), aspect)
            if aspect == "equal":
                axis.axvline(width // 2 - 0.5, color="#1f5fa8", lw=0.8, ls=":")
            axis.set_xlabel(f"{PLANES[row]}: {attribution.sum():+.2f}", fontsize=8)
            if row == 0:
                action = ACTIONS[int(attributed.action[i])]
                axis.set_title(f"{names[i]}: why {action:+d}?", fontsize=10)
    figure.suptitle("red: speaks for the action, blue: against it; sums per plane", fontsize=9)
    return save(figure, path)


def _draw(axis: Any, picture: np.ndarray, aspect: str) -> None:
    # Low notes at the bottom of a spectrogram.
    origin = "upper" if aspect == "equal" else "lower"
    axis.imshow(picture, aspect=aspect, origin=origin, interpolation="nearest")
