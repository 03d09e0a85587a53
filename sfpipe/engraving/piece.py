"""One piece: source file -> image, MIDI and note list, all from the same score object."""

from __future__ import annotations

import hashlib
import json
import statistics
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from sfpipe.datasets.index import Piece
from sfpipe.engraving.files import (
    NOTEHEADS,
    SYSTEMS,
    read_description,
    read_images,
    read_noteheads,
    read_systems,
    write_image,
    write_rows,
)
from sfpipe.engraving.layout import engrave
from sfpipe.engraving.midi import write_midi
from sfpipe.engraving.raster import Raster, rasterize
from sfpipe.engraving.verovio.describe import describe, system_row
from sfpipe.engraving.verovio.svg import Layout
from sfpipe.engraving.verovio.toolkit import verovio_version
from sfpipe.engraving.written import write_out
from sfpipe.errors import SfpipeError
from sfpipe.files import read_bytes, replacing
from sfpipe.notation.files import read_score
from sfpipe.notation.playback import TICKS, Head, TempoMap, heads, sounding_notes, tempo_map, unfold
from sfpipe.notation.score import Score
from sfpipe.params import EngraveParams

FORMAT = 3  # raise it when what this module writes changes, so that old pieces are made again


def hash_inputs(piece: Piece, params: EngraveParams) -> str:
    """Hash of everything that determines an engraved piece; equal: nothing to do again."""
    inputs = [FORMAT, piece.sha256, piece.header_sha256, piece.title, piece.split, piece.licence]
    inputs += [verovio_version(), _of_melodies(params)]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def _of_melodies(params: EngraveParams) -> dict[str, Any]:
    return params.model_dump(exclude={"piano"})


def is_done(folder: Path, inputs_hash: str) -> bool:
    """Whether `folder` holds a piece with the fingerprint `inputs_hash` that can be read."""
    try:
        if read_description(folder).get("fingerprint") != inputs_hash:
            return False
        read_images(folder, read_systems(folder))
        read_noteheads(folder)
    except SfpipeError:
        return False
    return True


def engrave_piece(piece: Piece, params: EngraveParams, raw: Path, out: Path) -> None:
    """Write the folder ``out/<piece>`` whole, or not at all.

    Raises
    ------
    SfpipeError
        If the source cannot be read, engraved, or its image and its sound disagree.
    """
    melody = read_melody(raw / piece.source, raw / piece.header if piece.header else None, params)
    layout = engrave(melody.score, params)
    raster = rasterize(layout, params.staff_space_px)
    with replacing(out / piece.id, marker="engraving.json") as folder:
        folder.mkdir()
        write_image(folder / "system-001.png", raster.image)
        (folder / "system-001.svg").write_text(raster.svg, "utf-8")  # for pages
        write_midi(folder / "score.mid", sounding_notes(melody.heads), melody.tempo)
        write_rows(folder / "noteheads.csv", NOTEHEADS, _notehead_rows(melody, layout, raster))
        write_rows(folder / "systems.csv", SYSTEMS, [system_row(1, 0, layout, raster)])
        text = json.dumps(_description(piece, params, melody, layout, raster), indent=2)
        (folder / "engraving.json").write_text(text + "\n", "utf-8")


@dataclass(frozen=True)
class Melody:
    """A score with its repeats written out as it is printed, its heads, and its tempo."""

    score: Score
    heads: list[Head]
    tempo: TempoMap
    tempo_marked: bool


def read_melody(source: Path, header: Path | None, params: EngraveParams) -> Melody:
    """What a file says, as it is printed and as it sounds.

    Raises
    ------
    SfpipeError
        If the file is missing or cannot be read, or its music cannot be written or is too long.
    """
    remedy = "run: sfpipe download"
    fields = read_bytes(header, remedy=remedy) if header else None
    read = read_score(source.name, read_bytes(source, remedy=remedy), fields)
    try:
        played = unfold(read)
        tempo, marked = tempo_map(played, params.notes_per_minute)
        printed = write_out(played)
        return Melody(printed, heads(printed, tempo), tempo, marked)
    except SfpipeError as error:
        remedy = error.remedy or "correct the file or leave it out"
        raise SfpipeError(error.what, file=source, remedy=remedy) from None


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
        **describe(piece, params.staff_space_px, melody.tempo, marked=melody.tempo_marked),
        # how far the farthest note of a MIDI file was moved to its written place
        "moved_quarters": round(float(melody.score.residual), 4),
        "duration_s": round(melody.tempo.seconds(max(s.end for s in sounds)), 6),
        "n_onsets": len({s.onset for s in sounds}),
        "px_per_quarter": round(span * TICKS / (last - first), 3) if last > first else None,
        "px_per_s": round(span / seconds, 3) if seconds else None,
        "median_step_px": round(statistics.median(steps), 3) if steps else None,
        "params": _of_melodies(params),
        "fingerprint": hash_inputs(piece, params),
    }
