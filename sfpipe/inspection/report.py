"""`sfpipe report`: one self-contained page about the current experiment.

It reads what `train`, `evaluate` and the tables' command left in ``metrics/``, and computes
nothing but its charts; a part whose files are not there says so.
"""

from __future__ import annotations

import base64
import html
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.engraving.files import read_noteheads
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.validation import LABELS
from sfpipe.files import read_json, replacing
from sfpipe.inspection import charts
from sfpipe.inspection.tables import markdown, numbers, read_rows, table

CURVES = {
    "validation_r_on": "R_on on validation",
    "best_r_on": "best R_on so far",
    "reward": "mean reward per frame",
    "policy_loss": "policy loss",
    "value_loss": "value loss",
}
MARKDOWN = ("table3.md", "table4.md")
STYLE = """
body { margin: 0 auto; max-width: 1120px; padding: 28px 24px 60px; color: #18181b;
  font: 15px/1.5 system-ui, sans-serif; background: #fff; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 8px; }
h3 { font-size: 15px; } .grey { color: #6e6e74; }
table { border-collapse: collapse; font-size: 14px; margin: 10px 0; }
th, td { padding: 4px 12px 4px 0; text-align: left; border-bottom: 1px solid #e6e6e4;
  vertical-align: top; }
th { font-weight: 600; } td:not(:first-child) { font-variant-numeric: tabular-nums; }
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(400px, 1fr)); gap: 8px 20px; }
.scroll { overflow-x: auto; } svg { width: 100%; height: auto; } img { max-width: 100%; }
code { background: #f2f2f0; padding: 0 4px; }
"""


def report(metrics: Path, out: Path, *, engraved: Path | None = None, pages: Path) -> Path:
    """Write the report on the results in `metrics`.

    Parameters
    ----------
    engraved:
        Folder of the engraved pieces, for their polyphony.
    pages:
        Folder of page views; those of the worst pieces are linked.

    Raises
    ------
    SfpipeError
        If there is no evaluation in `metrics`, or `out` cannot be written.
    """
    results = metrics / "eval.json"
    evaluation = read_json(results, remedy="run 'dvc repro evaluate'")
    try:
        parts = [_head(evaluation), _results(evaluation)]
    except (KeyError, TypeError, AttributeError) as error:
        raise SfpipeError(
            f"is not the result of an evaluation (missing: {error})",
            file=results,
            remedy="run sfpipe evaluate",
        ) from None
    parts += [
        _tables(metrics),
        _curves(metrics / "train/plots/metrics"),
        _errors(metrics / "plots"),
        _difficulty(metrics / "plots", engraved),
        _worst(metrics / "plots", pages, out.parent),
    ]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Score following: report</title><style>{STYLE}</style></head>\n"
        f"<body>\n{chr(10).join(parts)}\n</body></html>\n"
    )
    with replacing(out) as temporary:
        temporary.write_text(page, "utf-8")
    return out


def _head(evaluation: Mapping[str, Any]) -> str:
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
    line = " · ".join(html.escape(str(fact)) for fact in facts if fact)
    return f'<h1>Score following: report</h1>\n<p class="grey">{line}</p>'


def _results(evaluation: Mapping[str, Any]) -> str:
    head = ["player", "R_tue", "R_on", "|dx| px", "|dx| cm", "within 0.5 s"]
    head += ["R_tue (2019)", "R_on (2019)", "|dx| cm (2019)"]
    first = evaluation["meta"].get("label", "agent")
    players = {first: evaluation, **evaluation["players"]}
    rows = [[LABELS.get(name, name), *_figures(figures)] for name, figures in players.items()]
    note = (
        "R_on: share of the onsets reached before the target is lost. R_tue: share of games"
        " followed to the last onset. |dx|: tracking error at reached onsets, mean ± deviation. In"
        " brackets: 95 % bootstrap intervals over pieces. (2019): as the paper's own evaluator"
        " counts, for comparison with its tables."
    )
    body = f'<div class="scroll">{table(head, rows)}</div>'
    return _section("Results", body, f'<p class="grey">{note}</p>')


def _figures(figures: Mapping[str, Any]) -> list[str]:
    ci, counted = figures["ci95"], figures["reference_counting"]

    def within(name: str) -> str:
        value, low, high = figures[name], ci[name]["low"], ci[name]["high"]
        return f"{_number(value)} [{_number(low)}, {_number(high)}]"

    def spread(of: Mapping[str, Any], name: str, digits: int) -> str:
        return f"{_number(of[name]['mean'], digits)} ± {_number(of[name]['std'], digits)}"

    return [
        within("r_tue"),
        within("r_on"),
        spread(figures, "abs_dx_px", 1),
        spread(figures, "abs_dx_cm", 2),
        _number(figures["within_s"]["0.5"]),
        _number(counted["r_tue"]),
        _number(counted["r_on"]),
        spread(counted, "abs_dx_cm", 2),
    ]


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _section(title: str, *parts: str) -> str:
    return "\n".join([f"<h2>{title}</h2>", *parts])


def _missing(what: str, command: str) -> str:
    return f'<p class="grey">{what}: none yet. They come with <code>{command}</code>.</p>'


