"""What a reader of score images returns, and the interface of readers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class OmrNote:
    """One note as read from an image.

    Attributes
    ----------
    onset, duration:
        In quarters from the beginning of the strip.
    midi_pitch:
        60 is middle C.
    x_px, y_px:
        Centre of its head in the strip; `y_px` is nan where a reader does not tell.
    """

    onset: float
    duration: float
    midi_pitch: int
    x_px: float
    y_px: float = float("nan")


class Reader(Protocol):
    """Anything that reads the notes of a strip: the built-in reader, Audiveris."""

    def __call__(self, strip: np.ndarray) -> list[OmrNote]:
        """The notes of a strip, uint8 [shape=(height, width)], paper 255, by onset and pitch."""
        ...
