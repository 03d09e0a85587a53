"""Pictures of game states: the score excerpt with target and agent, the sound, the figures.

The one drawing of a state, for the environment, videos and people who play. Only NumPy, OpenCV and
Pillow, plain arrays in, so that notebooks can use it without a game.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.game.draw_text import Colour, shortened, write

# RGB, after the colours of common plots: ink on paper, agent blue, target orange.
PAPER, INK = (255, 255, 255), (24, 24, 27)
BACKGROUND, GREY, LIGHT = (246, 246, 244), (110, 110, 116), (222, 222, 220)
AGENT, TARGET, WINDOW = (31, 95, 168), (222, 110, 18), (31, 95, 168)
GOOD, BAD = (58, 143, 77), (190, 40, 34)
FOR, AGAINST = (191, 20, 20), (20, 64, 191)  # what speaks for and against an action

# Values of log-magnitude spectrograms of music stay below this; fixed, so that loudness shows.
SPECTROGRAM_TOP = 1.0

_MARGIN = 20
_BAND = 148  # height of the row with spectrogram and figures
_GAP = 28  # between score and band, with a line of captions
_SMALL, _NORMAL = 11, 13  # px
# From this width on there is room for action probabilities beside the figures.
_WIDE = 960
_ACTIONS = ("slower", "as it is", "faster")


class Saliency(NamedTuple):
    """What speaks for an action (up to 1) or against it (down to -1): (h, w) and (78, 40)."""

    score: np.ndarray
    spectrogram: np.ndarray


def render_state(
    score: np.ndarray,
    spectrogram: np.ndarray,
    *,
    position_px: float,
    target_px: float,
    threshold_px: float,
    info: Mapping[str, Any] | None = None,
    window_px: int | None = None,
    scale: int = 4,
) -> np.ndarray:
    """Draw one state of a game.

    Above, the score excerpt enlarged: the agent's position is the blue line in its middle, the
    target the orange one, and the bright part is the tracking window, outside of which the target
    is lost. Below, the spectrogram excerpt (low notes at the bottom, now at the right), the
    tracking error on a scale from -b to b, and the figures in `info`.

    Parameters
    ----------
    score:
        np.ndarray [shape=(H, W)], float, ink in [0, 1]: what the agent sees, without differences.
    spectrogram:
        np.ndarray [shape=(78, 40)], float, log-magnitude, lowest band and oldest frame first.
    position_px, target_px:
        Columns of agent and target, strip px (only their difference matters).
    threshold_px:
        Largest tracking error b at which the target is not lost, strip px.
    info:
        See `draw_state`.
    window_px:
        Strip px that the W columns stand for: 2 W if the excerpt is at half size. W by default.
    scale:
        Enlargement of the excerpt.

    Returns
    -------
    np.ndarray [shape=(height, width, 3)], uint8, RGB. The shape depends on H, W and `scale` only;
    both sides are multiples of 16, as video encoders like them.

    Raises
    ------
    SfpipeError
        If an array has the wrong number of dimensions or is empty, or a number is not finite.
    """
    if np.ndim(score) != 2 or 0 in np.shape(score) or scale < 1:
        raise SfpipeError(
            f"render_state: expected a score of two dimensions, found shape {np.shape(score)},"
            f" and scale >= 1, found {scale}",
            remedy="pass one channel of one observation",
        )
    return draw_state(
        enlarged(score, scale),
        spectrogram,
        per_px=scale * score.shape[1] / (window_px or score.shape[1]),
        position_px=position_px,
        target_px=target_px,
        threshold_px=threshold_px,
        info=info,
    )


def enlarged(ink: np.ndarray, scale: int) -> np.ndarray:
    """Ink in [0, 1] [shape=(H, W)] as grey on paper, uint8 [shape=(H scale, W scale)]."""
    import cv2

    size = (ink.shape[1] * scale, ink.shape[0] * scale)
    smooth = cv2.resize(
        np.nan_to_num(np.asarray(ink, np.float32)), size, interpolation=cv2.INTER_CUBIC
    )
    return (255 * (1 - smooth.clip(0, 1))).astype(np.uint8)


def draw_state(
    paper: np.ndarray,
    spectrogram: np.ndarray,
    *,
    per_px: float,
    position_px: float,
    target_px: float | None,
    threshold_px: float,
    info: Mapping[str, Any] | None = None,
    seen_px: int | None = None,
    saliency: Saliency | None = None,
) -> np.ndarray:
    """As `render_state`, of a piece of score that is enlarged already.

    Parameters
    ----------
    paper:
        np.ndarray [shape=(height, width)], uint8, grey; `position_px` is at its column width // 2.
    per_px:
        Columns of `paper` per strip px.
    target_px:
        None hides the target and what would give it away.
    info:
        Any of ``frame``, ``speed_px`` (per frame), ``reward`` (of the last step), ``score`` (sum of
        rewards so far), ``value``, ``piece``, ``time`` (text), ``name`` (of the agent), and on wide
        pictures ``probabilities`` of the three actions; what is missing is left out.
    seen_px:
        Strip px that the agent sees, if `paper` shows more.
    saliency:
        Laid over what the agent sees.
    """
    hidden = target_px is None
    error = 0.0 if target_px is None else position_px - target_px
    _check(spectrogram, position_px, error, threshold_px)
    height, width = paper.shape
    canvas = _empty(*_canvas_size(height, width)).copy()
    left = (canvas.shape[1] - width) // 2
    lost = abs(error) > threshold_px
    facts = dict(info or {})
    panel = _score_panel(paper, threshold_px * per_px, seen_px and seen_px * per_px, saliency)
    if not hidden:
        # A target off the picture is drawn at its border.
        _column(panel, float(np.clip(-error * per_px, -width // 2 + 2, width // 2 - 3)), 2, TARGET)
    _column(panel, 0, 2, AGENT)
    canvas[_MARGIN : _MARGIN + height, left : left + width] = panel
    _frame(canvas, left, _MARGIN, width, height)

    top = canvas.shape[0] - _MARGIN - _BAND
    _captions(canvas, left, left + width, top - 9, facts, hidden)
    sound = _sound_panel(spectrogram, height=_BAND, saliency=saliency)
    sound_width = sound.shape[1]
    canvas[top : top + _BAND, left : left + sound_width] = sound
    _frame(canvas, left, top, sound_width, _BAND)

    first, last = left + sound_width + 2 * _MARGIN, left + width
    if canvas.shape[1] >= _WIDE:
        last = (first + last) // 2 - _MARGIN
        if facts.get("probabilities") is not None:
            _policy(canvas, last + 4 * _MARGIN, left + width, top + 14, facts["probabilities"])
    if saliency is not None:
        legend = "red speaks for the likeliest action, blue against it"
        write(canvas, legend, left + width, canvas.shape[0] - 7, GREY, align="right", size=_SMALL)
    if not hidden:
        _gauge(canvas, first, last, top + 26, error / threshold_px, lost)
    _figures(canvas, first, last, top + 72, None if hidden else error, lost, facts)
    return canvas


def _check(spectrogram: np.ndarray, position_px: float, error: float, threshold_px: float) -> None:
    if np.ndim(spectrogram) != 2 or 0 in np.shape(spectrogram):
        raise SfpipeError(
            "render_state: expected a spectrogram of two dimensions, found shape"
            f" {np.shape(spectrogram)}",
            remedy="pass one channel of one observation",
        )
    if not np.isfinite([position_px, error]).all() or not threshold_px > 0:
        raise SfpipeError(
            "render_state: expected finite positions and threshold > 0, found the position"
            f" {position_px}, the tracking error {error}, the threshold {threshold_px}",
            remedy="pass the positions of info",
        )


def _canvas_size(height: int, width: int) -> tuple[int, int]:
    """Room for the panels, rounded up to multiples of 16."""
    rows = 2 * _MARGIN + height + _GAP + _BAND
    columns = max(2 * _MARGIN + width, 480)
    return -(-rows // 16) * 16, -(-columns // 16) * 16


@lru_cache(maxsize=4)
def _empty(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), BACKGROUND, np.uint8)


def _score_panel(
    paper: np.ndarray, threshold: float, visible: float | None, saliency: Saliency | None
) -> np.ndarray:
    """Ink on paper, darker outside the tracking window and where the agent does not see."""
    width = paper.shape[1]
    # The agent's position is the left edge of column width // 2, hence no half pixel here.
    distance = np.abs(np.arange(width) - width // 2)
    panel = _tinted(paper, 0.0)
    _shade(panel, paper, distance > threshold, 0.2)
    if visible is not None:
        _shade(panel, paper, distance > visible / 2, 0.36)
        for edge in (-visible / 2, visible / 2):
            _column(panel, edge, 1, GREY, 0.6)
    if saliency is not None:
        half = round((visible or width) / 2)
        _heat(panel[:, max(width // 2 - half, 0) : width // 2 + half], saliency.score)
    for edge in (-threshold, threshold):
        _column(panel, edge, 1, WINDOW, 0.55)
    return panel


def _tinted(paper: np.ndarray, grey: float) -> np.ndarray:
    """Grey values as ink on paper, mixed with a share of grey."""
    import cv2

    share = np.arange(256)[:, None] / 255
    colours = share * PAPER + (1 - share) * INK
    table = ((1 - grey) * colours + grey * np.array(GREY)).round().astype(np.uint8)
    return cv2.LUT(cv2.merge([paper] * 3), table[None])


def _shade(panel: np.ndarray, paper: np.ndarray, where: np.ndarray, grey: float) -> None:
    """Draw the columns at both ends, where `where` is true, darker."""
    inside = np.flatnonzero(~where)
    first, end = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (len(where), len(where))
    for part in (slice(0, first), slice(end, len(where))):
        if part.start < part.stop:
            panel[:, part] = _tinted(np.ascontiguousarray(paper[:, part]), grey)


def _column(
    panel: np.ndarray, offset: float, half: int, colour: Colour, alpha: float = 0.95
) -> None:
    """Blend a vertical line, `offset` px from the middle; drawn over in place."""
    at = panel.shape[1] // 2 + round(offset)
    line = panel[:, max(at - half, 0) : max(at + half, 0)]
    line[:] = ((1 - alpha) * line + alpha * np.array(colour)).round().astype(np.uint8)


def _heat(panel: np.ndarray, values: np.ndarray) -> None:
    """Lay saliency over a panel, in place."""
    import cv2

    size = (panel.shape[1], panel.shape[0])
    grown = cv2.resize(np.asarray(values, np.float32), size, interpolation=cv2.INTER_LINEAR)
    alpha = (0.9 * np.sqrt(np.abs(grown).clip(0, 1)))[..., None]
    colours = np.where(
        grown[..., None] > 0, np.array(FOR, np.float32), np.array(AGAINST, np.float32)
    )
    panel[:] = ((1 - alpha) * panel + alpha * colours).astype(np.uint8)


def _sound_panel(spectrogram: np.ndarray, height: int, saliency: Saliency | None) -> np.ndarray:
    """The spectrogram, low notes at the bottom, newest frame at the right, in viridis.

    Under a saliency it is grey, so that the colours are the saliency's.
    """
    import cv2

    values = np.nan_to_num(np.asarray(spectrogram, np.float32))[::-1] / SPECTROGRAM_TOP
    grey = (255 * np.sqrt(values.clip(0, 1))).astype(np.uint8)
    size = (spectrogram.shape[1] * 6, height)
    if saliency is None:
        colour = cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)[..., ::-1]
        return cv2.resize(colour, size, interpolation=cv2.INTER_NEAREST)
    pale = np.repeat(255 - (grey * 0.75).astype(np.uint8)[..., None], 3, axis=2)
    panel = cv2.resize(pale, size, interpolation=cv2.INTER_NEAREST)
    _heat(panel, saliency.spectrogram[::-1])
    return panel


def _frame(canvas: np.ndarray, left: int, top: int, width: int, height: int) -> None:
    import cv2

    corner = (left + width, top + height)
    cv2.rectangle(canvas, (left - 1, top - 1), corner, LIGHT, 1)


def _captions(
    canvas: np.ndarray, left: int, right: int, y: int, facts: Mapping[str, Any], hidden: bool
) -> None:
    """Names of the two lines under them, piece and time at the sides."""
    middle, side = (left + right) // 2, (right - left) // 2 - 80
    name = shortened(str(facts.get("name", "agent")), side // 2)
    write(canvas, name, middle - 6, y, AGENT, align="right")
    if not hidden:
        write(canvas, "target", middle + 6, y, TARGET)
    if "piece" in facts:
        write(canvas, shortened(str(facts["piece"]), side // 2 + 60), left, y, GREY)
    if "time" in facts:
        write(canvas, str(facts["time"]), right, y, GREY, align="right")


def _gauge(canvas: np.ndarray, left: int, right: int, y: int, relative: float, lost: bool) -> None:
    """A scale from -b to b with the tracking error on it."""
    import cv2

    middle, half = (left + right) // 2, (right - left) // 2
    cv2.rectangle(canvas, (left, y - 4), (right, y + 4), LIGHT, -1)
    end = middle + round(half * float(np.clip(relative, -1, 1)))
    colour = BAD if lost else AGENT
    cv2.rectangle(canvas, (min(middle, end), y - 4), (max(middle, end), y + 4), colour, -1)
    cv2.line(canvas, (middle, y - 9), (middle, y + 9), TARGET, 2)
    for text, x, align in (
        ("behind", left, "left"),
        ("tracking error", middle, "middle"),
        ("ahead", right, "right"),
    ):
        write(canvas, text, x, y - 13, GREY, align=align, size=_SMALL)


def _figures(
    canvas: np.ndarray,
    left: int,
    right: int,
    y: int,
    error: float | None,
    lost: bool,
    facts: Mapping[str, Any],
) -> None:
    """Names over numbers, in two rows of three columns."""
    figures: list[tuple[str, str, Colour]] = []
    if error is not None:
        figures.append(("error", f"{error:+.1f} px", BAD if lost else INK))
    for name, key, text in (
        ("speed", "speed_px", "{:+.1f} px/frame"),
        ("reward", "reward", "{:.2f}"),
        ("score", "score", "{:.1f}"),
        ("value", "value", "{:.2f}"),
        ("frame", "frame", "{:.0f}"),
    ):
        if facts.get(key) is not None:
            figures.append((name, text.format(facts[key]), INK))
    for i, (name, number, colour) in enumerate(figures):
        x, row = left + (i % 3) * (right - left) // 3, y + (i // 3) * 40
        write(canvas, name, x, row, GREY, size=_SMALL)
        write(canvas, number, x, row + 17, colour)
    if lost:
        write(canvas, "TARGET LOST", right, y + 75, BAD, align="right")


def _policy(canvas: np.ndarray, left: int, right: int, y: int, shares: Any) -> None:
    """A bar for the probability of each action."""
    import cv2

    write(canvas, "action probabilities", left, y - 1, GREY, size=_SMALL)
    start, end = left + 70, right - 46
    for i, (name, share) in enumerate(zip(_ACTIONS, shares, strict=True)):
        row = y + 26 + 36 * i
        write(canvas, name, start - 10, row + 5, INK, align="right")
        cv2.rectangle(canvas, (start, row - 9), (end, row + 9), LIGHT, -1)
        filled = start + round((end - start) * float(share))
        if filled > start:
            cv2.rectangle(canvas, (start, row - 9), (filled, row + 9), AGENT, -1)
        write(canvas, f"{100 * float(share):.0f} %", right, row + 5, INK, align="right")
