"""`sfpipe play`: a person plays the game in a window, with the sound playing."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from sfpipe.game.draw_text import write
from sfpipe.game.render import AGENT, BACKGROUND, BAD, GREY, INK
from sfpipe.game.screen import Screen
from sfpipe.params import Params
from sfpipe.paths import Paths
from sfpipe.store.schema import SAMPLE_RATE
from sfpipe.viewing.play_session import PlaySession
from sfpipe.viewing.select_performance import Selection, select_performance, sound_of
from sfpipe.viewing.shown_game import play_selected

COUNT_IN_S = 3.0
KEYS = "← → or s w: slower, faster   space: pause   t: show the target   q: quit"
_PER_SECOND = 60  # looks at the keyboard


@dataclass(frozen=True)
class Result:
    """How a person's game ended, and what others reach on the same performance."""

    score: float
    lost: bool
    finished: bool
    others: dict[str, float]

    def text(self) -> str:
        """One line per player."""
        end = "target lost" if self.lost else "finished" if self.finished else "given up"
        rows = [("you", f"{self.score:.1f} ({end})")]
        rows += [(name, f"{score:.1f}") for name, score in self.others.items()]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {score}" for name, score in rows)


def play(
    params: Params,
    paths: Paths,
    agent: str | None,
    selection: Selection,
    *,
    count_in_s: float = COUNT_IN_S,
) -> Result:
    """Open a window and let a person play one performance.

    `agent` is the folder of the agent to compare with, or a pretrained one's name; None compares
    with the optimal player only. The sound begins after `count_in_s` seconds.

    Raises
    ------
    SfpipeError
        If a store or the agent cannot be read, or there is no pygame or no display.
    """
    shown = select_performance(paths, selection, seed=params.seed)
    names = [*([agent] if agent else []), "optimal"]
    others = [play_selected(shown, name, params, paths) for name in names]
    session = PlaySession(shown, others[0].bank)
    table = _Table(session, {o.trace.name: float(o.trace.score[-1]) for o in others})
    try:
        table.run(sound_of(shown, params.synthesize), count_in_s)
    finally:
        table.close()
    return table.result()


class _Table:
    """The window, the loudspeaker and the clock of one session."""

    def __init__(self, session: PlaySession, others: dict[str, float]):
        self.session, self.others = session, others
        self.screen = Screen("sfpipe: follow the music")
        self.pygame = self.screen.pygame
        keys = self.pygame
        self.changes = {keys.K_RIGHT: 1, keys.K_w: 1, keys.K_LEFT: -1, keys.K_s: -1}
        self.paused = self.left = False
        self._sound: Any = None
        self._seconds = 0.0

    def run(self, samples: np.ndarray | None, count_in_s: float) -> None:
        """Count in, play to the end of the game or until the person leaves, show the result."""
        self._show(self._note(KEYS))
        self._sound = self._loudspeaker(samples)
        self._seconds = -count_in_s
        clock = self.pygame.time.Clock()
        before = time.perf_counter()
        while not self.left and not self.session.over:
            now = time.perf_counter()
            was, self._seconds = self._seconds, self._seconds + (0 if self.paused else now - before)
            before = now
            self._fetch()
            if was < 0 <= self._seconds and self._sound:
                self._sound.play()
            if self.session.until(self._seconds) or self._seconds < 0 or self.paused:
                self._show(self._note(self._state()))
            clock.tick(_PER_SECOND)
        while not self.left:
            self._fetch()
            self._show(self._ending())
            clock.tick(_PER_SECOND)

    def result(self) -> Result:
        """How the game ended."""
        game = self.session
        return Result(game.score, game.lost, game.over and not game.lost, self.others)

    def close(self) -> None:
        """Close the window and be silent."""
        if self._sound:
            self.pygame.mixer.quit()
        self.screen.close()

    def _loudspeaker(self, samples: np.ndarray | None) -> Any:
        if samples is None:
            print("sfpipe: no recording is here: you play without sound", file=sys.stderr)
            return None
        try:
            self.pygame.mixer.init(SAMPLE_RATE, -16, 1, 512, allowedchanges=0)
        except self.pygame.error as error:
            print(f"sfpipe: no audio device ({error}): you play without sound", file=sys.stderr)
            return None
        return self.pygame.mixer.Sound(buffer=np.ascontiguousarray(samples, np.int16).tobytes())

    def _fetch(self) -> None:
        for event in self.pygame.event.get():
            if event.type == self.pygame.QUIT:
                self.left = True
            if event.type == self.pygame.KEYDOWN:
                self._key(event.key)

    def _key(self, key: int) -> None:
        keys, game = self.pygame, self.session
        if key in (keys.K_q, keys.K_ESCAPE) or (game.over and key == keys.K_RETURN):
            self.left = True
        elif key in self.changes and not self.paused:
            game.press(self.changes[key])
        elif key == keys.K_t:
            game.target_shown = not game.target_shown
        elif key in (keys.K_SPACE, keys.K_p) and not game.over:
            self.paused = not self.paused
            if self._sound:
                (keys.mixer.pause if self.paused else keys.mixer.unpause)()

    def _state(self) -> str:
        if self.paused:
            return "paused: space goes on"
        return f"{int(1 - self._seconds)} ..." if self._seconds < 0 else KEYS

    def _note(self, text: str) -> np.ndarray:
        picture = self.session.picture()
        write(picture, text, picture.shape[1] - 20, picture.shape[0] - 6, GREY, align="right")
        return picture

    def _ending(self) -> np.ndarray:
        picture = self.session.picture()
        band = picture[-190:]
        band[:] = BACKGROUND
        lost = self.session.lost
        write(
            band,
            "You lost the music." if lost else "Well played.",
            20,
            40,
            BAD if lost else INK,
            size=22,
        )
        rows = {"you": self.session.score, **self.others}
        for i, (name, score) in enumerate(rows.items()):
            write(band, name, 20, 76 + 24 * i, AGENT if i == 0 else INK, size=15)
            write(
                band,
                f"{score:.1f}",
                300,
                76 + 24 * i,
                AGENT if i == 0 else INK,
                size=15,
                align="right",
            )
        write(band, "q: quit", picture.shape[1] - 20, 184, GREY, align="right")
        return picture

    def _show(self, picture: np.ndarray) -> None:
        self.screen.show(picture)
