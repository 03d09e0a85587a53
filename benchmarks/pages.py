"""Pages read from pictures beside what the engraver knows: systems, maps, seconds a page."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.table import Bench, Row
from sfpipe.errors import SfpipeError
from sfpipe.pages.read import read_pages
from tests.pages.degrade import KINDS, Photo, degrade
from tests.pages.music import musicxml
from tests.pages.printed import FONTS, Tally, verovio_pages

CLEAN = [("clean", dpi) for dpi in (150, 200, 300, 400)]
BARS = 24


def bench_pages(bench: Bench, root: Path) -> None:
    """Engraved pages in every font of Verovio, clean and degraded."""
    printed = [
        (font, page)
        for seed, font in enumerate(FONTS)
        for staves in (1, 2)
        for page in verovio_pages(musicxml(BARS, staves=staves, seed=seed), font)
    ]
    of_fonts = {font: Tally() for font in FONTS}
    for kind, dpi in [*CLEAN, *((kind, 200) for kind in KINDS)]:
        tally = Tally()
        seconds = []
        for seed, (font, page) in enumerate(printed):
            clean = Photo(page.image(dpi))
            rng = np.random.default_rng(seed)
            photo = clean if kind == "clean" else degrade(clean.image, kind, rng)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "page.png"
                cv2.imwrite(str(path), photo.image)
                started = time.process_time()
                try:
                    pages = read_pages(path)
                except SfpipeError:
                    pages = None
                seconds.append(time.process_time() - started)
            tally.add(page, pages, photo, dpi)
            if kind == "clean":
                of_fonts[font].add(page, pages, photo, dpi)
        _show(bench, f"pages, {kind}, {dpi} dpi", tally)
        bench.show(Row(f"pages, {kind}, {dpi} dpi: a page", "s", seconds))
    for font, tally in of_fonts.items():
        _show(bench, f"pages, clean, {font}", tally)


def _show(bench: Bench, name: str, tally: Tally) -> None:
    bench.show(Row(f"{name}: systems", "%", [100 * tally.systems]))
    bench.show(Row(f"{name}: heads within half a space", "%", [100 * tally.heads]))
