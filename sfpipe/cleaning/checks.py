"""What cannot be trusted to construction: checks of one engraved piece against itself.

Each check takes the piece and returns the reason for which it must be left out, or None; the
numbers behind the reason go into `Evidence.numbers`.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.engraving.files import (
    REMEDY,
    NoteHeads,
    System,
    is_piano,
    read_description,
    read_images,
    read_noteheads,
    read_systems,
)
from sfpipe.engraving.geometry import head_places, onsets_beyond, require_listed, strip_geometry
from sfpipe.errors import SfpipeError
from sfpipe.files import read_bytes
from sfpipe.params import CleanParams

DARK = 128  # grey value below which a pixel counts as ink
INK_SHARE = (0.01, 0.6)  # of the pixels between the outer staff lines
# Staff spaces: a melody that is taller has been misread; piano music can fill a page.
MELODY_HEIGHT_SPACES, PIANO_HEIGHT_SPACES = 60, 180
CERTAINLY_FILLED = 1.6  # quarters to the next onset: a dotted quarter; a half note is hollow
SAME_COLUMN_SPACES = 1.6  # heads of one onset lie at most so far apart (seconds in chords)
MS = 1e-3
MOST_MIDI = 1 << 20  # bytes of score.mid


@dataclass
class Evidence:
    """An engraved piece as read from the disk, and the numbers found about it.

    `height_px`: of the strip that `scores` will make of it; None: as the paper's.
    """

    folder: Path
    description: dict[str, Any]
    heads: NoteHeads
    systems: list[System]
    images: dict[int, np.ndarray]
    midi: list[tuple[float, int]]
    midi_length_s: float
    height_px: int | None = None
    numbers: dict[str, float | int] = field(default_factory=dict)

    @property
    def staff_space(self) -> float:
        """Pixels between two staff lines."""
        return float(self.description["staff_space_px"])


def read_evidence(folder: Path, height_px: int | None = None) -> Evidence:
    """Read everything that `engrave` wrote about one piece.

    Raises
    ------
    SfpipeError
        If a file is missing or damaged.
    """
    systems = read_systems(folder)
    images = read_images(folder, systems)
    midi, length = _read_midi(folder / "score.mid")
    heads = read_noteheads(folder)
    require_listed(heads, systems)
    return Evidence(
        folder=folder,
        description=read_description(folder),
        heads=heads,
        systems=systems,
        images={s.system: image for s, image in zip(systems, images, strict=True)},
        midi=midi,
        midi_length_s=length,
        height_px=height_px,
    )


def check_melody(evidence: Evidence, params: CleanParams) -> str | None:
    """The first reason for which a piece cannot be used, or None."""
    tests = (_order, _one_head, _midi_agrees, _length, _dark)
    return first_reason(tests, evidence, params)


def first_reason(
    tests: Iterable[Callable[[Evidence, CleanParams], str | None]],
    evidence: Evidence,
    params: CleanParams,
) -> str | None:
    """What the first test says that finds something, or None; those after it are not made.

    `tests` are made after those of limits, image and heads, and before that of the strip.
    """
    every = (onsets_in_limits, image_plausible, heads_inside, *tests, onsets_on_strip)
    return next((reason for test in every if (reason := test(evidence, params))), None)


def onsets_in_limits(e: Evidence, params: CleanParams) -> str | None:
    """Neither too few onsets nor too many."""
    n = len(e.heads.onsets())
    e.numbers["n_onsets"] = n
    if n < params.min_onsets:
        return f"{n} onsets, at least {params.min_onsets} are needed"
    if n > params.max_onsets:
        return f"{n} onsets, at most {params.max_onsets} are allowed"
    return None


def image_plausible(e: Evidence, params: CleanParams) -> str | None:
    """Images of the size that is listed, neither blank nor blotted, not too wide."""
    e.numbers["width_px"] = sum(image.shape[1] for image in e.images.values())
    if e.numbers["width_px"] > params.max_width_px:
        return f"the image is {e.numbers['width_px']} px wide, at most {params.max_width_px} px"
    for system in e.systems:
        image = e.images[system.system]
        if image.shape != (system.height_px, system.width_px):
            return f"{system.file} is {image.shape}, listed as {system.height_px, system.width_px}"
        limit = PIANO_HEIGHT_SPACES if is_piano(e.description) else MELODY_HEIGHT_SPACES
        if image.shape[0] > limit * e.staff_space:
            return f"{system.file} is {image.shape[0]} px high"
        staff = image[int(system.staff_top_px) : int(system.staff_bottom_px) + 1]
        ink = float(np.mean(1 - staff / 255.0)) if staff.size else 0.0
        e.numbers["ink_share"] = round(ink, 4)
        if not INK_SHARE[0] <= ink <= INK_SHARE[1]:
            return f"{system.file} is blank or blotted: {ink:.1%} ink on the staff"
    return None


def heads_inside(e: Evidence, params: CleanParams) -> str | None:
    """All note heads lie inside the image of their system."""
    outside = 0
    for number, image in e.images.items():
        own = e.heads.system == number
        height, width = image.shape
        x, y = e.heads.x_px[own], e.heads.y_px[own]
        outside += int(np.sum((x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)))
    e.numbers["heads_outside"] = outside
    return f"{outside} note heads lie outside the image" if outside else None


def onsets_on_strip(e: Evidence, params: CleanParams) -> str | None:
    """Few onsets lie above or below the strip, or `scores` could not unroll the piece."""
    height, window = strip_geometry(e.description, e.height_px)
    _, y = head_places(e.systems, e.heads, height, window=window)
    e.numbers["onsets_beyond"], reason = onsets_beyond(e.heads, y, height, window=window)
    return reason


def _order(e: Evidence, params: CleanParams) -> str | None:
    """Later onsets lie further to the right (or in a later system)."""
    offsets = {system.system: system.x_px for system in e.systems}
    x = e.heads.x_px + np.array([offsets[s] for s in e.heads.system])
    places = np.array([np.median(x[group]) for group in e.heads.onsets()])
    back = int(np.sum(np.diff(places) <= 0))
    e.numbers["positions_not_increasing"] = back
    return f"{back} onsets are not to the right of the onset before" if back else None


def _one_head(e: Evidence, params: CleanParams) -> str | None:
    """Each onset has one place: no pitch twice, all heads in one column of one system."""
    double = wide = 0
    for group in e.heads.onsets():
        double += len(group) - len(set(e.heads.midi_pitch[group].tolist()))
        spread = float(np.ptp(e.heads.x_px[group]))
        several = len(set(e.heads.system[group].tolist())) > 1
        wide += several or spread > SAME_COLUMN_SPACES * e.staff_space
    e.numbers["double_heads"], e.numbers["wide_onsets"] = double, wide
    if double:
        return f"{double} heads repeat a pitch of the same onset"
    return f"{wide} onsets have heads in different places" if wide else None


def _midi_agrees(e: Evidence, params: CleanParams) -> str | None:
    struck = ~e.heads.tied
    drawn = zip(e.heads.onset_s[struck], e.heads.midi_pitch[struck], strict=True)
    expected = sorted((int(pitch), float(time)) for time, pitch in drawn)
    played = sorted((pitch, time) for time, pitch in e.midi)
    e.numbers["midi_notes"] = len(played)
    if [p for p, _ in expected] != [p for p, _ in played]:
        differ = Counter(p for p, _ in expected)
        differ.subtract(p for p, _ in played)
        n = sum(abs(v) for v in differ.values())
        return f"image and MIDI differ in {n} notes ({len(expected)} drawn, {len(played)} played)"
    worst = max((abs(a - b) for (_, a), (_, b) in zip(expected, played, strict=True)), default=0.0)
    e.numbers["midi_onset_error_s"] = round(worst, 6)
    return f"image and MIDI differ by {worst:.3f} s at an onset" if worst > MS else None


def _length(e: Evidence, params: CleanParams) -> str | None:
    error = abs(e.midi_length_s - float(e.description["duration_s"]))
    e.numbers["duration_error_s"] = round(error, 4)
    if error > params.max_duration_error_s:
        return f"the MIDI is {error:.2f} s longer or shorter than the score"
    return None


def _dark(e: Evidence, params: CleanParams) -> str | None:
    """Ink where the heads should be.

    Certainly filled heads (the next onset follows soon) are dark at their very centre; half and
    whole notes are hollow, and have ink around it.
    """
    dark = filled = 0
    times = np.unique(e.heads.onset_quarter)
    gaps = np.append(np.diff(times), np.inf)[np.searchsorted(times, e.heads.onset_quarter)]
    for i in range(len(e.heads)):
        image = e.images[int(e.heads.system[i])]
        hollow = gaps[i] >= CERTAINLY_FILLED
        radius = 0.6 * e.staff_space if hollow else 0.0
        filled += not hollow
        dark += _darkest(image, e.heads.x_px[i], e.heads.y_px[i], radius) < DARK
    share = dark / max(len(e.heads), 1)
    e.numbers["dark_share"], e.numbers["filled_heads"] = round(share, 4), filled
    if share < params.min_dark_share:
        return f"only {share:.0%} of the note heads have ink under them"
    return None


def _darkest(image: np.ndarray, x: float, y: float, radius: float) -> float:
    """Interpolated grey value at (x, y), or the darkest pixel within `radius`."""
    height, width = image.shape
    if radius > 0:
        top, left = max(int(y - radius), 0), max(int(x - radius), 0)
        part = image[top : int(y + radius) + 2, left : int(x + radius) + 2]
        return float(part.min())
    x0, y0 = min(int(x), width - 2), min(int(y), height - 2)
    fx, fy = x - x0, y - y0
    patch = image[y0 : y0 + 2, x0 : x0 + 2].astype(float)
    return float(np.array([1 - fy, fy]) @ patch @ np.array([1 - fx, fx]))


def _read_midi(path: Path) -> tuple[list[tuple[float, int]], float]:
    """Note-ons (s, pitch) and the end of the last note in s."""
    import pretty_midi

    content = read_bytes(path, remedy=REMEDY, most=MOST_MIDI)
    try:
        midi = pretty_midi.PrettyMIDI(io.BytesIO(content))
    except Exception as error:  # mido raises anything from EOFError to KeyError
        raise SfpipeError(
            f"is not a readable MIDI file ({type(error).__name__}: {error})",
            file=path,
            remedy=REMEDY,
        ) from None
    notes = [note for instrument in midi.instruments for note in instrument.notes]
    if not notes:
        raise SfpipeError("holds no notes", file=path, remedy=REMEDY)
    return [(n.start, n.pitch) for n in notes], max(n.end for n in notes)
