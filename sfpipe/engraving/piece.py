"""One piece: source file -> image, MIDI and note list, all from the same score object."""

from __future__ import annotations

import hashlib
import json
import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any

from sfpipe.datasets.index import Piece
from sfpipe.engraving.files import CM_PER_PX, NOTEHEADS, SYSTEMS, write_rows
from sfpipe.engraving.layout import Layout, engrave_part, verovio_version
from sfpipe.engraving.melody import TICKS, Melody, prepare
from sfpipe.engraving.midi import sounding_notes, write_midi
from sfpipe.engraving.raster import Raster, rasterize
from sfpipe.engraving.sources import read_part
from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.params import EngraveParams

FORMAT = 1  # raise it when what this module writes changes, so that old pieces are made again
TOLERANCE = 0.02  # quarters; Verovio keeps tuplets as rounded decimals
GRACE_TOLERANCE = 0.5  # quarters


def fingerprint(piece: Piece, params: EngraveParams) -> str:
    """Hash of everything that determines an engraved piece; equal: nothing to do again."""
    inputs = [FORMAT, piece.sha256, piece.header_sha256, piece.title, piece.split, piece.licence]
    inputs += [verovio_version(), params.model_dump()]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def is_done(folder: Path, wanted: str) -> bool:
    """Whether `folder` holds a piece with the fingerprint `wanted`."""
    try:
        done = json.loads((folder / "engraving.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(done, dict) and done.get("fingerprint") == wanted


def engrave_piece(piece: Piece, params: EngraveParams, raw: Path, out: Path) -> None:
    """Write the folder ``out/<piece>`` whole, or not at all.

    Raises
    ------
    SfpipeError
        If the source cannot be read, engraved, or its image and its sound disagree.
    """
    source = raw / piece.source
    part = read_part(source, raw / piece.header if piece.header else None)
    melody = prepare(part, params.notes_per_minute, source)
    layout = engrave_part(melody.part, params)
    check_agreement(melody, layout)
    raster = rasterize(layout, params.staff_space_px)
    with replacing(out / piece.id, marker="engraving.json") as folder:
        folder.mkdir()
        _write_image(folder / "system-001.png", raster)
        write_midi(folder / "score.mid", melody.heads, melody.tempo)
        write_rows(folder / "noteheads.csv", NOTEHEADS, _notehead_rows(melody, layout, raster))
        write_rows(folder / "systems.csv", SYSTEMS, [_system_row(layout, raster)])
        text = json.dumps(_description(piece, params, melody, layout, raster), indent=2)
        (folder / "engraving.json").write_text(text + "\n", "utf-8")


def check_agreement(melody: Melody, layout: Layout) -> None:
    """Raise SfpipeError unless Verovio drew every head and strikes the notes we strike."""
    lost = [h.id for h in melody.heads if h.id not in layout.heads]
    if lost:
        raise SfpipeError(f"{len(lost)} of {len(melody.heads)} notes have no head in the image")
    struck = {h.id: h for h in melody.heads if not h.tied and not h.grace}
    graces = {h.id for h in melody.heads if h.grace}
    drawn = set(layout.onsets) - graces - layout.tied
    if drawn != set(struck):
        raise SfpipeError(
            f"the image has {len(drawn)} struck notes, the score {len(struck)} "
            f"({len(drawn ^ set(struck))} differ)"
        )
    moved = [
        # Verovio too delays a note for its grace notes, though by its own amount.
        h
        for h in struck.values()
        if not -TOLERANCE
        <= layout.onsets[h.id] - h.written / TICKS
        <= (GRACE_TOLERANCE if h.onset > h.written else TOLERANCE)
    ]
    if moved:
        raise SfpipeError(
            f"{len(moved)} of {len(struck)} onsets differ between image and score, the first at "
            f"quarter {moved[0].written / TICKS:g}"
        )


def _write_image(path: Path, raster: Raster) -> None:
    import cv2

    if not cv2.imwrite(str(path), raster.image):
        raise SfpipeError("cannot be written", file=path, remedy="check the disk's free space")


def _notehead_rows(melody: Melody, layout: Layout, raster: Raster) -> list[tuple[Any, ...]]:
    rows = []
    for head in melody.heads:
        x, y = raster.pixel(*layout.heads[head.id])
        rows.append(
            (
                1,
                round(x, 3),
                round(y, 3),
                1,
                head.midi_pitch,
                round(melody.tempo.seconds(head.onset), 6),
                round(head.onset / TICKS, 6),
                int(head.tied),
                int(head.grace),
            )
        )
    return sorted(rows, key=lambda row: (row[6], row[1]))


def _system_row(layout: Layout, raster: Raster) -> tuple[Any, ...]:
    height, width = raster.image.shape
    top, bottom = (raster.pixel(0, y)[1] for y in (layout.staff_top, layout.staff_bottom))
    return (1, "system-001.png", 0, width, height, round(top, 3), round(bottom, 3))


def _description(
    piece: Piece, params: EngraveParams, melody: Melody, layout: Layout, raster: Raster
) -> dict[str, Any]:
    sounds = sounding_notes(melody.heads)
    first, last = sounds[0].onset, sounds[-1].onset
    xs = sorted({raster.pixel(*layout.heads[h.id])[0] for h in melody.heads if not h.tied})
    span = xs[-1] - xs[0]
    seconds = melody.tempo.seconds(last) - melody.tempo.seconds(first)
    steps = [b - a for a, b in pairwise(xs)]
    return {
        "piece": piece.id,
        "title": piece.title,
        "split": piece.split,
        "licence": piece.licence,
        "engine": "verovio",
        "version": verovio_version(),
        "staff_space_px": params.staff_space_px,
        "px_per_cm": round(1 / CM_PER_PX, 6),
        "tempo": {
            "quarters_per_minute": round(60e6 / melody.tempo.changes[0][1], 3),
            "marked": melody.tempo_marked,
            "changes": len(melody.tempo.changes) - 1,
        },
        "duration_s": round(melody.tempo.seconds(max(s.end for s in sounds)), 6),
        "n_onsets": len({s.onset for s in sounds}),
        "px_per_quarter": round(span * TICKS / (last - first), 3) if last > first else None,
        "px_per_s": round(span / seconds, 3) if seconds else None,
        "median_step_px": round(statistics.median(steps), 3) if steps else None,
        "params": params.model_dump(),
        "fingerprint": fingerprint(piece, params),
    }
