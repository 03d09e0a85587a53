"""What the files of an evaluation hold: ``eval.json``, files of baselines, ``real.json``.

Other keys may stand beside these; numbers that do not exist are null (see `report`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, with_config
from typing_extensions import NotRequired, TypedDict

from sfpipe.files import read_json

Number = float | None
_OPEN = ConfigDict(extra="allow", strict=True)


@with_config(_OPEN)
class Spread(TypedDict):
    """Mean and standard deviation."""

    mean: Number
    std: Number


@with_config(_OPEN)
class Interval(TypedDict):
    """A 95 % interval."""

    low: Number
    high: Number


@with_config(_OPEN)
class Intervals(TypedDict):
    """Of the figures that have one."""

    r_tue: Interval
    r_on: Interval
    abs_dx_px: NotRequired[Interval]


@with_config(_OPEN)
class Counting(TypedDict):
    """Figures as they were counted in 2019."""

    r_tue: Number
    r_on: Number
    abs_dx_cm: Spread


@with_config(_OPEN)
class WholePerformance(TypedDict):
    """Over whole performances, lost or not."""

    within_s: dict[str, Number]
    right_system: Number
    right_bar: Number
    right_page_turn: Number
    page_turns: int


@with_config(_OPEN)
class Figures(TypedDict):
    """What is told of one follower."""

    r_tue: Number
    r_on: Number
    abs_dx_cm: Spread
    ci95: Intervals
    reference_counting: Counting
    abs_dx_px: NotRequired[Spread]
    within_s: NotRequired[dict[str, Number]]
    whole_performance: NotRequired[WholePerformance]
    n_games: NotRequired[int]
    trials: NotRequired[int]
    label: NotRequired[str]


@with_config(_OPEN)
class Meta(TypedDict, total=False):
    """What was evaluated."""

    dataset: str | None
    split: str | None
    algo: str | None
    agent: str
    window: str | None
    policy: str
    label: str
    baseline: str
    agent_frames: int | None
    agent_hours: float | None


@with_config(_OPEN)
class Evaluation(Figures):
    """Content of ``eval.json`` and of a baseline's file."""

    players: dict[str, Figures]
    meta: Meta
    n_pieces: int
    n_performances: int
    n_onsets: int
    seed: int


@with_config(_OPEN)
class Condition(TypedDict):
    """Human performances as they were heard in one way."""

    label: str
    simulated: bool
    followers: dict[str, Figures]


@with_config(_OPEN)
class RealEvaluation(TypedDict):
    """Content of ``real.json``."""

    conditions: dict[str, Condition]
    meta: NotRequired[Meta]


def read_evaluation(path: Path) -> dict[str, Any]:
    """Read an ``eval.json`` or a baseline's file.

    Raises
    ------
    SfpipeError
        If it is missing or is not the result of an evaluation.
    """
    remedy = "run 'sfpipe evaluate' or 'sfpipe baseline' again"
    return dict(read_json(path, remedy=remedy, schema=Evaluation))


def read_real(path: Path) -> dict[str, Any]:
    """Read a ``real.json``; errors as `read_evaluation`."""
    remedy = "run 'sfpipe evaluate --real-performances' again"
    return dict(read_json(path, remedy=remedy, schema=RealEvaluation))
