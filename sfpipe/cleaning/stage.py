"""`clean`: which engraved pieces may be used, and why the others may not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sfpipe.cleaning.checks import check_melody, read_evidence
from sfpipe.cleaning.polyphony import check_polyphony
from sfpipe.engraving.files import is_piano
from sfpipe.errors import SfpipeError
from sfpipe.files import read_json, write_json
from sfpipe.parallel import SPLITS, Files, Name, map_pieces, named_pieces
from sfpipe.params import CleanParams

REMEDY = "run: sfpipe engrave"


class _EngravingReport(BaseModel):
    """Of the report of `engrave`, the part that is read here."""

    done: list[Name]
    skipped: dict[str, str]


def clean(
    params: CleanParams,
    engraved: Path,
    out: Path,
    *,
    height_px: int | None = None,
    jobs: int = -1,
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """Check every engraved piece and write `out` (JSON), which is also returned.

    ``accepted`` lists the pieces of each split and ``numbers`` what was measured of each;
    ``rejected`` gives, by piece, the reason and the numbers behind it, and also names the pieces
    that `engrave` skipped; ``totals`` sums up.

    Parameters
    ----------
    height_px:
        Of the strips that `scores` will make; None: as the paper's.
    jobs:
        Number of processes; -1 is one per core.
    only:
        The pieces that are asked for; none: all that `engrave` reports.

    Raises
    ------
    SfpipeError
        If `engraved` holds no report of `engrave`, or no piece is accepted.
    """
    report = read_json(engraved / "report.json", remedy=REMEDY, schema=_EngravingReport)
    every = [*report.done, *report.skipped]
    asked = set(named_pieces(every, only, engraved / "report.json", {}))
    accepted: dict[str, list[str]] = {split: [] for split in SPLITS}
    rejected: dict[str, dict[str, Any]] = {}
    measured: dict[str, dict[str, Any]] = {}
    done = [piece for piece in report.done if piece in asked]
    judge = partial(_judge, params=params, height_px=height_px)
    folders = [engraved / piece for piece in done]
    files = Files[Path](needed=lambda folder: [folder])
    for outcome in map_pieces(judge, folders, label="clean", jobs=jobs, files=files):
        split, reason, numbers = outcome.value or ("", outcome.error, {})
        piece = outcome.item.name
        if reason is None:
            accepted[split].append(piece)
            measured[piece] = numbers
        else:
            rejected[piece] = {"reason": reason, "numbers": numbers}
    for piece, reason in report.skipped.items():
        if piece not in asked:
            continue
        rejected[piece] = {"reason": f"not engraved: {reason}", "numbers": {}}
    if not any(accepted.values()):
        first = next(iter(rejected.values()), {"reason": "no pieces at all"})["reason"]
        raise SfpipeError(
            f"not one piece was accepted (the first: {first})",
            file=engraved,
            remedy="see the limits in params.yaml under clean",
        )
    result = {
        "dataset": engraved.name,
        "params": params.model_dump(),
        "accepted": {split: sorted(pieces) for split, pieces in accepted.items()},
        "totals": _totals(measured, len(rejected)),
        "rejected": dict(sorted(rejected.items())),
        "numbers": dict(sorted(measured.items())),
    }
    write_json(out, result)
    return result


def _totals(measured: dict[str, dict[str, Any]], rejected: int) -> dict[str, Any]:
    """Counts of pieces and onsets; of LilyPond's pieces also how many onsets are printed."""
    every = list(measured.values())
    totals: dict[str, Any] = {
        "accepted": len(every),
        "rejected": rejected,
        "onsets": sum(numbers.get("n_onsets", 0) for numbers in every),
    }
    polyphonic = [numbers for numbers in every if "onsets_matched" in numbers]
    if polyphonic:
        onsets = sum(numbers["midi_onsets"] for numbers in polyphonic)
        matched = sum(numbers["midi_onsets"] * numbers["onsets_matched"] for numbers in polyphonic)
        totals["onsets_heard"] = onsets
        totals["onsets_matched"] = round(matched / onsets, 6)
        for name in ("dark_share", "control_dark_share", "ink_lost"):
            mean = sum(numbers[name] for numbers in polyphonic) / len(polyphonic)
            totals[f"mean_{name}"] = round(mean, 5)
        for name in ("systems", "systems_moved", "heads_hidden", "onsets_hidden", "backward"):
            totals[name] = sum(numbers[name] for numbers in polyphonic)
    return totals


def _judge(
    folder: Path, params: CleanParams, height_px: int | None
) -> tuple[str, str | None, dict[str, Any]]:
    """(split, reason, numbers) of one piece; the reason is None if it is accepted."""
    try:
        evidence = read_evidence(folder, height_px)
    except SfpipeError as error:
        return "", str(error), {}
    split = evidence.description.get("split")
    if split not in SPLITS:
        return "", f"its split is {split!r}, expected one of {', '.join(SPLITS)}", {}
    polyphonic = is_piano(evidence.description)
    try:
        reason = (check_polyphony if polyphonic else check_melody)(evidence, params)
    except SfpipeError as error:
        reason = str(error)  # engraved by something unknown
    return split, reason, evidence.numbers
