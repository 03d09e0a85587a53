"""A window on the screen that shows pictures, by pygame."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import numpy as np

from sfpipe.errors import SfpipeError


class Screen:
    """A window; it opens with its first picture, in that picture's size."""

    def __init__(self, title: str):
        self.pygame, self.title = load_pygame(), title
        self._surface: Any = None
        self._clock = self.pygame.time.Clock()

    def show(self, picture: np.ndarray, *, fps: int | None = None) -> None:
        """Show a picture, uint8 [shape=(height, width, 3)].

        Parameters
        ----------
        fps:
            Wait so long that no more pictures are shown per second. None: do not wait, and leave
            the events to the caller.

        Raises
        ------
        SfpipeError
            If there is no display.
        """
        height, width = picture.shape[:2]
        if self._surface is None or self._surface.get_size() != (width, height):
            self._surface = self._open((width, height))
        self.pygame.surfarray.blit_array(self._surface, picture.swapaxes(0, 1))
        self.pygame.display.flip()
        if fps is not None:
            # A window whose events nobody fetches is taken for hung.
            self.pygame.event.pump()
            self._clock.tick(fps)

    def close(self) -> None:
        """Close the window."""
        if self._surface is not None:
            self.pygame.display.quit()
            self._surface = None

    def _open(self, size: tuple[int, int]) -> Any:
        try:
            self.pygame.display.init()
            self.pygame.display.set_caption(self.title)
            return self.pygame.display.set_mode(size)
        except self.pygame.error as error:
            raise SfpipeError(
                f"there is no display ({error})",
                remedy="write a film with `sfpipe watch`, or start a virtual display: xvfb-run -a",
            ) from None


def load_pygame() -> ModuleType:
    """Pygame, without its greeting.

    Raises
    ------
    SfpipeError
        If it is not installed.
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError:
        raise SfpipeError(
            "a window needs pygame, which is not installed", remedy="pip install 'sfpipe[play]'"
        ) from None
    return pygame
