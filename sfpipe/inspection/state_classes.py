"""Kinds of states that one would expect a network to tell apart, and how well a map does it.

The paper's reading of its Figure 7: states at the start of a piece, at its end, and with a clef
in the middle of the window form clusters. Here that is a number: how much more often the nearest
neighbours of such a state *from other pieces* are of its kind than a random state is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sfpipe.engraving.files import read_systems
from sfpipe.game.dynamics import GameState
from sfpipe.store.bank import Bank
from sfpipe.store.reader import ScoreRecord

NEIGHBOURS = 15
MOST_ASKED = 1500
CLEF_SPACES = 4.0  # staff spaces from a system's left edge to the right of its clef


@dataclass(frozen=True)
class Cluster:
    """How a kind of states lies in a map: how many there are, and their share of all states.

    `among_neighbours` is the share of this kind among the nearest neighbours, from other pieces,
    of states of this kind.
    """

    states: int
    share: float
    among_neighbours: float

    @property
    def lift(self) -> float:
        """How many times more often than by chance; 1 is no cluster."""
        return self.among_neighbours / self.share if self.share else float("nan")

    def as_dict(self) -> dict[str, float | None]:
        """Plain numbers, the lift among them; None where there is none (one piece only)."""
        return {k: rounded(v) for k, v in {**asdict(self), "lift": self.lift}.items()}


def rounded(number: float) -> float | None:
    """Four digits after the point; None for NaN, which is no JSON."""
    return None if np.isnan(number) else round(number, 4)


def kinds_of(
    bank: Bank, state: GameState, clefs: dict[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Masks of the states, bool [shape=(n,)] each.

    ``piece start``: the window begins before the strip does; ``piece end``: it ends after the
    strip; ``clef in the middle``: there is a clef, other than the first, in the middle third.

    Parameters
    ----------
    clefs:
        Piece -> positions of the clefs that begin its systems, strip px; None: not known.
    """
    width = bank.window.width
    position = state.position.numpy() - width
    performance = state.performance.numpy()
    strip = bank.strip_width.numpy()[performance] - 2 * width
    masks = {
        "piece start": position - width / 2 < 0,
        "piece end": position + width / 2 > strip,
    }
    if clefs is not None:
        near = np.zeros(len(position), bool)
        for index in np.unique(performance):
            places = clefs.get(bank.infos[index].piece, np.zeros(0))
            mine = np.flatnonzero(performance == index)
            if len(places):
                away = np.abs(position[mine, None] - places).min(1)
                near[mine] = away < width / 6
        masks["clef in the middle"] = near
    return masks


def clefs_of(scores: dict[str, ScoreRecord], engraved: Path) -> dict[str, np.ndarray] | None:
    """Middles of the clefs after the first, from each piece's ``systems.csv``.

    Returns
    -------
    dict or None
        Piece -> float64 [shape=(systems - 1,)], strip px; None if nothing is engraved there.
    """
    if not engraved.is_dir():
        return None
    places = {}
    for piece, record in scores.items():
        if not (engraved / piece / "systems.csv").is_file():
            continue
        systems = read_systems(engraved / piece)
        lefts = np.cumsum([s.width_px for s in systems])[:-1]
        places[piece] = lefts + CLEF_SPACES / 2 * record.staff_space_px
    return places


def cluster(
    points: np.ndarray, mask: np.ndarray, piece: np.ndarray, *, rng: np.random.Generator
) -> Cluster:
    """How the states of `mask` lie among the others.

    Parameters
    ----------
    points:
        float [shape=(n, d)], a map or an embedding.
    mask:
        bool [shape=(n,)].
    piece:
        int [shape=(n,)]; neighbours of a state's own piece do not count, since the next frame of
        the same game is near whatever the network sees.
    rng:
        Draws the states that are asked, at most 1,500.
    """
    n, k = len(points), int(mask.sum())
    asked = np.flatnonzero(mask)
    if len(asked) > MOST_ASKED:
        asked = rng.choice(asked, MOST_ASKED, replace=False)
    hits = total = 0
    for near in neighbours(points, asked, piece):
        hits += int(mask[near].sum())
        total += near.size
    return Cluster(k, k / n if n else 0.0, hits / total if total else float("nan"))


def predictability(
    points: np.ndarray, value: np.ndarray, piece: np.ndarray, *, rng: np.random.Generator
) -> float:
    """R² of a state's value predicted by the mean of its neighbours from other pieces."""
    asked = rng.choice(len(points), min(len(points), MOST_ASKED), replace=False)
    blocks = neighbours(points, asked, piece)
    spread = float(np.var(value[asked]))
    if not blocks:  # there is one piece only
        return float("nan")
    guess = np.concatenate([value[near].mean(1) for near in blocks])
    return 1 - float(np.mean((guess - value[asked]) ** 2)) / spread if spread else float("nan")


def neighbours(points: np.ndarray, asked: np.ndarray, piece: np.ndarray) -> list[np.ndarray]:
    """Indices of the 15 nearest points of other pieces, in blocks int64 [shape=(m, 15)].

    The blocks follow one another in the order of `asked`; fewer than 15 if there are not so many.
    """
    points = np.asarray(points, np.float32)
    squares = (points**2).sum(1)
    blocks = []
    for some in np.array_split(asked, max(1, -(-len(asked) // 200))):
        distance = squares - 2 * points[some] @ points.T
        own = piece[some][:, None] == piece
        distance[own] = np.inf
        fewest = int((~own).sum(1).min()) if len(some) else 0
        k = min(NEIGHBOURS, fewest)
        if k:
            blocks.append(np.argpartition(distance, k - 1, axis=1)[:, :k])
    return blocks
