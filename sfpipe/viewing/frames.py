"""The pictures of a video: one per performance frame, of a game's track."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sfpipe.game.render import Saliency, draw_state, enlarged
from sfpipe.store.packing import crop_rows
from sfpipe.store.schema import BINS, EXCERPT, FPS
from sfpipe.store.window import Window
from sfpipe.viewing.game_trace import GameTrace
from sfpipe.viewing.select_performance import SelectedPerformance

WIDTH = 1240  # px of the score panel: with its margins a picture is 1280 px wide
ROOM = 1.2  # windows that a picture shows at least
AFTER_S = 2.0  # s shown after the game's end


class Panel:
    """A strip enlarged once, of which every picture shows a part.

    Attributes
    ----------
    per_px:
        Enlargement: columns per strip px.
    """

    def __init__(self, shown: SelectedPerformance, window: Window):
        self.per_px = max(int(WIDTH / (ROOM * window.width)), 1)
        self._room = WIDTH // self.per_px  # strip px of paper before the strip
        ink = crop_rows(shown.score.strip, window.height)
        wide = np.pad(ink, ((0, 0), (self._room, self._room)))
        self._paper = enlarged(wide / np.float32(255), self.per_px)

    def at(self, position_px: float) -> np.ndarray:
        """What is around a place of the strip: uint8 [shape=(height, 1240)], grey."""
        middle = round((position_px + self._room) * self.per_px)
        first = min(max(middle - WIDTH // 2, 0), self._paper.shape[1] - WIDTH)
        return self._paper[:, first : first + WIDTH]


class Frames:
    """Draws a performance's frames, the score moving under the follower's line.

    Parameters
    ----------
    saliency:
        Of some states of the track, by their index.
    """

    def __init__(
        self,
        shown: SelectedPerformance,
        window: Window,
        track: GameTrace,
        saliency: Sequence[Saliency] | Mapping[int, Saliency] | None = None,
    ):
        self.trace, self.window, self.saliency = track, window, saliency
        record = shown.performance
        self.title = shown.title
        self.n_frames = record.spectrogram.shape[1]
        silence = np.zeros((BINS, EXCERPT), np.float32)
        self._sound = np.concatenate([silence, record.spectrogram, silence], axis=1)
        self.panel = Panel(shown, window)

    def __len__(self) -> int:
        """Frames from the recording's begin to a little after the game's end."""
        end = self.trace.start_frame + len(self.trace) + round(AFTER_S * FPS)
        return max(min(self.n_frames, end), self.trace.start_frame + len(self.trace))

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.draw(frame) for frame in range(len(self)))

    def draw(self, frame: int) -> np.ndarray:
        """The picture at ``frame / 20`` s: uint8 [shape=(height, width, 3)].

        Before the game the first state is shown, after it the last; the sound goes on.
        """
        game = self.trace
        k = game.at(frame)
        position = float(game.position_px[k])
        excerpt = min(frame, self.n_frames)
        facts = {
            "piece": self.title,
            "name": game.name,
            "time": f"{clock(frame)} / {clock(len(self))}",
            "frame": frame,
            "speed_px": game.speed_px[k],
            "reward": game.reward[k],
            "score": game.score[k],
            "value": None if game.value is None else game.value[k],
            "probabilities": None if game.probabilities is None else game.probabilities[k],
        }
        return draw_state(
            self.panel.at(position),
            self._sound[:, excerpt : excerpt + EXCERPT],
            per_px=self.panel.per_px,
            position_px=position,
            target_px=float(game.target_px[k]),
            threshold_px=game.threshold_px,
            info=facts,
            seen_px=self.window.width,
            saliency=self._saliency(k),
        )

    def _saliency(self, k: int) -> Saliency | None:
        if self.saliency is None:
            return None
        return self.saliency[k]


def clock(frame: int) -> str:
    """A frame as minutes and seconds."""
    return f"{frame // FPS // 60}:{frame / FPS % 60:04.1f}"
