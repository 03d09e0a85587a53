"""`sfpipe report`: one self-contained page about the current experiment.

It reads what `train` and `evaluate` left in ``metrics/``, and computes nothing but its charts; a
part whose files are not there says so. The paper's tables come last.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from sfpipe.engraving.files import read_noteheads, read_systems
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.report import tabulate_players, tabulate_whole
from sfpipe.evaluation.schema import read_evaluation
from sfpipe.evaluation.table import Table, format_number
from sfpipe.evaluation.tables import read_tables
from sfpipe.files import replacing
from sfpipe.inspection import charts
from sfpipe.inspection.charts import read_numbers, read_rows
from sfpipe.inspection.templates import fill_template

TEMPLATE = Path(__file__).with_name("report.html")
CURVES = {
    "validation_r_on": "R_on on validation",
    "best_r_on": "R_on of the weights kept",
    "reward": "mean reward per frame",
    "policy_loss": "policy loss",
    "value_loss": "value loss",
}
NOTE = (
    "R_on: share of the onsets reached before the target is lost. R_tue: share of games"
    " followed to the last onset. |dx|: tracking error at reached onsets, mean ± deviation. In"
    " brackets: 95 % bootstrap intervals over pieces. (2019): as the paper's own evaluator"
    " counts, for comparison with its tables."
)
LOST_WIDTH_PX = 300  # of the score, about where a piece was lost


def write_report(
    metrics: Path, out: Path, *, engraved: Path | None = None, pages: Path, pretrained: Path
) -> Path:
    """Write the report on the results in `metrics`.

    Parameters
    ----------
    engraved:
        Folder of the engraved pieces, for their polyphony and the places that were lost.
    pages:
        Folder of page views; those of the worst pieces are linked.
    pretrained:
        Folder of the published agents, which stand in the paper's tables.

    Raises
    ------
    SfpipeError
        If there is no evaluation in `metrics`, or `out` cannot be written.
    """
    results, plots = metrics / "eval.json", metrics / "plots"
    evaluation = read_evaluation(results)
    try:
        facts, figures = _facts(evaluation), tabulate_players(evaluation).to_html()
        whole = tabulate_whole(evaluation)
    except (KeyError, TypeError, AttributeError) as error:
        raise SfpipeError(
            f"is not the result of an evaluation (missing: {error})",
            file=results,
            remedy="run sfpipe evaluate",
        ) from None
    page = fill_template(
        TEMPLATE,
        facts=" · ".join(facts),
        results=figures,
        whole=whole.to_html() if whole.rows else None,
        note=NOTE,
        curves=_curves(metrics / "train/plots/metrics"),
        errors=_errors(plots),
        difficulty=_difficulty(plots, engraved),
        worst=_worst(plots, engraved, pages, out.parent),
        paper=[(t.title, t.table.to_html(), t.note) for t in read_tables(metrics, pretrained)],
    )
    with replacing(out) as temporary:
        temporary.write_text(page, "utf-8")
    return out


def _facts(evaluation: Mapping[str, Any]) -> list[str]:
    meta = evaluation["meta"]
    frames, hours = meta.get("agent_frames"), meta.get("agent_hours")
    facts = [
        meta.get("dataset"),
        f"split {meta.get('split')}",
        f"algorithm {meta.get('algo')}",
        f"window {meta.get('window')}",
        f"{meta.get('policy')} policy",
        f"trained on {frames:,} frames" if isinstance(frames, int) else None,
        f"for {hours:.2f} hours" if isinstance(hours, float) else None,
        f"{evaluation['n_pieces']} pieces",
        f"{evaluation['n_onsets']:,} onsets",
        f"seed {evaluation['seed']}",
    ]
    return [str(fact) for fact in facts if fact]


def _curves(folder: Path) -> list[str]:
    drawn = []
    for name, label in CURVES.items():
        rows = read_rows(folder / f"{name}.tsv")
        if rows:
            points = read_numbers(rows, "step"), read_numbers(rows, name)
            drawn.append(charts.lines({name: points}, x="frames", y=label))
    return drawn


def _errors(plots: Path) -> list[str]:
    drawn = []
    rows = read_rows(plots / "error_histogram.csv")
    if rows:
        x = read_numbers(rows, "error_px")
        players = [name for name in rows[0] if name != "error_px"]
        curves = {name: (x, read_numbers(rows, name)) for name in players}
        label = "tracking error (px; negative: behind)"
        drawn.append(charts.lines(curves, x=label, y="share of onsets", log=True))
    for unit in ("cm", "s"):
        rows = read_rows(plots / f"error_histogram_{unit}.csv")
        if rows:
            middles, shares = read_numbers(rows, f"error_{unit}"), read_numbers(rows, "agent")
            label = f"the agent's error ({unit}; negative: behind)"
            drawn.append(charts.bars(middles, shares, x=label, y="share of onsets"))
    return drawn


def _difficulty(plots: Path, engraved: Path | None) -> list[str]:
    rows = read_rows(plots / "difficulty.csv")
    if not rows:
        return []
    ratio = read_numbers(rows, "r_on")
    measures = {
        "tempo (quarters per minute)": read_numbers(rows, "tempo_qpm"),
        "note density (onsets per second)": read_numbers(rows, "onsets_per_s"),
    }
    if engraved is not None and engraved.is_dir():
        heads = polyphony(engraved, [row["piece"] for row in rows])
        if np.nanmax(heads, initial=1) > 1:  # melodies are all alike
            measures["polyphony (note heads per onset)"] = heads
    return [charts.scatter(x, ratio, x=name, y="R_on") for name, x in measures.items()]


def polyphony(engraved: Path, pieces: Sequence[str]) -> list[float]:
    """Mean number of struck note heads per onset of each piece; NaN where it is not engraved."""
    means = []
    for piece in pieces:
        try:
            groups = read_noteheads(engraved / piece).onsets()
        except SfpipeError:
            groups = []
        sizes = [len(group) for group in groups]
        means.append(float(np.mean(sizes)) if sizes else float("nan"))
    return means


def _worst(plots: Path, engraved: Path | None, pages: Path, here: Path) -> dict[str, Any] | None:
    """The pieces with most games lost: table and pictures (base64), empty if none was lost.

    The pictures are the engraver's; the strips' own where one of the pieces has none.

    None without the file of lost games.
    """
    if not (plots / "lost.csv").is_file():
        return None
    rows = read_rows(plots / "lost.csv")
    if not rows:
        return {}
    head = ["piece", "R_on", "games lost", "lost first after"]
    cells = [_loss(row) for row in rows]
    links = [_links(row["piece"], pages, here) for row in rows]
    if any(links):
        head.append("views")
        cells = [[*row, link or "-"] for row, link in zip(cells, links, strict=True)]
    picture = base64.b64encode((plots / "lost.png").read_bytes()).decode()
    drawn = [place_lost(row, engraved) for row in rows]
    places = drawn if all(drawn) else []
    return {"table": Table(head, cells).to_html(), "picture": picture, "places": places}


def place_lost(row: Mapping[str, str], engraved: Path | None) -> tuple[str, str] | None:
    """Name and SVG (base64) of where a piece was lost: blue the agent, orange the target.

    None where the piece is not engraved on one system, in vectors.
    """
    if engraved is None or not (engraved / row["piece"]).is_dir():
        return None
    try:
        system, *others = read_systems(engraved / row["piece"])
    except SfpipeError:
        return None
    file = (engraved / row["piece"] / system.file).with_suffix(".svg")
    if others or not file.is_file():
        return None
    place, target = float(row["position_px"]), float(row["target_px"])
    left, height = (place + target - LOST_WIDTH_PX) / 2, system.height_px
    size = f'width="{system.width_px}" height="{height}"'
    lines = "".join(
        f'<line x1="{x}" y1="0" x2="{x}" y2="{height}" stroke="{colour}" stroke-width="1.2"/>'
        for x, colour in ((place, "#1f5fa8"), (target, "#de6e12"))
    )
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg"'
        f' viewBox="{left} 0 {LOST_WIDTH_PX} {height}"'
        f' width="{3 * LOST_WIDTH_PX}" height="{3 * height}">'
        f"{file.read_text('utf-8').replace('<svg', f'<svg {size}', 1)}{lines}</svg>"
    )
    return f"{row['piece']} {row['performance']}", base64.b64encode(svg.encode()).decode()


def _loss(row: Mapping[str, str]) -> list[str]:
    name = Markup('{}<br><span class="grey">{}</span>')
    return [
        name.format(row["piece"], row["performance"]),
        format_number(float(row["r_on"])),
        f"{row['games_lost']} of {row['games']}",
        f"{row['onset']} of {row['onsets']} onsets, {float(row['lost_s']):.1f} s",
    ]


def _links(piece: str, pages: Path, here: Path) -> str:
    """Links, relative to the report, to the page views of a piece; empty without any."""
    name = re.compile(re.escape(piece) + r"([-_.].*)?\.html")
    paths = sorted(p for p in pages.glob("*.html") if name.fullmatch(p.name))
    links = [(Path(os.path.relpath(path, here)).as_posix(), path.stem) for path in paths]
    form = Markup('<a href="{}">{}</a>')
    return Markup("<br>").join(form.format(*link) for link in links)
