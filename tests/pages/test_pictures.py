"""Pictures of printed pages: systems, strip and maps against what the engraver says."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sfpipe.pages.page_set import PageSet
from sfpipe.pages.read import read_pages
from tests.pages.degrade import KINDS, Photo, degrade
from tests.pages.music import musicxml
from tests.pages.printed import PrintedPage, verovio_pages


@pytest.fixture(scope="module")
def piano() -> PrintedPage:
    return verovio_pages(musicxml(24), "Leipzig")[0]


@pytest.fixture(scope="module")
def melody() -> PrintedPage:
    return verovio_pages(musicxml(24, staves=1), "Bravura")[0]


def read(path: Path, image: np.ndarray) -> PageSet:
    assert cv2.imwrite(str(path), image)
    return read_pages(path)


def head_errors(pages: PageSet, page: PrintedPage, photo: Photo, dpi: float) -> np.ndarray:
    """Distances in staff spaces between where heads are in the strip and where they should be."""
    errors = []
    for system, true in zip(pages.systems, page.systems, strict=True):
        points = photo.points(np.array(true.heads) * dpi / 25.4 - 0.5)
        moved = pages.pages[system.page].from_source
        if moved is not None:
            points = cv2.perspectiveTransform(points[None], moved)[0]
        strip = np.array([system.strip_point(x, y) for x, y in points])
        space = pages.staff_space_px
        want_x = system.strip_start + (np.array(true.heads)[:, 0] - true.left) / true.space * space
        middle = (true.staves[0][0] + true.staves[-1][1]) / 2
        rows = (np.array(true.heads)[:, 1] - middle) / true.space * space
        errors.append(np.hypot(strip[:, 0] - want_x, 0 * rows) / space)
    return np.concatenate(errors)


@pytest.mark.parametrize("dpi", [150, 200, 300])
@pytest.mark.parametrize("kind", ["piano", "melody"])
def test_all_systems_of_a_clean_page(kind, dpi, request, tmp_path):
    page = request.getfixturevalue(kind)
    pages = read(tmp_path / "page.png", page.image(dpi))
    assert len(pages.systems) == len(page.systems)
    assert pages.staves_per_system == len(page.systems[0].staves)
    assert pages.strip.shape[0] == {"piano": 200, "melody": 40}[kind]
    photo = Photo(page.image(dpi))
    assert np.quantile(head_errors(pages, page, photo, dpi), 0.99) < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_degraded_pages(kind, piano, tmp_path):
    photo = degrade(piano.image(200), kind, np.random.default_rng(KINDS.index(kind)))
    pages = read(tmp_path / "page.png", photo.image)
    assert len(pages.systems) == len(piano.systems)
    assert pages.staves_per_system == 2


def test_the_strip_is_as_the_engravers(piano, tmp_path):
    """White paper, black ink, lines level at 7 px."""
    strip = read(tmp_path / "page.png", piano.image(200)).strip
    assert np.median(strip) == 255 and strip.min() < 60
    dark = 255 - strip.mean(axis=1)
    rows = np.sort(np.argsort(dark)[-10:])
    np.testing.assert_array_equal(np.diff(rows)[[0, 1, 2, 3, 5, 6, 7, 8]], 7)
