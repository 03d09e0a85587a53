"""Pictures of game states: the score excerpt with target and agent, the sound, the figures.

Only NumPy and OpenCV, plain arrays in, so that videos and notebooks can use it without a game.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sfpipe.errors import SfpipeError

# RGB, after the colours of common plots: ink on paper, agent blue, target orange.
PAPER, INK = (255, 255, 255), (24, 24, 27)
BACKGROUND, GREY, LIGHT = (246, 246, 244), (110, 110, 116), (222, 222, 220)
AGENT, TARGET, WINDOW = (31, 95, 168), (222, 110, 18), (31, 95, 168)
GOOD, BAD = (58, 143, 77), (190, 40, 34)

# Values of log-magnitude spectrograms of music stay below this; fixed, so that loudness shows.
SPECTROGRAM_TOP = 1.0

_MARGIN = 20
_BAND = 148  # height of the row with spectrogram and figures
_GAP = 28  # between score and band, with a line of captions
_FONT_SCALE = 0.44
# Text is drawn so many times larger and shrunk: OpenCV's stroke fonts look rough otherwise.
_SMOOTH = 4


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
        Any of ``frame``, ``speed_px`` (per frame), ``reward`` (of the last step), ``score`` (sum of
        rewards so far) and ``piece``; what is missing is left out.
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
    _check(score, spectrogram, position_px, target_px, threshold_px, scale)
    height, width = score.shape[0] * scale, score.shape[1] * scale
    canvas = np.full((*_canvas_size(height, width), 3), BACKGROUND, np.uint8)
    left = (canvas.shape[1] - width) // 2
    per_px = width / (window_px or score.shape[1])
    error = position_px - target_px
    lost = abs(error) > threshold_px
    view = canvas[_MARGIN : _MARGIN + height, left : left + width]
    view[:] = _score_panel(score, scale, -error * per_px, threshold_px * per_px)
    _frame(canvas, left, _MARGIN, width, height)

    top = canvas.shape[0] - _MARGIN - _BAND
    caption = top - 8
    facts = dict(info or {})
    middle = left + width // 2
    _text(canvas, "agent", middle - 6, caption, AGENT, align="right")
    _text(canvas, "target", middle + 6, caption, TARGET)
    if "piece" in facts:
        _text(canvas, str(facts["piece"])[: width // 18], left, caption, GREY)
    sound = _sound_panel(spectrogram, height=_BAND)
    sound_width = sound.shape[1]
    canvas[top : top + _BAND, left : left + sound_width] = sound
    _frame(canvas, left, top, sound_width, _BAND)

    right = left + sound_width + 2 * _MARGIN
    _gauge(canvas, right, left + width, top + 26, error / threshold_px, lost)
    _figures(canvas, right, left + width, top + 76, error, lost, facts)
    return canvas


def _check(
    score: np.ndarray,
    spectrogram: np.ndarray,
    position_px: float,
    target_px: float,
    threshold_px: float,
    scale: int,
) -> None:
    for name, array in (("score", score), ("spectrogram", spectrogram)):
        if np.ndim(array) != 2 or 0 in np.shape(array):
            raise SfpipeError(
                f"render_state: expected a {name} of two dimensions, found shape {np.shape(array)}",
                remedy="pass one channel of one observation",
            )
    if not np.isfinite([position_px, target_px]).all() or not threshold_px > 0 or scale < 1:
        raise SfpipeError(
            "render_state: expected finite positions, threshold > 0 and scale >= 1, found"
            f" {position_px}, {target_px}, {threshold_px}, {scale}",
            remedy="pass the positions of info",
        )


def _canvas_size(height: int, width: int) -> tuple[int, int]:
    """Room for the panels, rounded up to multiples of 16."""
    rows = 2 * _MARGIN + height + _GAP + _BAND
    columns = max(2 * _MARGIN + width, 480)
    return -(-rows // 16) * 16, -(-columns // 16) * 16


def _score_panel(score: np.ndarray, scale: int, target: float, threshold: float) -> np.ndarray:
    """The excerpt on paper, dimmed outside the tracking window; offsets from the middle, in px."""
    import cv2

    height, width = score.shape[0] * scale, score.shape[1] * scale
    ink = np.nan_to_num(np.asarray(score, np.float32))
    ink = cv2.resize(ink, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    panel = np.array(PAPER) + ink[..., None] * (np.array(INK, np.float64) - np.array(PAPER))
    # The agent's position is the left edge of column W // 2, hence no half pixel here.
    columns = np.arange(width) - width // 2
    outside = np.abs(columns) > threshold
    panel[:, outside] = 0.72 * panel[:, outside] + 0.28 * np.array(GREY)
    for edge in (-threshold, threshold):
        _column(panel, edge, 1, WINDOW, 0.55)
    # A target off the picture is drawn at its border.
    _column(panel, float(np.clip(target, -width // 2 + 2, width // 2 - 3)), 2, TARGET, 0.95)
    _column(panel, 0, 2, AGENT, 0.95)
    return panel.clip(0, 255).astype(np.uint8)


def _column(
    panel: np.ndarray, offset: float, half: int, colour: tuple[int, int, int], alpha: float
) -> None:
    """Blend a vertical line, `offset` px from the middle; drawn over in place."""
    at = panel.shape[1] // 2 + round(offset)
    line = panel[:, max(at - half, 0) : max(at + half, 0)]
    line[:] = (1 - alpha) * line + alpha * np.array(colour)


def _sound_panel(spectrogram: np.ndarray, height: int) -> np.ndarray:
    """The spectrogram, low notes at the bottom, newest frame at the right, in viridis."""
    import cv2

    values = np.nan_to_num(np.asarray(spectrogram, np.float32))[::-1] / SPECTROGRAM_TOP
    grey = (255 * np.sqrt(values.clip(0, 1))).astype(np.uint8)
    colour = cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    width = spectrogram.shape[1] * 6
    return cv2.resize(colour, (width, height), interpolation=cv2.INTER_NEAREST)


def _frame(canvas: np.ndarray, left: int, top: int, width: int, height: int) -> None:
    import cv2

    corner = (left + width, top + height)
    cv2.rectangle(canvas, (left - 1, top - 1), corner, LIGHT, 1)


def _gauge(canvas: np.ndarray, left: int, right: int, y: int, relative: float, lost: bool) -> None:
    """A scale from -b to b with the tracking error on it."""
    import cv2

    middle, half = (left + right) // 2, (right - left) // 2
    cv2.rectangle(canvas, (left, y - 4), (right, y + 4), LIGHT, -1)
    end = middle + round(half * float(np.clip(relative, -1, 1)))
    colour = BAD if lost else AGENT
    cv2.rectangle(canvas, (min(middle, end), y - 4), (max(middle, end), y + 4), colour, -1)
    cv2.line(canvas, (middle, y - 9), (middle, y + 9), TARGET, 2)
    _text(canvas, "behind", left, y - 12, GREY)
    _text(canvas, "tracking error", middle, y - 12, GREY, align="middle")
    _text(canvas, "ahead", right, y - 12, GREY, align="right")


def _figures(
    canvas: np.ndarray,
    left: int,
    right: int,
    y: int,
    error: float,
    lost: bool,
    facts: Mapping[str, Any],
) -> None:
    """Names over numbers, in a row of columns."""
    figures = [("error", f"{error:+.1f} px", BAD if lost else INK)]
    if "speed_px" in facts:
        figures.append(("speed", f"{facts['speed_px']:+.1f} px/frame", INK))
    if "reward" in facts:
        figures.append(("reward", f"{facts['reward']:.2f}", INK))
    if "score" in facts:
        figures.append(("score", f"{facts['score']:.1f}", INK))
    if "frame" in facts:
        figures.append(("frame", f"{int(facts['frame'])}", INK))
    for i, (name, number, colour) in enumerate(figures):
        x, row = left + (i % 3) * (right - left) // 3, y + (i // 3) * 44
        _text(canvas, name, x, row, GREY, size=0.85)
        _text(canvas, number, x, row + 17, colour)
    if lost:
        _text(canvas, "TARGET LOST", right, y + 61, BAD, align="right")


def _text(
    canvas: np.ndarray,
    text: str,
    x: int,
    y: int,
    colour: tuple[int, int, int],
    *,
    align: str = "left",
    size: float = 1.0,
) -> None:
    """Write a line with its baseline at `y`; characters beyond ASCII become '?'."""
    import cv2

    text = text.encode("ascii", "replace").decode()
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE * size * _SMOOTH
    (width, height), below = cv2.getTextSize(text, font, scale, _SMOOTH)
    mask = np.zeros((height + below + 4 * _SMOOTH, width + 2 * _SMOOTH), np.uint8)
    base = height + 2 * _SMOOTH
    cv2.putText(mask, text, (_SMOOTH, base), font, scale, 255, _SMOOTH + 1, cv2.LINE_AA)
    small = (mask.shape[1] // _SMOOTH, mask.shape[0] // _SMOOTH)
    shade = cv2.resize(mask, small, interpolation=cv2.INTER_AREA) / 255.0
    x -= {"left": 0, "middle": small[0] // 2, "right": small[0]}[align]
    top = y - base // _SMOOTH
    rows = slice(max(top, 0), max(min(top + small[1], canvas.shape[0]), 0))
    columns = slice(max(x, 0), max(min(x + small[0], canvas.shape[1]), 0))
    shade = shade[rows.start - top : rows.stop - top, columns.start - x : columns.stop - x, None]
    place = canvas[rows, columns]
    place[:] = ((1 - shade) * place + shade * np.array(colour)).astype(np.uint8)
