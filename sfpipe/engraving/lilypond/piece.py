"""One source for LilyPond -> systems, note heads and MIDI in ``out/<piece>``."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import statistics
from pathlib import Path
from typing import Any

from sfpipe.datasets.index import Piece
from sfpipe.engraving.files import (
    CM_PER_PX,
    HEADS_WITH_KIND,
    SYSTEMS,
    spacing,
    write_image,
    write_rows,
)
from sfpipe.engraving.lilypond.musicxml import MUSICXML_FORMAT
from sfpipe.engraving.lilypond.pages import SystemImage, cut_system
from sfpipe.engraving.lilypond.placement import DPI, TICKS, Placement, read_placement
from sfpipe.engraving.lilypond.program import find_lilypond, require_walls
from sfpipe.engraving.lilypond.sound import (
    LILYPOND_TEMPO,
    JoinedSound,
    LilyPondSound,
    PlayedHead,
    find_heads,
    join,
    read_sound,
    write_joined,
)
from sfpipe.engraving.lilypond.source import prepare
from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.sandbox.jail import (
    Ended,
    plain_file,
    private_folder,
    run_confined,
    walls,
)

FORMAT = 1  # raise it when what this module writes changes, so that old pieces are made again
HOOK = Path(__file__).with_name("hook.ily")
WHOLE_PAGES = Path(__file__).with_name("whole-pages.ily")
SECONDS = 300  # of LilyPond for one piece; the slowest need a minute
HALF = 1  # duration log of a half note, the shortest with a hollow head


def hash_inputs(piece: Piece) -> str:
    """Hash of everything that determines an engraved piece; equal: nothing to do again."""
    inputs = [FORMAT, piece.sha256, piece.includes, piece.title, piece.split, piece.licence]
    inputs += [find_lilypond().version, hashlib.sha256(HOOK.read_bytes()).hexdigest()]
    if piece.engine:
        inputs += [piece.engine, MUSICXML_FORMAT]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def engrave_source(piece: Piece, raw: Path, out: Path, *, unconfined: bool = False) -> None:
    """Write the folder ``out/<piece>`` whole, or not at all.

    Parameters
    ----------
    unconfined:
        Also where the system cannot confine LilyPond.

    Raises
    ------
    SfpipeError
        If LilyPond is missing, cannot be confined, does not end, or makes no image, MIDI and note
        list.
    """
    require_walls(unconfined=unconfined)
    with private_folder() as folder:
        made, scores = typeset(piece, raw, folder)
        sounds = [read_sound(made / f"{name}.midi") for name, _ in scores]
        images = [
            [cut_system(made, name, score, system) for system in score.systems]
            for name, score in scores
        ]
    joined = join(sounds)
    played = [find_heads(s, sound) for (_, s), sound in zip(scores, sounds, strict=True)]
    systems = [image for of_score in images for image in of_score]
    rows = _head_rows(played, images, joined)
    if not any(row[7] == 0 for row in rows):
        raise SfpipeError("no printed note head is heard")
    about = _description(piece, [score for _, score in scores], sounds, joined, played, systems)
    with replacing(out / piece.id, marker="engraving.json") as target:
        target.mkdir()
        for number, system in enumerate(systems, 1):
            write_image(target / _file(number), system.image)
        write_joined(target / "score.mid", joined)
        write_rows(target / "noteheads.csv", HEADS_WITH_KIND, rows)
        write_rows(target / "systems.csv", SYSTEMS, _system_rows(systems))
        about |= spacing(rows, [system.image.shape[1] for system in systems])
        (target / "engraving.json").write_text(json.dumps(about, indent=2) + "\n", "utf-8")


def typeset(
    piece: Piece, raw: Path, folder: Path, *, dpi: int = DPI, whole_pages: bool = False
) -> tuple[Path, list[tuple[str, Placement]]]:
    """Run LilyPond on the piece in `folder`: where its output is, its scores by name.

    Parameters
    ----------
    whole_pages:
        Several systems on a page, with titles, as the program sets them by itself.

    Raises
    ------
    SfpipeError
        If LilyPond does not end, or makes no score.
    """
    program = find_lilypond()
    source = prepare(piece, raw, folder, program)
    settings = WHOLE_PAGES if whole_pages else HOOK
    for file in {HOOK, settings}:
        shutil.copy(file, folder / f"sfpipe-{file.name}")
    done = run_confined(
        [
            str(program.lilypond),
            "--loglevel=ERROR",
            "-dbackend=ps",
            "--png",
            f"-dresolution={dpi}",
            "-dno-point-and-click",
            f"-dinclude-settings={folder / f'sfpipe-{settings.name}'}",
            source.name,
        ],
        folder,
        readable=[program.prefix],
        seconds=SECONDS,
        inside=str(source.parent),
    )
    # LilyPond exits with 1 for the slightest error in a source and prints the score nevertheless.
    if done.timed_out:
        raise SfpipeError(f"LilyPond did not end within {SECONDS} s")
    if not plain_file(folder / source.parent / "score-00.json"):
        raise SfpipeError(f"LilyPond made no score ({_first_error(done)})")
    made = folder / source.parent
    names = sorted(p.stem for p in made.glob("score-*.json") if plain_file(p))
    scores = [(name, read_placement(made / f"{name}.json")) for name in names]
    return made, [(name, score) for name, score in scores if score.systems]


def _first_error(ended: Ended) -> str:
    if ended.signal:
        return f"it was ended by signal {ended.signal}"
    lines = [line.strip() for line in ended.log.split("\n")]
    error = next((line for line in lines if re.search(r"error|limit", line)), None)
    return (error or next(filter(None, lines), "it said nothing"))[:200]


def _file(number: int) -> str:
    return f"system-{number:03}.png"


def _head_rows(
    played: list[list[list[PlayedHead]]], images: list[list[SystemImage]], joined: JoinedSound
) -> list[tuple[Any, ...]]:
    """Rows of ``noteheads.csv``; a head at which nothing is struck counts as tied."""
    rows = []
    number = 0
    for start, of_score, cut in zip(joined.starts, played, images, strict=True):
        for heads, system in zip(of_score, cut, strict=True):
            number += 1
            for item in heads:
                x, y = system.centre(item.head)
                tick = start + item.tick
                rows.append(
                    (
                        number,
                        round(x, 3),
                        round(y, 3),
                        system.staff_of(item.head),
                        item.head.midi_pitch,
                        round(joined.seconds(tick), 6),
                        round(tick / TICKS, 6),
                        int(not item.struck),
                        int(item.head.moment.grace != 0),
                        int(item.head.log <= HALF),
                    )
                )
    return sorted(rows, key=lambda row: (row[6], row[0], row[1]))


def _system_rows(systems: list[SystemImage]) -> list[tuple[Any, ...]]:
    rows, x = [], 0
    for number, system in enumerate(systems, 1):
        height, width = system.image.shape
        top, bottom = round(system.staff_top, 3), round(system.staff_bottom, 3)
        rows.append((number, _file(number), x, width, height, top, bottom))
        x += width
    return rows


def _description(
    piece: Piece,
    scores: list[Placement],
    sounds: list[LilyPondSound],
    joined: JoinedSound,
    played: list[list[list[PlayedHead]]],
    systems: list[SystemImage],
) -> dict[str, Any]:
    heads = [h for score in scores for system in score.systems for h in system.heads]
    visible = [item for of_score in played for system in of_score for item in system]
    printed_notes = [
        {(i.tick, i.head.midi_pitch) for system in of_score for i in system if i.struck}
        for of_score in played
    ]
    struck_notes = [sound.struck() for sound in sounds]
    end = max(
        start + h.moment.ticks_after(score.start) + int(h.length * 4 * TICKS)
        for start, score in zip(joined.starts, scores, strict=True)
        for system in score.systems
        for h in system.heads
    )
    tempi = [tempo for _, tempo in joined.changes] or [LILYPOND_TEMPO]
    return {
        "piece": piece.id,
        "title": piece.title,
        "split": piece.split,
        "licence": piece.licence,
        "engine": "lilypond",
        "version": find_lilypond().version,
        "jail": list(walls()),
        "staff_space_px": round(statistics.median(s.staff_space for s in systems), 4),
        "px_per_cm": round(1 / CM_PER_PX, 6),
        "tempo": {
            "quarters_per_minute": round(60e6 / tempi[0], 3),
            "marked": tempi != [LILYPOND_TEMPO] * len(tempi),
            "changes": len(joined.changes) - len(scores),
        },
        "duration_s": round(joined.seconds(end), 6),
        "scores": len(scores),
        "systems": len(systems),
        "staves": sorted({len(system.staves) for system in systems}),
        "heads": len(heads),
        "invisible_heads": len(heads) - len(visible),
        "tied_heads": sum(i.head.tied for i in visible),
        "unheard_heads": sum(not i.struck and not i.head.tied for i in visible),
        "midi_notes": sum(map(len, struck_notes)),
        "midi_notes_with_head": sum(
            len(a & b) for a, b in zip(struck_notes, printed_notes, strict=True)
        ),
        "midi_onsets": sum(len({t for t, _ in notes}) for notes in struck_notes),
        "n_onsets": sum(len({t for t, _ in notes}) for notes in printed_notes),
        "fingerprint": hash_inputs(piece),
    }
