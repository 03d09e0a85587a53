"""Pictures of printed pages: systems, strip and maps against what the engraver says."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.pages.page_set import PageSet
from sfpipe.pages.read import read_pages
from tests.pages.degrade import KINDS, Photo, degrade
from tests.pages.music import ensemble, musicxml
from tests.pages.printed import FONTS, PrintedPage, Tally, head_errors, lengths, verovio_pages


@pytest.fixture(scope="module")
def piano() -> PrintedPage:
    return verovio_pages(musicxml(24), "Leipzig")[0]


@pytest.fixture(scope="module")
def melody() -> PrintedPage:
    return verovio_pages(musicxml(24, staves=1), "Bravura")[0]


def read(path: Path, image: np.ndarray) -> PageSet:
    assert cv2.imwrite(str(path), image)
    return read_pages(path)


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
    np.testing.assert_allclose(lengths(pages, page), 1, atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_degraded_pages(kind, piano, tmp_path):
    photo = degrade(piano.image(200), kind, np.random.default_rng(KINDS.index(kind)))
    pages = read(tmp_path / "page.png", photo.image)
    assert len(pages.systems) == len(piano.systems)
    assert pages.staves_per_system == 2
    assert np.quantile(head_errors(pages, piano, photo, 200), 0.99) < 0.5


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("staves", [1, 2])
def test_music_begins_at_its_first_note(font, staves, tmp_path):
    """Four bars in common time: a bar of eighths begins at the leftmost head of the page."""
    page = verovio_pages(musicxml(4, staves=staves, seed=staves), font)[0]
    pages = read(tmp_path / "page.png", page.image(200))
    first = np.array(min(page.systems[0].heads)) * 200 / 25.4 - 0.5
    # The origin of a head's glyph is its left end.
    expected = pages.systems[0].strip_point(*first)[0] + 0.6 * pages.staff_space_px
    assert pages.start_px == pytest.approx(expected, abs=pages.staff_space_px)


def test_the_strip_is_as_the_engravers(piano, tmp_path):
    """White paper, black ink, lines level at 7 px."""
    strip = read(tmp_path / "page.png", piano.image(200)).strip
    assert np.median(strip) == 255 and strip.min() < 60
    dark = 255 - strip.mean(axis=1)
    rows = np.sort(np.argsort(dark)[-10:])
    np.testing.assert_array_equal(np.diff(rows)[[0, 1, 2, 3, 5, 6, 7, 8]], 7)


def test_of_a_printed_song_the_piano_is_followed(tmp_path):
    """Bar lines join the staves of the piano alone."""
    page = verovio_pages(ensemble(12, (1, 2)), "Leland")[0]
    pages = read(tmp_path / "song.png", page.image(200))
    assert len(pages.systems) == len(page.systems)
    assert pages.staves_per_system == 2
    system, true = pages.systems[0], page.systems[0]
    rows = [y for staff in true.staves[1:] for y in staff]
    assert [staff[line].mean() for staff in system.staves for line in (0, 4)] == pytest.approx(
        [y * 200 / 25.4 - 0.5 for y in rows], abs=1
    )


def test_of_a_printed_trio_somebody_must_choose(tmp_path):
    page = verovio_pages(ensemble(12, (1, 1, 1)), "Leipzig")[0]
    with pytest.raises(SfpipeError, match=r"trio\.png: its systems have 3 staves .*--staves"):
        read(tmp_path / "trio.png", page.image(200))
    assert read_pages(tmp_path / "trio.png", staves=1).staves_per_system == 1


@pytest.fixture(scope="module")
def book() -> list[PrintedPage]:
    return [
        page
        for seed, font in enumerate(FONTS)
        for staves in (1, 2)
        for page in verovio_pages(musicxml(24, staves=staves, seed=10 + seed), font)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("dpi", [150, 200, 300, 400])
def test_clean_pages_in_all_fonts(dpi, book, tmp_path):
    """Targets: 99.5 % of the systems, 99 % of the heads, 1.5 s a page."""
    tally, seconds = Tally(), 0.0
    for page in book:
        image = page.image(dpi)
        assert cv2.imwrite(str(tmp_path / "page.png"), image)
        started = time.process_time()
        pages = read_pages(tmp_path / "page.png")
        seconds += time.process_time() - started
        tally.add(page, pages, Photo(image), dpi)
    assert tally.systems == 1 and tally.heads >= 0.99
    assert seconds / len(book) < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_degraded_pages_in_all_fonts(kind, book, tmp_path):
    """Target: 98 % of the systems. A page that cannot be read counts as lost."""
    tally = Tally()
    for seed, page in enumerate(book):
        photo = degrade(page.image(200), kind, np.random.default_rng(100 + seed))
        try:
            pages = read(tmp_path / "page.png", photo.image)
        except SfpipeError:
            pages = None
        tally.add(page, pages, photo, 200)
    assert tally.systems >= 0.98
    assert tally.heads >= (0.9 if kind == "all" else 0.99)
