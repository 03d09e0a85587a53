"""The optimal tempo curve and the optimal actions of a piece (section 3.5, Figure 6).

The target's speed is known for every frame of a recorded performance: position differences are
the optimal tempo (px/frame), and its differences the actions an agent with continuous actions
would have to take, target values for supervised regression. Agents that change their speed by one
pixel at most can only come near; beside the curve are the optimal one's, which looks ahead, and the
agent's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from sfpipe.evaluation.figures import AGENT, LOST, OPTIMAL, TARGET, new_figure, plain, save
from sfpipe.files import write_csv
from sfpipe.game.play import PlayedGame, play_games
from sfpipe.game.players import Expert
from sfpipe.inspection.states import AgentOnBank
from sfpipe.store.schema import FPS


@dataclass(frozen=True)
class TempoCurve:
    """Where somebody is in every frame from the first onset on, and how it got there.

    Attributes
    ----------
    position_px:
        float64 [shape=(T + 1,)], strip px; the first is that of the first onset.
    tempo:
        float64 [shape=(T,)], px/frame of steps 1..T.
    action:
        float64 [shape=(T,)], change of tempo in each step; before the first it is 0.
    """

    position_px: np.ndarray
    tempo: np.ndarray
    action: np.ndarray


def curve(position_px: np.ndarray) -> TempoCurve:
    """Tempo and actions behind positions [shape=(T + 1,)], one per frame."""
    position = np.asarray(position_px, np.float64)
    tempo = np.diff(position)
    return TempoCurve(position, tempo, np.diff(tempo, prepend=0.0))


def curve_of_target(game: PlayedGame) -> TempoCurve:
    """The target's own curve, from the first onset to the last."""
    frames = np.arange(game.onset_frames[0], game.onset_frames[-1] + 1)
    return curve(np.interp(frames, game.onset_frames, game.onset_x_px.astype(np.float64)))


def curve_of_game(game: PlayedGame) -> TempoCurve:
    """The curve of whoever played a game, to its end."""
    position = np.concatenate([game.onset_x_px[:1], game.position_px]).astype(np.float64)
    return curve(position.round(3))  # they were kept in float32


def tempo(
    played: AgentOnBank,
    out: Path,
    *,
    performance: int,
    seconds: float = 20.0,
) -> list[Path]:
    """Write ``tempo.csv`` (whole piece) and ``tempo.png`` (its first seconds) into `out`.

    Columns of the CSV: frame since the first onset, then target_px, tempo and action of the
    target, and the same of the optimal follower and the agent, empty after a loss.
    """
    bank = played.bank
    agent = play_games(bank, played.player(deterministic=True), performances=[performance])[0]
    optimal = play_games(bank, Expert(bank), performances=[performance])[0]
    curves = {
        "target": curve_of_target(agent),
        "optimal": curve_of_game(optimal),
        "agent": curve_of_game(agent),
    }
    _write(curves, out / "tempo.csv")
    title = f"{agent.piece}, {agent.performance}"
    return [out / "tempo.csv", draw_curves(curves, out / "tempo.png", agent.lost, title, seconds)]


def smooth(tempo_px: np.ndarray, frames: int = 11) -> np.ndarray:
    """Mean tempo of the `frames` around each, float64 [shape=(T,)]; of fewer at the ends."""
    ones = np.ones(min(frames, len(tempo_px)))
    total = np.convolve(tempo_px, ones, "same")
    return total / np.convolve(np.ones(len(tempo_px)), ones, "same")


def _write(curves: dict[str, TempoCurve], path: Path) -> None:
    n = len(curves["target"].tempo)
    head = [f"{who}_{kind}" for who in curves for kind in ("px", "tempo", "action")]
    columns = (x[:n] for c in curves.values() for x in (c.position_px[1:], c.tempo, c.action))
    rows = zip_longest(range(1, n + 1), *columns, fillvalue="")
    write_csv(path, ("frame", *head), rows)


def draw_curves(
    curves: dict[str, TempoCurve], path: Path, lost: bool, title: str, seconds: float
) -> Path:
    """Draw tempo (bold: means of half a second) above, actions below, of the first seconds."""
    figure = new_figure(9, 4.6)
    above, below = (plain(axis) for axis in figure.subplots(2, 1, sharex=True))
    shown = min(len(curves["target"].tempo), round(seconds * FPS))
    looks = {"target": (TARGET, 0.0), "optimal": (OPTIMAL, 1.15), "agent": (AGENT, 1.0)}
    names = {"target": "target", "optimal": "optimal (-1, 0, +1)", "agent": "agent"}
    for who, c in curves.items():
        colour, height = looks[who]
        n = min(len(c.tempo), shown)
        time = np.arange(1, n + 1) / FPS
        # Whole px/frame alternate with their neighbours: what is meant is their mean.
        exact = who == "target"
        values = c.tempo[:n] if exact else smooth(c.tempo)[:n]
        width = 2.4 if exact else 1.4
        above.plot(time, values, drawstyle="steps-mid", color=colour, lw=width, label=names[who])
        if exact:
            below.vlines(time, 0, c.action[:n], color=colour, lw=2.2)
        else:
            above.step(time, c.tempo[:n], where="mid", color=colour, lw=0.6, alpha=0.25)
            up, down = (np.flatnonzero(sign * c.action[:n] > 0) for sign in (1, -1))
            for which, y in ((up, height), (down, -height)):
                below.plot(time[which], np.full(len(which), y), "|", ms=6, color=colour)
        if who == "agent" and lost and len(c.tempo) <= shown:
            above.axvline(len(c.tempo) / FPS, color=LOST, lw=1.2, ls="--", label="target lost")
    above.set_ylabel("tempo (px/frame)", fontsize=9)
    below.set_ylabel("action (px/frame)", fontsize=9)
    below.set_xlabel("time since the first onset (s)", fontsize=9)
    below.set_xlim(0, shown / FPS)
    above.set_title(title, fontsize=9, loc="left")
    above.legend(frameon=False, fontsize=8, ncols=4, loc="lower right", bbox_to_anchor=(1, 0.98))
    return save(figure, path)
