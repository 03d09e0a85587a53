"""Audiveris as a reader, as in the paper: strip -> image file -> MusicXML -> notes (section 4.2).

Audiveris is a program of its own (https://github.com/Audiveris/audiveris), found on the PATH.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.omr.musicxml import read_musicxml
from sfpipe.omr.notes import OmrNote
from sfpipe.omr.staves import FAINTEST, LINES, Staves, find_staves

COMMANDS = ("Audiveris", "audiveris")
REMEDY = "install Audiveris (audiveris.github.io) or set baselines.omr.reader: builtin"
SPACE = 20.0  # px of staff space that Audiveris expects (300 dpi)
MOST_PX = 18e6  # it refuses images of more than 20 million pixels
MARGIN_SPACES = 4  # of paper around the strip, which else cuts through beams and ledger lines
TIMEOUT_S = 900


def find_audiveris() -> str:
    """The program's path.

    Raises
    ------
    SfpipeError
        If it is not on the PATH.
    """
    for name in COMMANDS:
        path = shutil.which(name)
        if path is not None:
            return path
    raise SfpipeError("Audiveris is not installed", remedy=REMEDY)


def audiveris_command(program: str, image: Path, folder: Path) -> list[str]:
    """Reads `image` without windows and writes its MusicXML into `folder`."""
    return [program, "-batch", "-export", "-output", str(folder), "--", str(image)]


def read_with_audiveris(strip: np.ndarray, program: str) -> list[OmrNote]:
    """The notes of a strip as Audiveris reads them, by onset and pitch; `y_px` is nan.

    Parameters
    ----------
    strip:
        uint8 [shape=(height, width)], paper 255.
    program:
        `find_audiveris`.

    Raises
    ------
    SfpipeError
        If Audiveris fails, finds no music, or writes what is no MusicXML.
    """
    import cv2

    staves = find_staves(strip)
    large, zoom, margin = enlarge(strip, staves[0].space)
    left, right = ((x + 0.5 + margin) * zoom - 0.5 for x in staff_extent(strip, staves))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = folder / "strip.png"
        cv2.imwrite(str(image), large)
        done = _run(audiveris_command(program, image, folder))
        # One file per movement (strip.mvt1.mxl, ...); with or without a folder of the book's name.
        files = sorted(p for end in ("mxl", "musicxml", "xml") for p in folder.rglob(f"*.{end}"))
        if not files:
            raise SfpipeError(
                f"Audiveris read nothing in the image ({_last_line(done.stdout + done.stderr)})"
            )
        notes = read_musicxml(files, (left, right))
    return [
        OmrNote(n.onset, n.duration, n.midi_pitch, (n.x_px + 0.5) / zoom - margin - 0.5)
        for n in notes
    ]


def enlarge(strip: np.ndarray, space: float) -> tuple[np.ndarray, float, int]:
    """The strip as Audiveris likes it: larger, with paper around it.

    Returns
    -------
    (np.ndarray, float, int)
        Image; its px per px of the strip; px of the strip that the paper on its left is wide.
    """
    import cv2

    margin = round(MARGIN_SPACES * space)
    around = cv2.copyMakeBorder(
        strip, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=255
    )
    zoom = min(SPACE / space, float(np.sqrt(MOST_PX / around.size)))
    size = (round(around.shape[1] * zoom), round(around.shape[0] * zoom))
    large = cv2.resize(around, size, interpolation=cv2.INTER_CUBIC)
    return large, size[0] / around.shape[1], margin


def staff_extent(strip: np.ndarray, staves: Sequence[Staves]) -> tuple[int, int]:
    """First and last column of a strip that its staff lines reach."""
    ends = []
    for part in (staves[0], staves[-1]):
        rows = [round(part.tops[0] + i * part.space) for i in range(LINES)]
        rows = [min(max(row, 0), len(strip) - 1) for row in rows]
        lines = 255 - strip[rows, part.left : part.right].astype(int)
        # Between two rows of pixels a line is fainter.
        there = np.flatnonzero((lines > 255 * FAINTEST).sum(axis=0) >= LINES - 1)
        ends.append(part.left + there if len(there) else np.array([part.left, part.right - 1]))
    return int(ends[0][0]), int(ends[1][-1])


def _run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise SfpipeError(f"Audiveris does not run ({error})", remedy=REMEDY) from None
    if done.returncode:
        what = _last_line(done.stderr or done.stdout)
        raise SfpipeError(f"Audiveris failed ({what})", remedy=REMEDY)
    return done


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1].strip()
