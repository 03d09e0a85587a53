"""Files of an engraved piece, written and read: note heads, systems, image, description.

Whoever reads an engraved piece imports this module, and no engraver with it.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, with_config
from typing_extensions import NotRequired, TypedDict

from sfpipe.errors import SfpipeError
from sfpipe.files import plain_name, read_bytes, read_json, read_rows
from sfpipe.parallel import Name

REMEDY = "run: sfpipe engrave"
LARGEST = 1e9  # of any number in a table
Length = Annotated[float, Field(gt=0, lt=LARGEST)]
Count = Annotated[int, Field(ge=0, lt=LARGEST)]
MOST_PIXELS = 1 << 28  # of an image, and of those of a piece
PNG = b"\x89PNG"
MOST_PNG = 64 << 20  # bytes
CM_PER_PX = 0.035277778  # 72 px per inch, as the 2019 reference converts (section 5)
NOTEHEADS = (
    "system",
    "x_px",
    "y_px",
    "staff",
    "midi_pitch",
    "onset_s",
    "onset_quarter",
    "tied",
    "grace",
)
HEADS_WITH_KIND = (*NOTEHEADS, "hollow")
NAMED_HEADS = (*HEADS_WITH_KIND, "id")
SYSTEMS = ("system", "file", "x_px", "width_px", "height_px", "staff_top_px", "staff_bottom_px")


@dataclass(frozen=True)
class NoteHeads:
    """The columns of ``noteheads.csv``, one entry per printed head, in order of sounding.

    `system`, `staff`, `midi_pitch` int64; `x_px`, `y_px`, `onset_s`, `onset_quarter` float64;
    `tied`, `grace`, `hollow` bool; all [shape=(n_heads,)]. Positions are in the image of the head's
    system. `hollow` (half and whole notes) and `id` (of the file's note, str) are None where the
    engraver does not tell.
    """

    system: np.ndarray
    x_px: np.ndarray
    y_px: np.ndarray
    staff: np.ndarray
    midi_pitch: np.ndarray
    onset_s: np.ndarray
    onset_quarter: np.ndarray
    tied: np.ndarray
    grace: np.ndarray
    hollow: np.ndarray | None = None
    id: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x_px)

    def onsets(self) -> list[np.ndarray]:
        """Indices of the struck heads of each onset (equal ``onset_s``), in time order."""
        struck = np.flatnonzero(~self.tied)
        struck = struck[np.argsort(self.onset_s[struck], kind="stable")]
        starts = np.flatnonzero(np.diff(self.onset_s[struck])) + 1
        return np.split(struck, starts) if len(struck) else []


@dataclass(frozen=True)
class System:
    """One row of ``systems.csv``; `x_px` is the system's place in the strip."""

    system: int
    file: str
    x_px: float
    width_px: int
    height_px: int
    staff_top_px: float
    staff_bottom_px: float


def write_rows(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file with a header line."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image, uint8 [shape=(height, width)].

    Raises
    ------
    SfpipeError
        If it cannot be written.
    """
    import cv2

    if not cv2.imwrite(str(path), image):
        raise SfpipeError("cannot be written", file=path, remedy="check the disk's free space")


def spacing(rows: Sequence[Sequence[Any]], widths: Sequence[int]) -> dict[str, float | None]:
    """How densely a piece is printed: px from onset to onset, per quarter and per second.

    Parameters
    ----------
    rows:
        Of ``noteheads.csv``, in order of sounding.
    widths:
        Of the systems in px.
    """
    lefts = [0, *accumulate(widths)]
    struck = [row for row in rows if not row[7]]
    xs = [lefts[row[0] - 1] + row[1] for row in struck]
    quarters = struck[-1][6] - struck[0][6]
    seconds = struck[-1][5] - struck[0][5]
    places = sorted({row[6]: x for row, x in zip(struck, xs, strict=True)}.values())
    steps = [b - a for a, b in pairwise(places)]
    span = max(xs) - min(xs)
    return {
        "px_per_quarter": round(span / quarters, 3) if quarters else None,
        "px_per_s": round(span / seconds, 3) if seconds else None,
        "median_step_px": round(statistics.median(steps), 3) if steps else None,
    }


def is_piano(description: Mapping[str, Any]) -> bool:
    """Whether a piece is drawn as piano music: by LilyPond, or with its staves listed."""
    return description.get("engine") == "lilypond" or "staves" in description


def read_noteheads(folder: Path) -> NoteHeads:
    """Read ``folder/noteheads.csv``.

    Raises
    ------
    SfpipeError
        If the file is missing, has other columns, or holds something that is not a number.
    """
    layouts = (NOTEHEADS, HEADS_WITH_KIND, NAMED_HEADS)
    rows = _rows(folder / "noteheads.csv", *layouts, text=("id",))
    names = [name for name in rows[0] if name != "id"] if rows else NOTEHEADS
    values = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    if not (np.abs(values) < LARGEST).all():
        raise SfpipeError(
            "is damaged (a number is none or too large)",
            file=folder / "noteheads.csv",
            remedy=REMEDY,
        )
    columns: dict[str, Any] = {
        name: values[:, i] if rows else np.zeros(0) for i, name in enumerate(names)
    }
    for name in ("system", "staff", "midi_pitch"):
        columns[name] = columns[name].astype(np.int64)
    for name in {"tied", "grace", "hollow"} & set(columns):
        columns[name] = columns[name] > 0
    if rows and "id" in rows[0]:
        columns["id"] = np.array([row["id"] for row in rows])
    return NoteHeads(**columns)


def read_systems(folder: Path) -> list[System]:
    """Read ``folder/systems.csv``; errors as `read_noteheads`."""
    path = folder / "systems.csv"
    systems = []
    try:
        for row in _rows(path, SYSTEMS, text=("file",)):
            whole = {name: int(row[name]) for name in ("system", "width_px", "height_px")}
            systems.append(System(**{**row, **whole, "file": plain_name(row["file"])}))
    except (ValueError, OverflowError) as error:
        raise SfpipeError(f"is damaged ({error})", file=path, remedy=REMEDY) from None
    if not systems:
        raise SfpipeError("lists no systems", file=path, remedy=REMEDY)
    return systems


@with_config(ConfigDict(extra="allow"))
class Description(TypedDict):
    """Content of ``engraving.json``, as far as other stages read it."""

    piece: Name
    split: str
    title: str
    engine: str
    staff_space_px: Length
    px_per_cm: Length
    duration_s: Length
    staves: NotRequired[Annotated[list[Count], Field(min_length=1)]]
    heads: NotRequired[Count]
    heads_placed: NotRequired[Count]
    n_onsets: NotRequired[Count]
    tools: NotRequired[dict[str, str]]


def read_description(folder: Path) -> dict[str, Any]:
    """Read ``folder/engraving.json``.

    Raises
    ------
    SfpipeError
        If the file is missing, or says not all that is said of a piece of its kind.
    """
    path = folder / "engraving.json"
    about = dict(read_json(path, remedy=REMEDY, schema=Description))
    needed = {"staves"} if is_piano(about) else set()
    needed |= {"heads", "n_onsets"} if "heads_placed" in about else set()
    if absent := sorted(needed - about.keys()):
        raise SfpipeError(f"does not say its {absent[0]}", file=path, remedy=REMEDY)
    return about


def read_image(path: Path, remedy: str = REMEDY) -> np.ndarray:
    """An 8-bit grey PNG image, uint8 [shape=(height, width)].

    Raises
    ------
    SfpipeError
        If the file is missing, no image or too large.
    """
    import cv2

    content = read_bytes(path, remedy=remedy, most=MOST_PNG)
    width, height = (int.from_bytes(content[i : i + 4], "big") for i in (16, 20))
    is_png = content[:4] == PNG
    if is_png and width * height > MOST_PIXELS:
        raise SfpipeError(f"has {width:,} x {height:,} px", file=path, remedy=remedy)
    try:
        values = np.frombuffer(content, np.uint8)
        image = cv2.imdecode(values, cv2.IMREAD_GRAYSCALE) if is_png else None
    except cv2.error:
        image = None
    if image is None:
        raise SfpipeError("is not a readable PNG image", file=path, remedy=remedy)
    return image


def read_images(folder: Path, systems: Sequence[System]) -> list[np.ndarray]:
    """The systems' images, as `read_image`.

    Raises
    ------
    SfpipeError
        If one cannot be read, or they are too large together.
    """
    images, pixels = [], 0
    for system in systems:
        images.append(read_image(folder / system.file))
        pixels += images[-1].size
        if pixels > MOST_PIXELS:
            what = f"lists images of more than {MOST_PIXELS >> 20} million px"
            raise SfpipeError(what, file=folder / "systems.csv", remedy=REMEDY)
    return images


def _rows(
    path: Path, *layouts: tuple[str, ...], text: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """The rows of a CSV file whose columns are those of one of the `layouts`."""
    with read_rows(path, remedy=REMEDY) as reader:
        if tuple(reader.fieldnames or ()) not in layouts:
            raise SfpipeError(
                f"has the columns {reader.fieldnames}, expected {list(layouts[0])}",
                file=path,
                remedy=REMEDY,
            )
        return [{k: v if k in text else float(v) for k, v in row.items()} for row in reader]
    raise AssertionError  # for mypy: the block returns or raises
