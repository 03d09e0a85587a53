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
from tests.pages.degrade import KINDS, degrade
from tests.pages.music import musicxml
from tests.pages.printed import FONTS, head_errors, verovio_pages

CLEAN = [("clean", dpi) for dpi in (150, 200, 300, 400)]
BARS = 24


def bench_pages(bench: Bench, root: Path) -> None:
    """Engraved pages in every font of Verovio, clean and degraded."""
    printed = [
        page
        for seed, font in enumerate(FONTS)
        for staves in (1, 2)
        for page in verovio_pages(musicxml(BARS, staves=staves, seed=seed), font)
    ]
    for kind, dpi in [*CLEAN, *((kind, 200) for kind in KINDS)]:
        there = found = 0
        near: list[bool] = []
        seconds = []
        for seed, page in enumerate(printed):
            image = page.image(dpi)
            photo = degrade(image, kind, np.random.default_rng(seed))
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "page.png"
                cv2.imwrite(str(path), photo.image)
                started = time.perf_counter()
                try:
                    pages = read_pages(path)
                except SfpipeError:
                    pages = None
                seconds.append(time.perf_counter() - started)
            there += len(page.systems)
            if pages is not None and len(pages.systems) == len(page.systems):
                found += len(page.systems)
                near += (head_errors(pages, page, photo, dpi) < 0.5).tolist()
        name = f"pages, {kind}, {dpi} dpi"
        bench.show(Row(f"{name}: systems", "%", [100 * found / there]))
        bench.show(Row(f"{name}: heads within half a space", "%", [100 * float(np.mean(near))]))
        bench.show(Row(f"{name}: a page", "s", seconds))
