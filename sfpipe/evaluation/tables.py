"""Tables 3 and 4 of the paper, every row of ours beside its own: metrics/table3.md, table4.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.results import PaperRow, Row, paper_rows, real_rows, synthetic_rows
from sfpipe.files import replacing

HEAD = (
    "R_tue",
    "R_on",
    "abs dx cm",
    "R_tue (2019)",
    "R_on (2019)",
    "abs dx cm (2019)",
    "paper R_tue",
    "paper R_on",
    "paper abs dx cm",
)
NOTE = """\
In brackets: 95 % bootstrap intervals over pieces. (2019): onsets counted as the evaluator of 2019
counted them, two seconds early, which is how the paper's figures were counted. Paper: Henkel,
Balke, Dorfer & Widmer (TISMIR 2019), whose data are not the same performances; only figures that
are quoted in `sfpipe/evaluation/paper.csv`. A dash: not evaluated, or not known.
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


def write_tables(results: Path, pretrained: Path, out: Path) -> list[Path]:
    """Write both tables from what was evaluated so far.

    Parameters
    ----------
    results:
        Folder of ``eval.json``, ``baselines/``, ``real.json``; what is not there is a dash.
    pretrained:
        Folder of the published agents, each with its own results.

    Returns
    -------
    The two files.

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
    texts = {
        "table3.md": table(
            "Table 3: synthesised performances", "data set", synthetic, paper_rows(3), {}, NOTE_3
        ),
        "table4.md": table(
            "Table 4: performances by pianists",
            "condition",
            real,
            paper_rows(4),
            conditions,
            NOTE_4,
        ),
    }
    for name, text in texts.items():
        with replacing(out / name) as temporary:
            temporary.write_text(text, "utf-8")
    return [out / name for name in texts]


def table(
    title: str,
    group: str,
    rows: Sequence[Row],
    paper: Sequence[PaperRow],
    labels: Mapping[str, str],
    note: str = "",
) -> str:
    """A table as Markdown: the groups in the paper's order, then those it does not have.

    Parameters
    ----------
    group:
        Head of the first column.
    labels:
        How groups are printed, where not by their names.
    note:
        What is to be said below besides `NOTE`.
    """
    head = (group, "follower", *HEAD)
    lines = [f"# {title}", "", _line(head), "|" + "---|" * len(head)]
    for name in dict.fromkeys([r.group for r in paper] + [r.group for r in rows]):
        shown = labels.get(name, name)
        theirs = [r for r in paper if r.group == name]
        beside = {entrant: r for r in theirs for entrant in r.entrants}
        ours = [r for r in rows if r.group == name]
        missing = [r for r in theirs if not {o.entrant for o in ours} & set(r.entrants)]
        for row in [*ours, *(Row(name, r.entrants[0], r.label, None) for r in missing)]:
            cells = (*_ours(row.figures), *_theirs(beside.get(row.entrant)))
            lines.append(_line((shown, row.label, *cells)))
    return "\n".join([*lines, "", NOTE + note])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _ours(figures: Mapping[str, Any] | None) -> tuple[str, ...]:
    if figures is None:
        return (DASH,) * 6
    reference, ci = figures["reference_counting"], figures["ci95"]
    return (
        f"{_number(figures['r_tue'])} {_interval(ci['r_tue'])}",
        f"{_number(figures['r_on'])} {_interval(ci['r_on'])}",
        _spread(figures["abs_dx_cm"]),
        _number(reference["r_tue"]),
        _number(reference["r_on"]),
        _spread(reference["abs_dx_cm"]),
    )


def _theirs(row: PaperRow | None) -> tuple[str, ...]:
    if row is None:
        return (DASH,) * 3
    return tuple(value or DASH for value in (row.r_tue, row.r_on, row.abs_dx_cm))


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}"


def _spread(figure: Mapping[str, float | None]) -> str:
    return f"{_number(figure['mean'])} ± {_number(figure['std'])}"


def _interval(interval: Mapping[str, float | None]) -> str:
    return f"[{_number(interval['low'])}-{_number(interval['high'])}]"
