"""A game that a person plays: keys in, pictures out, driven by the time of the sound."""

from __future__ import annotations

import numpy as np

from sfpipe.game.render import draw_state
from sfpipe.game.single import SingleGame
from sfpipe.store.bank import Bank
from sfpipe.store.schema import EXCERPT, FPS
from sfpipe.viewing.frames import Panel, clock
from sfpipe.viewing.select_performance import SelectedPerformance

MOST = 8  # presses that wait for their frame; an action is one px/frame


class PlaySession:
    """One game on a bank's first performance.

    Attributes
    ----------
    score:
        Sum of rewards so far.
    lost, over:
        The target was lost; the game has ended.
    target_shown:
        Whether the pictures show where the music is, as no agent sees it.
    """

    def __init__(self, shown: SelectedPerformance, bank: Bank):
        self.shown = shown
        self.window = bank.window
        self.game = SingleGame(bank, 0)
        self.panel = Panel(shown, bank.window)
        self.score = self.reward = 0.0
        self.lost = self.over = self.target_shown = False
        self.waiting = 0

    @property
    def frame(self) -> int:
        """The performance's frame that the game is at, without padding."""
        return self.game.frame - EXCERPT

    @property
    def position_px(self) -> float:
        """Where the player is, strip px without padding."""
        return self.game.position - self.window.width

    def press(self, change: int) -> None:
        """Ask for a change of speed by 1 or -1 px/frame; each press takes one frame."""
        self.waiting = min(max(self.waiting + change, -MOST), MOST)

    def until(self, seconds: float) -> int:
        """Play on to a time of the sound; returns the number of frames played."""
        played = 0
        while not self.over and self.frame < int(seconds * FPS):
            action = int(np.sign(self.waiting))
            self.waiting -= action
            out = self.game.step(float(action))
            self.reward, self.lost = out.reward, out.lost
            self.score += out.reward
            self.over = out.lost or out.finished
            played += 1
        return played

    def picture(self, *, note: str = "") -> np.ndarray:
        """The present state, uint8 [shape=(height, width, 3)]; a lost target is shown always."""
        game, visible = self.game, self.target_shown or self.lost
        facts = {
            "piece": self.shown.title,
            "name": "you",
            "time": note or clock(self.frame),
            "frame": self.frame,
            "speed_px": game.speed,
            "score": self.score,
        }
        _, excerpt = game.observe()
        return draw_state(
            self.panel.at(self.position_px),
            excerpt[0],
            per_px=self.panel.per_px,
            position_px=game.position,
            target_px=game.target if visible else None,
            threshold_px=self.window.threshold_px,
            info=facts | ({"reward": self.reward} if visible else {}),
            seen_px=self.window.width,
        )
