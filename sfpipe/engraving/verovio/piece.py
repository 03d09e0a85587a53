"""One whole score in MusicXML or MEI -> systems, MIDI and note heads in ``out/<piece>``.

Heads are found by the ids of the file's notes; times come from the score (`sfpipe.notation`),
never from Verovio, and each bar is played once, as it is printed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfpipe.datasets.index import Piece
from sfpipe.engraving.files import (
    NAMED_HEADS,
    SYSTEMS,
    spacing,
    write_image,
    write_rows,
)
from sfpipe.engraving.midi import write_midi
from sfpipe.engraving.raster import Raster, rasterize
from sfpipe.engraving.verovio.describe import describe, system_row
from sfpipe.engraving.verovio.draw import draw_systems
from sfpipe.engraving.verovio.svg import Layout
from sfpipe.engraving.verovio.toolkit import verovio_version
from sfpipe.errors import SfpipeError
from sfpipe.files import read_bytes, replacing
from sfpipe.notation.files import read_document
from sfpipe.notation.playback import (
    TICKS,
    Head,
    Sound,
    TempoMap,
    distinct,
    play_as_printed,
    sounding_notes,
)
from sfpipe.notation.score import Score
from sfpipe.params import EngraveParams

FORMAT = 1  # raise it when what this module writes changes, so that old pieces are made again
MIN_PLACED = 0.95  # share of the printed notes that must have a head
LISTED = 20  # ids of notes without a head in the description


def hash_score_inputs(piece: Piece, params: EngraveParams) -> str:
    """Hash of everything that determines an engraved piece; equal: nothing to do again."""
    inputs = [FORMAT, piece.sha256, piece.title, piece.split, piece.licence, piece.engine]
    inputs += [verovio_version(), params.piano.model_dump()]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def engrave_score(piece: Piece, params: EngraveParams, raw: Path, out: Path) -> None:
    """Write the folder ``out/<piece>`` whole, or not at all.

    Raises
    ------
    SfpipeError
        If the source is missing, cannot be read or drawn, or too few of its notes have a head.
    """
    source = raw / piece.source
    root, score = read_document(source.name, read_bytes(source, remedy="run: sfpipe download"))
    try:
        music = _read(score, params)
        layouts = draw_systems(root, score, params.piano)
        space = params.piano.staff_space_px
        placed = _place(music, layouts, [rasterize(s, space, oversampling=1) for s in layouts])
    except SfpipeError as error:
        remedy = error.remedy or "export it again, or leave it out"
        raise SfpipeError(error.what, file=source, remedy=remedy) from None
    rows = _head_rows(music, placed)
    with replacing(out / piece.id, marker="engraving.json") as folder:
        folder.mkdir()
        for number, raster in enumerate(placed.rasters, 1):
            write_image(folder / f"system-{number:03}.png", raster.image)
            (folder / f"system-{number:03}.svg").write_text(raster.svg, "utf-8")  # for pages
        write_midi(folder / "score.mid", music.sounds, music.tempo)
        write_rows(folder / "noteheads.csv", NAMED_HEADS, rows)
        write_rows(folder / "systems.csv", SYSTEMS, _system_rows(placed))
        about = _description(piece, params, score, music, placed)
        about |= spacing(rows, [raster.image.shape[1] for raster in placed.rasters])
        (folder / "engraving.json").write_text(json.dumps(about, indent=2) + "\n", "utf-8")


@dataclass(frozen=True)
class _Reading:
    """Every note with its times, each bar played once, and what a keyboard plays of them."""

    heads: list[Head]
    sounds: list[Sound]
    tempo: TempoMap
    tempo_marked: bool


@dataclass(frozen=True)
class _Places:
    """Systems, and note id -> (number of its system from 1, x_px, y_px, hollow)."""

    layouts: list[Layout]
    rasters: list[Raster]
    places: dict[str, tuple[int, float, float, bool]]
    lost: list[str]


def _read(score: Score, params: EngraveParams) -> _Reading:
    heads, tempo, marked = play_as_printed(score, params.piano.notes_per_minute)
    return _Reading(heads, distinct(sounding_notes(heads)), tempo, marked)


def _place(music: _Reading, layouts: list[Layout], rasters: list[Raster]) -> _Places:
    places = {
        name: (number, *raster.pixel(*place), name in layout.hollow)
        for number, (layout, raster) in enumerate(zip(layouts, rasters, strict=True), 1)
        for name, place in layout.heads.items()
    }
    printed = [head.note for head in music.heads if head.printed]
    lost = [name for name in printed if name not in places]
    if len(lost) > (1 - MIN_PLACED) * len(printed):
        raise SfpipeError(f"{len(lost)} of its {len(printed)} printed notes have no head")
    return _Places(layouts, rasters, places, lost)


def _head_rows(music: _Reading, placed: _Places) -> list[tuple[Any, ...]]:
    rows = []
    for head in music.heads:
        name = head.note
        if not head.printed or name not in placed.places:
            continue
        system, x, y, hollow = placed.places[name]
        rows.append(
            (
                system,
                round(x, 3),
                round(y, 3),
                head.staff,
                head.midi_pitch,
                round(music.tempo.seconds(head.onset), 6),
                round(head.onset / TICKS, 6),
                int(head.tied),
                int(head.grace),
                int(hollow),
                name,
            )
        )
    return sorted(rows, key=lambda row: (row[6], row[0], row[1], row[10]))


def _system_rows(placed: _Places) -> list[tuple[Any, ...]]:
    rows, x = [], 0
    pairs = zip(placed.layouts, placed.rasters, strict=True)
    for number, (layout, raster) in enumerate(pairs, 1):
        rows.append(system_row(number, x, layout, raster))
        x += raster.image.shape[1]
    return rows


def _description(
    piece: Piece, params: EngraveParams, score: Score, music: _Reading, placed: _Places
) -> dict[str, Any]:
    struck = {(h.onset, h.midi_pitch) for h in music.heads if not h.tied}
    drawn = {
        (h.onset, h.midi_pitch)
        for h in music.heads
        if not h.tied and h.printed and h.note in placed.places
    }
    return {
        **describe(piece, params.piano.staff_space_px, music.tempo, marked=music.tempo_marked),
        "font": params.piano.font,
        "duration_s": round(music.tempo.seconds(max(s.end for s in music.sounds)), 6),
        "systems": len(placed.rasters),
        "staves": [score.staves],
        "heads": sum(h.printed for h in music.heads),
        "heads_placed": sum(h.printed for h in music.heads) - len(placed.lost),
        "heads_lost": placed.lost[:LISTED],
        "invisible_heads": sum(not h.printed for h in music.heads),
        "tied_heads": sum(h.tied for h in music.heads),
        "midi_notes": len(struck),
        "midi_notes_with_head": len(struck & drawn),
        "midi_onsets": len({onset for onset, _ in struck}),
        "n_onsets": len({onset for onset, _ in drawn}),
        "fingerprint": hash_score_inputs(piece, params),
    }
