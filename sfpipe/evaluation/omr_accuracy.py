"""`omr-accuracy`: how well the reader of score images reads the pieces of a split.

Writes ``metrics/omr.json``::

    dataset, split, reader
    pieces_read   of how many; `failed`: piece -> reason
    total         heads, read, matched, ... (counts) and shares, see `baselines.omr.accuracy`
    pieces        piece -> the same
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.table import Table, format_number
from sfpipe.files import replacing, write_json
from sfpipe.omr.accuracy import Accuracy, accuracy, sum_accuracies
from sfpipe.omr.readers import find_reader
from sfpipe.omr.truth import strip_truth
from sfpipe.params import OmrParams
from sfpipe.progress import Progress
from sfpipe.store.reader import ScoreRecord, read_scores

COLUMNS = ("recall", "precision", "pitch", "order", "length")


def read_split(
    params: OmrParams,
    scores: Path,
    engraved: Path,
    out: Path,
    *,
    dataset: str,
    split: str = "test",
    most: int | None = None,
    pictures: Path | None = None,
) -> dict[str, Any]:
    """Read the strips of a score store and compare the notes with the engraver's.

    A piece that cannot be read counts as read without notes, and is listed with the reason.

    Parameters
    ----------
    engraved:
        ``data/engraved/<dataset>``.
    out:
        The JSON file.
    most:
        Pieces to read, spread evenly over the split; None: all.
    pictures:
        Folder for a picture of each strip with what was read; None: no pictures.

    Returns
    -------
    dict
        The content of the file.

    Raises
    ------
    SfpipeError
        If the store or an engraved piece is missing, the split is empty, or the reader is
        Audiveris and not installed.
    """
    reader = find_reader(params)
    records = read_scores(scores, split)
    if not records:
        raise SfpipeError(f"has no pieces in the split '{split}'", file=scores)
    names = spread(sorted(records), most)
    parts: dict[str, Accuracy] = {}
    failed: dict[str, str] = {}
    progress = Progress("omr-accuracy", len(names))
    for name in names:
        score = records[name]
        truth = strip_truth(engraved / name, len(score.strip))
        try:
            notes = reader(score.strip)
        except SfpipeError as error:
            failed[name], notes = str(error), []
        parts[name] = accuracy(notes, truth, score.staff_space_px)
        if pictures is not None:
            _draw(pictures / f"{name}.png", score, notes, truth)
        progress.advance()
    progress.close(f"{len(failed)} not read" if failed else "")
    result = {
        "dataset": dataset,
        "split": split,
        "reader": params.reader,
        "pieces_read": len(names) - len(failed),
        "failed": failed,
        "total": _figures(sum_accuracies(parts.values())),
        "pieces": {name: _figures(part) for name, part in parts.items()},
    }
    write_json(out, result)
    return result


def spread(names: list[str], most: int | None) -> list[str]:
    """At most `most` of the names, evenly from the first to the last."""
    if most is None or most >= len(names):
        return names
    return [names[i * len(names) // most] for i in range(most)]


def describe_reading(result: dict[str, Any]) -> str:
    """A line per piece, the whole, and what could not be read."""
    rows = [
        (name, str(row["heads"]), *(format_number(row[c], 3) for c in COLUMNS))
        for name, row in (*result["pieces"].items(), ("all", result["total"]))
    ]
    table = Table(("piece", "heads", *COLUMNS), rows).to_text()
    return "\n".join([table, *(f"not read: {n}: {why}" for n, why in result["failed"].items())])


def _figures(part: Accuracy) -> dict[str, float]:
    return {**asdict(part), **{name: round(x, 4) for name, x in part.shares().items()}}


def _draw(path: Path, score: ScoreRecord, notes: list, truth: Any) -> None:
    import cv2

    from sfpipe.omr.overlay import draw_reading

    picture = draw_reading(score.strip, notes, truth, score.staff_space_px)
    with replacing(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
