"""Learning curves of many trainings beside each other: over frames, over wall time, as a table.

Each curve is a CSV file of its own, ``<name>-<seed>.csv``, so that a folder of them can be kept,
compared and drawn by `dvc plots`; trainings that differ in the seed alone are one line of the
table.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError
from sfpipe.files import plain_name, read_json, replacing

COLUMNS = ("frames", "minutes", "r_on", "pretraining")
LEVELS = (0.9, 0.99)
CARD = "agent.json"


@dataclass(frozen=True)
class Curve:
    """R_on on validation in the course of one training.

    Attributes
    ----------
    points:
        (frames, minutes, R_on) of each evaluation, in order. Frames are those of games.
    pretraining:
        States learnt from before the first game; the minutes contain them.
    """

    name: str
    seed: str
    points: tuple[tuple[int, float, float], ...]
    pretraining: int = 0

    def reaches(self, level: float) -> tuple[int, float] | None:
        """Frames and minutes of the first evaluation with R_on >= level; None if there is none."""
        return next(((f, m) for f, m, r in self.points if r >= level), None)

    @property
    def best(self) -> float:
        """Highest R_on."""
        return max(r for *_, r in self.points)


def save_curve(agent: Path, out: Path, name: str | None = None) -> Path:
    """Write the learning curve that an agent's `agent.json` holds to ``out/<name>-<seed>.csv``.

    Raises
    ------
    SfpipeError
        If there is no agent, or it was trained before curves were kept.
    """
    card = read_json(agent / CARD, remedy="train an agent first: dvc repro train")
    if not card.get("curve"):
        raise SfpipeError("holds no learning curve", file=agent / CARD, remedy="train it again")
    try:
        path = out / f"{plain_name(name or card.get('algo'))}-{int(card['seed'])}.csv"
    except (ValueError, TypeError, KeyError) as error:
        raise SfpipeError(f"cannot name a curve ({error})", file=agent / CARD) from None
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_played(card))
    return path


def _played(card: Mapping[str, Any]) -> list[tuple[int, float, float, int]]:
    """Rows of a curve, the states of pretraining apart from the frames of games."""
    pretraining_frames = card.get("pretraining_frames", 0)
    rows = []
    for counted, minutes, r_on in card["curve"]:
        pretraining = min(counted, pretraining_frames)
        rows.append((counted - pretraining, minutes, r_on, pretraining))
    return rows


def read_curves(folder: Path) -> list[Curve]:
    """All curves of a folder, by name and seed.

    Raises
    ------
    SfpipeError
        If there is none, or a file is not one.
    """
    curves = []
    for path in sorted(folder.glob("*.csv")):
        match = re.fullmatch(r"(.+)-(\d+)", path.stem)
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            points = tuple((int(r["frames"]), float(r["minutes"]), float(r["r_on"])) for r in rows)
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise SfpipeError(
                f"is no learning curve ({error})", file=path, remedy="make it with: sfpipe curves"
            ) from None
        if match is None or not points:
            raise SfpipeError("is no learning curve of a named seed", file=path, remedy="remove it")
        pretraining = max(int(row.get("pretraining") or 0) for row in rows)
        curves.append(Curve(match[1], match[2], points, pretraining))
    if not curves:
        raise SfpipeError("holds no learning curves", file=folder, remedy="sfpipe curves AGENT")
    return curves


def by_name(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """Trainings that differ in their seed alone, together."""
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        groups.setdefault(curve.name, []).append(curve)
    return groups


def table(curves: Sequence[Curve]) -> str:
    """Frames and minutes until R_on first reached each level, per training: Markdown."""
    heads = [f"frames (minutes) to {level:g}" for level in LEVELS]
    lines = [
        f"| training | seed | states of pretraining | frames | {' | '.join(heads)} | best |",
        "|---" * (5 + len(LEVELS)) + "|",
    ]
    for name, group in by_name(curves).items():
        for curve in group:
            reached = [curve.reaches(level) for level in LEVELS]
            cells = ["not reached" if r is None else f"{r[0]:,} ({r[1]:.1f})" for r in reached]
            seen = [
                f"{curve.pretraining:,}" if curve.pretraining else "-",
                f"{curve.points[-1][0]:,}",
            ]
            cells = [*seen, *cells, f"{curve.best:.3f}"]
            lines.append(f"| {name} | {curve.seed} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(curves: Sequence[Curve], path: Path) -> Path:
    """One picture: R_on on validation over frames and over minutes; a look for each name."""
    from sfpipe.evaluation.plots import new_axes

    figure, axes = new_axes(7.5, 6, rows=2)
    look = looks(by_name(curves))
    for axis, column, label in zip(axes, (0, 1), ("frames played", "minutes"), strict=True):
        named = set()
        for curve in curves:
            axis.plot(
                [point[column] for point in curve.points],
                [point[2] for point in curve.points],
                **look[curve.name],
                lw=1.3,
                alpha=0.85,
                label=None if curve.name in named else curve.name,
            )
            named.add(curve.name)
        for level in LEVELS:
            axis.axhline(level, color="#888888", lw=0.6, ls=":")
        axis.set(ylim=(0, 1.03), xlabel=label, ylabel="R_on on validation")
    axes[0].legend(frameon=False, fontsize=7, ncols=2, loc="lower right")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, metadata={"Software": None})
    return path


def looks(groups: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """How the line of each name is drawn: once the colours are used up, they come back dashed."""
    from matplotlib import colormaps

    palette, dashes = colormaps["tab10"], ("-", "--", ":", "-.")
    return {
        name: {"color": palette(i % palette.N), "ls": dashes[i // palette.N % len(dashes)]}
        for i, name in enumerate(groups)
    }
