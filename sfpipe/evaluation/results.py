"""The results of evaluations as rows of tables: ours, and the paper's where they are known.

Read are, in a folder of results (``metrics``): ``eval.json``; every file below ``baselines/``
(figures of another data set than the pipeline's are kept there in folders of their own); and
``real.json``. Pretrained agents bring the ``eval.json`` and, where they have one, the ``real.json``
that they were published with; of whoever is in both but the agent itself, the figures in
``metrics`` count.

``real.json`` is ``{"conditions": {name: {"label": ..., "simulated": bool, "followers": {name:
figures}}}}``, in increasing difficulty: ``score``, ``performance``, ``direct``, ``room``. Figures
are those of `sfpipe.evaluation.report.figures_of`, whose `meta` may hold a ``label`` to print
instead of the name.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfpipe.evaluation.schema import read_evaluation, read_real
from sfpipe.evaluation.validation import LABELS
from sfpipe.following.labels import agent_row
from sfpipe.real_performances.conditions import shown

PAPER = Path(__file__).with_name("paper.csv")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class ResultRow:
    """One follower's figures.

    Attributes
    ----------
    group:
        Data set, or condition.
    follower:
        Name by which the paper's row is found (`PaperRow.followers`): an algorithm or a baseline.
    figures:
        As in eval.json; None if it was not evaluated.
    """

    group: str
    follower: str
    label: str
    figures: Mapping[str, Any] | None


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper, as text; empty where it is not known.

    `followers` are those of ours that it stands beside.
    """

    table: int
    group: str
    followers: tuple[str, ...]
    label: str
    r_tue: str
    r_on: str
    abs_dx_cm: str
    source: str


def paper_rows(table: int) -> list[PaperRow]:
    """The rows of Table 3 or 4 that are in ``paper.csv``, in its order."""
    with open(PAPER, newline="", encoding="utf-8") as file:
        return [
            PaperRow(
                int(row["table"]),
                row["dataset"] or row["condition"],
                tuple(row["follower"].split()),
                *(row[k] for k in ("label", "r_tue", "r_on", "abs_dx_cm", "source")),
            )
            for row in csv.DictReader(file)
            if int(row["table"]) == table
        ]


def synthetic_rows(results: Path, pretrained: Path) -> list[ResultRow]:
    """Rows of Table 3: agents, baselines, and the yardsticks once per data set.

    Raises
    ------
    SfpipeError
        If a file is not the result of an evaluation.
    """
    rows: list[ResultRow] = []
    fresh: list[ResultRow] = []
    known: dict[tuple[Any, ...], str] = {}  # agents published -> their data sets
    for path in [*sorted(pretrained.glob("*/eval.json")), results / "eval.json"]:
        for evaluation, meta in _evaluation(path):
            published = path.parent.parent == pretrained
            name = path.parent.name if published else "agent"
            meta["algo"] = meta.get("algo") or name
            of = name.split("-")[0] if published else known.get(_identity(meta), UNKNOWN)
            dataset = meta.get("dataset") or of
            own = _agent_rows(evaluation, meta, name, dataset)
            if not published:
                fresh = [row for row in own if row.follower not in _own(meta)]
                if _identity(meta) in known:  # the agent in metrics/ is one of those published
                    own = fresh
            known[_identity(meta)] = dataset
            rows += own
    for path in sorted((results / "baselines").rglob("*.json")):
        for evaluation, meta in _evaluation(path):
            name = meta.get("baseline", path.stem)
            row = ResultRow(meta.get("dataset", UNKNOWN), name, meta.get("label", name), evaluation)
            rows.append(row)
    return _one_of_each(rows, fresh)  # every agent was evaluated beside the same yardsticks


def real_rows(results: Path, pretrained: Path) -> tuple[list[ResultRow], dict[str, str]]:
    """Rows of Table 4, and the conditions' labels in their order; both empty without a file.

    Raises
    ------
    SfpipeError
        If a ``real.json`` is not what this module says.
    """
    rows: list[ResultRow] = []
    fresh: list[ResultRow] = []
    labels: dict[str, str] = {}
    known: set[tuple[Any, ...]] = set()
    for path in [*sorted(pretrained.glob("*/real.json")), results / "real.json"]:
        if not path.exists():
            continue
        content = read_real(path)
        published = path.parent.parent == pretrained
        meta = content.get("meta", {})
        for name, condition in content["conditions"].items():
            labels.setdefault(name, shown(condition["label"], condition["simulated"]))
        own = _real_rows(content, path.parent.name if published else None)
        if not published:
            fresh = [row for row in own if row.follower not in _own(meta)]
            if _identity(meta) in known:  # the agent in metrics/ is one of those published
                own = fresh
        known.add(_identity(meta))
        rows += own
    return _one_of_each(rows, fresh), labels


def _real_rows(content: Mapping[str, Any], name: str | None) -> list[ResultRow]:
    """Rows of one ``real.json``; its agent is called `name`, if that is given."""
    meta, rows = content.get("meta", {}), []
    for condition, of in content["conditions"].items():
        for follower, figures in of["followers"].items():
            label = _label(follower, figures)
            if name is not None and follower in _own(meta):
                label = label.replace(meta.get("agent", follower), name, 1)
            rows.append(ResultRow(condition, follower, label, figures))
    return rows


def _own(meta: Mapping[str, Any]) -> tuple[str, str]:
    """The agent's followers in ``real.json``; the others are the same for all agents."""
    algo = f"{meta.get('algo')}"
    return agent_row("", algo, "stochastic")[0], agent_row("", algo, "argmax")[0]


def _identity(meta: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells one agent's results from another's; two of one schedule differ in hours alone."""
    return tuple(meta.get(k) for k in ("algo", "agent_frames", "agent_hours", "policy", "split"))


def _one_of_each(rows: list[ResultRow], fresh: list[ResultRow]) -> list[ResultRow]:
    """The first row of each follower and group, in this order, with its figures from `fresh`.

    What was published with an agent says of others how they were then; the most games count.
    Constant speed is that of an agent's training data: a baseline is shown at its best.
    """

    def rank(row: ResultRow) -> tuple[float, float]:
        figures = row.figures or {}
        return -figures.get("n_games", 0), -figures.get("r_tue", 0.0)

    every = [*fresh, *sorted(rows, key=rank)]
    best = {(row.group, row.label): row for row in reversed(every)}
    return [best[key] for key in dict.fromkeys((row.group, row.label) for row in rows)]


def _label(follower: str, figures: Mapping[str, Any]) -> str:
    own = figures.get("meta", {}).get("label") or figures.get("label")
    return own or LABELS.get(follower, follower)


def _evaluation(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The content of an eval.json and its `meta`, if there is such a file."""
    if path.exists():
        content = read_evaluation(path)
        yield content, dict(content["meta"])


def _agent_rows(
    evaluation: Mapping[str, Any], meta: Mapping[str, Any], name: str, dataset: str
) -> list[ResultRow]:
    algo = meta["algo"]
    rows = [ResultRow(dataset, *agent_row(name, algo, meta.get("policy", "")), evaluation)]
    for player, figures in evaluation["players"].items():
        row = player.replace("_", "-"), LABELS.get(player, player)
        if player == "agent_argmax":
            row = agent_row(name, algo, "argmax")
        rows.append(ResultRow(dataset, *row, figures))
    return rows
