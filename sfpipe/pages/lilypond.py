"""LilyPond sources -> `PageSet`: the program, confined, sets the pages and says what is where."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import cv2
import numpy as np

from sfpipe.datasets.index import Piece
from sfpipe.engraving.lilypond.pages import read_page
from sfpipe.engraving.lilypond.piece import typeset
from sfpipe.engraving.lilypond.placement import DPI, PlacedSystem, Placement
from sfpipe.engraving.lilypond.program import require_walls
from sfpipe.engraving.lilypond.sound import PlayedHead, find_heads, join, read_sound
from sfpipe.engraving.lilypond.source import decode
from sfpipe.files import read_bytes
from sfpipe.pages.engraved import EngravedPage, EngravedSystem, join_pages, staves_to_read
from sfpipe.pages.limits import Limits
from sfpipe.pages.page_set import Page, PageSet
from sfpipe.pages.staff_lines import StaffCurve
from sfpipe.sandbox.jail import private_folder

LILYPOND_SUFFIXES = (".ly",)
CRISP = 3  # times the resolution of the strips
REMEDY = "check who may read it"
SAME_STAFF = 1.0  # staff spaces between the middles of what is one staff, stopped and begun again
MOST_INCLUDED = 50  # files beside a source
_INCLUDE = re.compile(r'\\include\s*"([^"]+)"')


def read_lilypond(path: Path, staves: int | None, limits: Limits) -> PageSet:
    """Set a LilyPond source, with what it includes from its folder; as `read_pages`."""
    require_walls(unconfined=False)
    piece = Piece("score", path.stem, "test", path.name, "", "", includes=_includes(path))
    pages: list[EngravedPage] = []
    with private_folder() as folder:
        made, scores = typeset(piece, path.parent, folder, dpi=CRISP * DPI, whole_pages=True)
        sounds = [read_sound(made / f"{name}.midi") for name, _ in scores]
        joined = join(sounds)
        for (name, score), sound, start in zip(scores, sounds, joined.starts, strict=True):
            heads = find_heads(score, sound)
            for number in sorted({system.page for system in score.systems}):
                grey = read_page(made, name, number)
                systems = [
                    _system(score, system, played, start)
                    for system, played in zip(score.systems, heads, strict=True)
                    if system.page == number and system.staves
                ]
                if systems:
                    systems.sort(key=lambda system: float(system.staves[0].top[0]))
                    pages.append(_page(grey, len(pages) + 1, systems))
    counts = [len(system.staves) for page in pages for system in page.systems]
    count = staves_to_read(counts, staves, braced=False, path=path)
    return join_pages(path, pages, joined.seconds, count, limits)


def _includes(path: Path) -> dict[str, str]:
    """Names of what a source includes, directly or through others, of the files of its folder."""
    found: dict[str, str] = {}
    todo = [path.name]
    while todo and len(found) < MOST_INCLUDED:
        text = decode(read_bytes(path.parent / todo.pop(), remedy=REMEDY))
        for name in map(posixpath.normpath, _INCLUDE.findall(text)):
            inside = not posixpath.isabs(name) and not name.startswith("..")
            if inside and name not in (path.name, *found) and (path.parent / name).is_file():
                found[name] = ""
                todo.append(name)
    return found


def _page(grey: np.ndarray, number: int, systems: list[EngravedSystem]) -> EngravedPage:
    height, width = grey.shape
    png = cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_COMPRESSION, 4])[1].tobytes()
    return EngravedPage(Page(width, height, number, png), grey, 1.0, systems)


def _system(
    score: Placement, system: PlacedSystem, played: list[PlayedHead], start: int
) -> EngravedSystem:
    scale = CRISP * score.scale
    left, top = system.x * scale - 0.5, (score.top_margin + system.y) * scale - 0.5
    x = left + scale * np.array(
        [min(s.left for s in system.staves), max(s.right for s in system.staves)]
    )
    curves: list[StaffCurve] = []
    for staff in sorted(system.staves, key=lambda staff: -staff.y):
        # The extents of a staff hold the thickness of its lines, too.
        middle = top - (staff.top + staff.bottom) / 2 * scale
        half = 2 * staff.space * scale
        if not curves or middle - half - curves[-1].top[0] > SAME_STAFF * staff.space * scale:
            curves.append(StaffCurve(x, np.full(2, middle - half), np.full(2, middle + half)))
    struck = [
        (
            start + item.tick,
            left + (item.head.left + item.head.right) / 2 * scale,
            top - item.head.y * scale,
        )
        for item in played
        if item.struck
    ]
    return EngravedSystem(curves, struck)
