"""MSMD, page version (Zenodo 4745838): ``msmd_<split>/<piece>.npz`` and ``<piece>.wav``.

The npz holds ``sheets`` (page images), ``systems`` (x, y of the centre, w, h, page_nr) and
``coords`` (per note: note_x, note_y, onset in s, system_idx, page_nr), as dicts in object arrays.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.importers.msmd_pages import Box, Pages
from sfpipe.importers.plain_pickle import read_array, read_objects

RECORDING = "recording"
SPLITS = {"msmd_train": "train", "msmd_valid": "valid", "msmd_test": "test"}


def find_pieces(folder: Path) -> dict[str, Path]:
    """Piece -> npz file, of ``msmd_train``, ``msmd_valid``, ``msmd_test`` in `folder`."""
    files = [p for name in SPLITS for p in sorted((folder / name).glob("*.npz"))]
    return {p.stem: p for p in files}


def read_pages(path: Path) -> Pages:
    """Pages, systems and notes of one npz file.

    Raises
    ------
    SfpipeError
        If it is damaged or of another layout.
    """
    try:
        sheets = read_array(path, "sheets")
        systems = [_system(s) for s in read_objects(path, "systems")]
        notes = [dict(n) for n in read_objects(path, "coords")]
        place = np.array([int(n["system_idx"]) for n in notes], dtype=np.int64)
        x = np.array([float(n["note_x"]) for n in notes])
        middle = [(systems[i].top + systems[i].bottom) / 2 for i in place]
        y = np.array([float(n.get("note_y", m)) for n, m in zip(notes, middle, strict=True)])
        onset_s = np.array([float(n["onset"]) for n in notes])
    except Exception as error:
        # A damaged zip archive or pickle raises nearly anything.
        raise SfpipeError(
            f"is not a score of the page version ({type(error).__name__}: {error})",
            file=path,
            remedy="download it again",
        ) from None
    if sheets.dtype != np.uint8 or sheets.ndim != 3 or (len(place) and place.min() < 0):
        raise SfpipeError(
            f"expected sheets uint8 (pages, height, width), found {sheets.dtype} {sheets.shape}",
            file=path,
        )
    return Pages(list(sheets), systems, place, x, y, {RECORDING: onset_s})


def _system(one: dict) -> Box:
    x, y, w, h = (float(one[key]) for key in ("x", "y", "w", "h"))
    return Box(int(one["page_nr"]), x - w / 2, y - h / 2, x + w / 2, y + h / 2)
