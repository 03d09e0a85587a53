"""Pictures of pages -> `PageSet`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.pages.beginning import first_note
from sfpipe.pages.grouping import group_staves, joining_lines
from sfpipe.pages.limits import Limits
from sfpipe.pages.page_set import Page, PageSet, strip_format
from sfpipe.pages.paper import skew_degrees, turning, whiten
from sfpipe.pages.sources import PageSource, Picture, draw_again
from sfpipe.pages.staff_lines import StaffCurve, find_staff_curves, staff_space
from sfpipe.pages.strip import Straightened, straighten

COARSEST = 5.0  # px of staff space: below, heads are blots
ENOUGH = 8.0  # px of staff space at which a page of a PDF need not be drawn again
LEVEL = 0.04  # degrees: a page that is turned less stays as it is
SHARPER = "scan it at 200 dpi or more, or take the photo from nearer"


@dataclass(frozen=True)
class ReadPage:
    """A page with white paper and level lines, and the staves of its systems."""

    number: int
    grey: np.ndarray
    from_source: np.ndarray | None
    clean: bool
    systems: list[list[StaffCurve]]


def read_pictures(path: Path, staves: int | None, limits: Limits) -> PageSet:
    """Read a PDF or a picture; as `sfpipe.pages.read.read_pages`."""
    source = PageSource(path, limits)
    pages, notes = [], []
    for picture in source:
        page = _read(source, picture)
        if page is None:
            notes.append(f"Page {picture.number} has no staves and was left out.")
        else:
            pages.append(page)
    if not pages:
        what = "no staff lines on its only page" if len(notes) == 1 else "no page has staff lines"
        remedy = "printed music is read, handwriting is not; " + SHARPER
        raise SfpipeError(what, file=path, remedy=remedy)
    count = staves or _usual_count(path, pages)
    return _joined(path, pages, count, notes, limits)


def _read(source: PageSource, picture: Picture) -> ReadPage | None:
    """Find the systems of a page; None: it has none."""
    grey, space = picture.grey, None
    for _ in range(2):
        level, matrix = _level(grey)
        space = staff_space(level)
        if space is None or space >= ENOUGH or not source.is_pdf:
            break
        factor = min(1.5 * ENOUGH / space, 4.0)
        grey = draw_again(source.path, picture.number, factor, source.limits)
    if space is None:
        return None
    if space < COARSEST:
        raise SfpipeError(
            f"the staff lines of page {picture.number} are {space:.1f} px apart, at least "
            f"{COARSEST:.0f} px are needed",
            file=source.path,
            remedy=SHARPER,
        )
    curves = find_staff_curves(level, space)
    if not curves:
        return None
    clean = matrix is None and level is grey
    if picture.scale != 1:
        shift = (picture.scale - 1) / 2  # pixels are counted by their centres
        smaller = np.diag([picture.scale, picture.scale, 1.0])
        smaller[:2, 2] = shift
        matrix = smaller if matrix is None else matrix @ smaller
    return ReadPage(picture.number, level, matrix, clean, group_staves(level, curves))


def _level(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """White paper and level lines; and the matrix that turned the picture, if it was."""
    white = whiten(grey)
    degrees = skew_degrees(white)
    if abs(degrees) < LEVEL:
        return white, None
    matrix, size = turning((grey.shape[1], grey.shape[0]), degrees)
    level = cv2.warpAffine(white, matrix[:2], size, flags=cv2.INTER_CUBIC, borderValue=255)
    return level, matrix


def _usual_count(path: Path, pages: list[ReadPage]) -> int:
    """How many staves of a system are read: all of one or two, else the braced lowest two.

    Raises
    ------
    SfpipeError
        If there are more, and it is not clear which ones are meant.
    """
    counts = Counter(len(system) for page in pages for system in page.systems)
    usual = max(counts, key=lambda n: (counts[n] * n, n))
    if usual <= 2:
        return usual
    if all(_braced(page.grey, s) for page in pages for s in page.systems if len(s) == usual):
        return 2
    raise SfpipeError(
        f"its systems have {usual} staves",
        file=path,
        remedy="say how many of the lowest are to be followed, e.g. --staves 1",
    )


def _braced(grey: np.ndarray, staves: list[StaffCurve]) -> bool:
    """Whether bar lines go through the gap of the lowest two staves and not the one above."""
    lines = [len(joining_lines(grey, a, b)) for a, b in zip(staves[-3:], staves[-2:], strict=False)]
    return lines[1] > lines[0] + 1


def _joined(
    path: Path, pages: list[ReadPage], count: int, notes: list[str], limits: Limits
) -> PageSet:
    _, height, space = strip_format(count)
    parts: list[Straightened] = []
    for index, page in enumerate(pages):
        chosen = [system[-count:] for system in page.systems]
        start = round(parts[-1].system.strip_end) if parts else 0
        parts += straighten(page.grey, index, chosen, (height, space), start)
        if parts[-1].system.strip_end > limits.strip_px:
            raise SfpipeError("is too long", file=path, remedy="read fewer pages at a time")
    return PageSet(
        pages=tuple(_shown(page) for page in pages),
        systems=tuple(part.system for part in parts),
        strip=np.hstack([part.image for part in parts]),
        staves_per_system=count,
        staff_space_px=space,
        start_px=first_note(parts[0].image, space),
        source=path.name,
        notes=tuple(notes),
    )


def _shown(page: ReadPage) -> Page:
    """For the eye: what was printed as PNG, what was photographed as JPEG."""
    height, width = page.grey.shape
    if page.clean:
        coded = cv2.imencode(".png", page.grey, [cv2.IMWRITE_PNG_COMPRESSION, 4])[1]
    else:
        coded = cv2.imencode(".jpg", page.grey, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return Page(width, height, page.number, coded.tobytes(), from_source=page.from_source)
