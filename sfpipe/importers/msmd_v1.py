"""MSMD v1.1 (Zenodo 2597505): one folder per piece with page images, notation graph and MIDI.

``<piece>/scores/<piece>_ly/img/NN.png`` are the pages and ``mung/NN.xml`` what is on them: note
heads with their boxes and, per performance, the second at which each is played (by the
authors' automatic alignment), and the systems ('staff') they belong to.
``<piece>/performances/<piece>_tempo-<thousandths>_<synthesiser>/`` holds the performance's MIDI;
its audio is not distributed, and the spectrograms there have other bins than the paper's.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from sfpipe.engraving.files import read_image
from sfpipe.errors import SfpipeError
from sfpipe.files import read_bytes
from sfpipe.importers.msmd_pages import Box, Pages

MOST_BYTES = 64 << 20  # of a notation graph
_TEMPO = re.compile(r"_tempo-(\d+)(?:_|$)")


def find_pieces(folder: Path) -> list[str]:
    """Names of the piece folders in `folder`."""
    return sorted({p.parents[1].name for p in folder.glob("*/scores/*") if p.is_dir()})


def performances(piece: Path) -> dict[int, Path]:
    """Tempo in thousandths -> MIDI file; of one tempo's synthesisers, which play the same, one."""
    midis: dict[int, Path] = {}
    for folder in sorted((piece / "performances").glob("*")):
        tempo = _TEMPO.search(folder.name)
        midi = [p for suffix in (".mid", ".midi") for p in folder.glob(f"*{suffix}")]
        if tempo and midi:
            midis.setdefault(int(tempo[1]), sorted(midi)[0])
    return midis


def read_pages(piece: Path, names: list[str]) -> Pages:
    """Pages, systems and heads of a piece folder.

    Parameters
    ----------
    names:
        Performances whose alignment is asked for: their folders' names.

    Raises
    ------
    SfpipeError
        If an image or a notation graph is missing or damaged.
    """
    score = _score(piece)
    images: list[np.ndarray] = []
    systems: list[Box] = []
    boxes: list[tuple[int, Box, dict[str, str]]] = []
    for page, file in enumerate(sorted((score / "mung").glob("*.xml"))):
        images.append(_image(score / "img" / f"{file.stem}.png"))
        objects = _objects(file)
        staffs = {k: _box(o, page, file) for k, o in objects.items() if _name(o) == "staff"}
        order = sorted(staffs, key=lambda k: staffs[k].top)
        place = {k: len(systems) + i for i, k in enumerate(order)}
        systems += [staffs[k] for k in order]
        for one in objects.values():
            links = (one.findtext("Outlinks") or "").split()
            mine = [place[int(n)] for n in links if n.isdecimal() and int(n) in place]
            if mine and _name(one).startswith("notehead"):
                boxes.append((mine[0], _box(one, page, file), _data(one)))
    if not boxes:
        raise SfpipeError("no notation graph with note heads", file=score / "mung")
    onset_s = {
        name: np.array([_second(data, f"{name}_onset_seconds") for _, _, data in boxes])
        for name in names
    }
    return Pages(
        images,
        systems,
        np.array([system for system, _, _ in boxes], dtype=np.int64),
        np.array([(box.left + box.right) / 2 for _, box, _ in boxes]),
        np.array([(box.top + box.bottom) / 2 for _, box, _ in boxes]),
        onset_s,
    )


def _score(piece: Path) -> Path:
    folders = sorted(p for p in (piece / "scores").glob("*") if p.is_dir())
    if not folders:
        raise SfpipeError("no score", file=piece / "scores", remedy="unpack the archive again")
    return folders[0]


def _image(path: Path) -> np.ndarray:
    return read_image(path, "unpack the archive again")


def _objects(path: Path) -> dict[int, ElementTree.Element]:
    content = read_bytes(path, remedy="unpack the archive again", most=MOST_BYTES)
    try:
        root = ElementTree.fromstring(content)
        return {int(o.findtext("Id", "")): o for o in root.iter("CropObject")}
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # an unknown encoding
        raise SfpipeError(f"is not a notation graph ({error})", file=path) from None


def _name(one: ElementTree.Element) -> str:
    # MSMD's own name of the element; later versions of the format call it otherwise.
    return one.findtext("ClassName") or one.findtext("MLClassName") or ""


def _box(one: ElementTree.Element, page: int, file: Path) -> Box:
    try:
        left, top, width, height = (
            float(one.findtext(key, "")) for key in ("Left", "Top", "Width", "Height")
        )
    except ValueError:
        raise SfpipeError("an object has no box", file=file) from None
    return Box(page, left, top, left + width, top + height)


def _data(one: ElementTree.Element) -> dict[str, str]:
    return {str(item.get("key")): item.text or "" for item in one.iter("DataItem")}


def _second(data: dict[str, str], key: str) -> float:
    """When a head is played, s; NaN if it is not, or is tied to the one before."""
    try:
        tied = int(data.get("tied", "0"))
        return float(data[key]) if not tied else float("nan")
    except (KeyError, ValueError):
        return float("nan")
