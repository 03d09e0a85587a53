"""The two windows of the paper through which an agent sees the strip (section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from sfpipe.errors import SfpipeError


@dataclass(frozen=True)
class Window:
    """Size of the score excerpt in px of the strip, and how much it is shrunk for the network."""

    name: str
    width: int
    height: int
    shrink: int

    @property
    def threshold_px(self) -> int:
        """b: beyond this tracking error in px the target is lost; a third of the width."""
        return self.width // 3

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width in px as the network sees them."""
        return self.height // self.shrink, self.width // self.shrink


WINDOWS = {
    "nottingham": Window("nottingham", width=150, height=40, shrink=1),
    "msmd": Window("msmd", width=512, height=160, shrink=2),
}


def window_by_name(name: str | Window) -> Window:
    """The window called `name`.

    Raises
    ------
    SfpipeError
        If there is none.
    """
    if isinstance(name, Window):
        return name
    if name not in WINDOWS:
        raise SfpipeError(f"unknown window '{name}'", remedy=f"use one of {', '.join(WINDOWS)}")
    return WINDOWS[name]


def window_for(strip_height_px: int) -> Window:
    """The highest window that fits into strips of a height (``train.window: auto``).

    If none does it is the lowest, and whoever opens the store says so, naming the file.
    """
    fitting = [w for w in WINDOWS.values() if w.height <= strip_height_px]
    lowest = min(WINDOWS.values(), key=lambda w: w.height)
    return max(fitting, key=lambda w: w.height, default=lowest)
