"""Tables 3 and 4 of the paper, every row of ours beside its own: metrics/table3.md, table4.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.results import PaperRow, ResultRow, paper_rows, real_rows, synthetic_rows
from sfpipe.evaluation.table import (
    Table,
    format_number,
    format_spread,
    format_thresholds,
    format_within,
)
from sfpipe.files import replacing

HEAD = (
    "R_tue",
    "R_on",
    "abs dx cm",
    "within 0.1 / 0.5 / 1 s",
    "R_tue (2019)",
    "R_on (2019)",
    "abs dx cm (2019)",
    "paper R_tue",
    "paper R_on",
    "paper abs dx cm",
)
NOTE = """\
In brackets: 95 % bootstrap intervals over pieces. Within: of all onsets, lost or not; a dash: an
evaluation from before that was counted. (2019): onsets counted as the evaluator of 2019 counted
them, two seconds early, which is how the paper's figures were counted. Paper: Henkel, Balke, Dorfer
& Widmer (TISMIR 2019), whose data are not the same performances; only figures that are quoted in
sfpipe/evaluation/paper.csv. A dash: not evaluated, or not known.
"""
NOTE_3 = """\
Not known here are the paper's figures of MM-Loc, REINFORCE and A2C.
"""
NOTE_4 = """\
The paper's figures are those of its A2C or PPO, whichever is better, on its own recordings; they
stand beside each agent of ours, but not beside its argmax. Not known here are its figures for the
score's MIDI, of |dx|, and of the baselines.
"""
DASH = "-"


@dataclass(frozen=True)
class PaperTable:
    """One of the paper's tables with our rows, and what is said below it."""

    title: str
    table: Table
    note: str

    def to_markdown(self) -> str:
        """The content of ``table3.md`` or ``table4.md``."""
        return f"# {self.title}\n\n{self.table.to_markdown()}\n\n{self.note}"


def write_tables(results: Path, pretrained: Path, out: Path) -> list[Path]:
    """Write both tables from what was evaluated so far.

    Parameters
    ----------
    results, pretrained:
        As `read_tables`.

    Returns
    -------
    The two files.

    Raises
    ------
    SfpipeError
        As `read_tables`.
    """
    paths = []
    for name, one in zip(("table3.md", "table4.md"), read_tables(results, pretrained), strict=True):
        paths.append(out / name)
        with replacing(out / name) as temporary:
            temporary.write_text(one.to_markdown(), "utf-8")
    return paths


def read_tables(results: Path, pretrained: Path) -> tuple[PaperTable, PaperTable]:
    """Tables 3 and 4 from what was evaluated so far.

    Parameters
    ----------
    results:
        Folder of ``eval.json``, ``baselines/``, ``real.json``; what is not there is a dash.
    pretrained:
        Folder of the published agents, each with its own results.

    Raises
    ------
    SfpipeError
        If nothing was evaluated yet, or a file is not the result of an evaluation.
    """
    synthetic = synthetic_rows(results, pretrained)
    real, conditions = real_rows(results, pretrained)
    if not synthetic and not real:
        raise SfpipeError(
            "no results of an evaluation", file=results, remedy="run 'sfpipe evaluate' first"
        )
    return (
        PaperTable(
            "Table 3: synthesised performances",
            tabulate_rows("data set", synthetic, paper_rows(3), {}),
            NOTE + NOTE_3,
        ),
        PaperTable(
            "Table 4: performances by pianists",
            tabulate_rows("condition", real, paper_rows(4), conditions),
            NOTE + NOTE_4,
        ),
    )


def tabulate_rows(
    group: str, rows: Sequence[ResultRow], paper: Sequence[PaperRow], labels: Mapping[str, str]
) -> Table:
    """Our rows with the paper's beside them: groups in its order, then those it does not have.

    Parameters
    ----------
    group:
        Head of the first column.
    labels:
        How groups are printed, where not by their names.
    """
    lines = []
    for name in dict.fromkeys([r.group for r in paper] + [r.group for r in rows]):
        shown = labels.get(name, name)
        theirs = [r for r in paper if r.group == name]
        beside = {follower: r for r in theirs for follower in r.followers}
        ours = [r for r in rows if r.group == name]
        missing = [r for r in theirs if not {o.follower for o in ours} & set(r.followers)]
        for row in [*ours, *(ResultRow(name, r.followers[0], r.label, None) for r in missing)]:
            cells = (*_ours(row.figures), *_theirs(beside.get(row.follower)))
            lines.append((shown, row.label, *cells))
    return Table((group, "follower", *HEAD), lines)


def _ours(figures: Mapping[str, Any] | None) -> tuple[str, ...]:
    if figures is None:
        return (DASH,) * 7
    reference = figures["reference_counting"]
    return (
        format_within(figures, "r_tue"),
        format_within(figures, "r_on"),
        format_spread(figures["abs_dx_cm"]),
        format_thresholds(figures),
        format_number(reference["r_tue"]),
        format_number(reference["r_on"]),
        format_spread(reference["abs_dx_cm"]),
    )


def _theirs(row: PaperRow | None) -> tuple[str, ...]:
    if row is None:
        return (DASH,) * 3
    return tuple(value or DASH for value in (row.r_tue, row.r_on, row.abs_dx_cm))