def _tables(metrics: Path) -> str:
    texts = [(metrics / name).read_text("utf-8") for name in MARKDOWN if (metrics / name).is_file()]
    if not texts:
        missing = _missing("Tables 3 and 4", "sfpipe tables")
        return _section("The paper's tables", missing)
    inside = "\n".join(f'<div class="scroll">{markdown(text)}</div>' for text in texts)
    return _section("The paper's tables", inside)


def _curves(folder: Path) -> str:
    drawn = []
    for name, label in CURVES.items():
        rows = read_rows(folder / f"{name}.tsv")
        if rows:
            points = numbers(rows, "step"), numbers(rows, name)
            drawn.append(charts.lines({name: points}, x="frames", y=label))
    if not drawn:
        return _section("Learning curves", _missing("Curves", "dvc repro train"))
    return _section("Learning curves", f'<div class="row">{"".join(drawn)}</div>')


def _errors(plots: Path) -> str:
    drawn = []
    rows = read_rows(plots / "error_histogram.csv")
    if rows:
        x = numbers(rows, "error_px")
        players = [name for name in rows[0] if name != "error_px"]
        curves = {name: (x, numbers(rows, name)) for name in players}
        label = "tracking error (px; negative: behind)"
        drawn.append(charts.lines(curves, x=label, y="share of onsets", log=True))
    for unit in ("cm", "s"):
        rows = read_rows(plots / f"error_histogram_{unit}.csv")
        if rows:
            middles, shares = numbers(rows, f"error_{unit}"), numbers(rows, "agent")
            label = f"the agent's error ({unit}; negative: behind)"
            drawn.append(charts.bars(middles, shares, x=label, y="share of onsets"))
    if not drawn:
        return _section("Errors", _missing("Histograms", "dvc repro evaluate"))
    return _section("Errors at reached onsets", f'<div class="row">{"".join(drawn)}</div>')


def _difficulty(plots: Path, engraved: Path | None) -> str:
    rows = read_rows(plots / "difficulty.csv")
    if not rows:
        return _section("Difficulty", _missing("Measures of pieces", "dvc repro evaluate"))
    ratio = numbers(rows, "r_on")
    measures = {
        "tempo (quarters per minute)": numbers(rows, "tempo_qpm"),
        "note density (onsets per second)": numbers(rows, "onsets_per_s"),
    }
    if engraved is not None and engraved.is_dir():
        heads = polyphony(engraved, [row["piece"] for row in rows])
        if np.nanmax(heads, initial=1) > 1:  # melodies are all alike
            measures["polyphony (note heads per onset)"] = heads
    drawn = [charts.scatter(x, ratio, x=name, y="R_on") for name, x in measures.items()]
    note = '<p class="grey">A point is a performance: how much of it the agent reached.</p>'
    return _section("Against difficulty", note, f'<div class="row">{"".join(drawn)}</div>')


def polyphony(engraved: Path, pieces: Sequence[str]) -> list[float]:
    """Mean number of struck note heads per onset of each piece; NaN where it is not engraved."""
    found = []
    for piece in pieces:
        try:
            groups = read_noteheads(engraved / piece).onsets()
        except SfpipeError:
            groups = []
        sizes = [len(group) for group in groups]
        found.append(float(np.mean(sizes)) if sizes else float("nan"))
    return found


def _worst(plots: Path, pages: Path, here: Path) -> str:
    if not (plots / "lost.csv").is_file():
        return _section("The worst pieces", _missing("Pictures", "dvc repro evaluate"))
    rows = read_rows(plots / "lost.csv")
    if not rows:
        return _section("The worst pieces", "<p>No game was lost.</p>")
    head = ["piece", "R_on", "games lost", "lost first after", "views"]
    body = "".join(
        "<tr>"
        + "".join(f"<td>{cell}</td>" for cell in (*_loss(row), _links(row["piece"], pages, here)))
        + "</tr>"
        for row in rows
    )
    names = "".join(f"<th>{name}</th>" for name in head)
    lines = f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
    picture = base64.b64encode((plots / "lost.png").read_bytes()).decode()
    image = f'<img alt="Where the target was lost" src="data:image/png;base64,{picture}">'
    return _section("The worst pieces", lines, image)


def _loss(row: Mapping[str, str]) -> list[str]:
    performance = html.escape(row["performance"])
    return [
        f'{html.escape(row["piece"])}<br><span class="grey">{performance}</span>',
        _number(float(row["r_on"])),
        f"{row['games_lost']} of {row['games']}",
        f"{row['onset']} of {row['onsets']} onsets, {float(row['lost_s']):.1f} s",
    ]


def _links(piece: str, pages: Path, here: Path) -> str:
    """Links, relative to the report, to the page views of a piece."""
    name = re.compile(re.escape(piece) + r"([-_.].*)?\.html")
    found = sorted(p for p in pages.glob("*.html") if name.fullmatch(p.name))
    links = []
    for path in found:
        target = html.escape(Path(os.path.relpath(path, here)).as_posix(), quote=True)
        links.append(f'<a href="{target}">{html.escape(path.stem)}</a>')
    return "<br>".join(links) or "-"
