"""Notation as pages: systems, onsets, and both maps from one drawing."""

import zipfile

import numpy as np
import pytest
import verovio

from sfpipe.errors import SfpipeError
from sfpipe.pages.read import read_pages
from tests.pages.music import ensemble, musicxml


@pytest.mark.parametrize("staves", [1, 2])
def test_musicxml(staves, tmp_path):
    """Four bars of eight eighths: 32 onsets, half a second apart at the default tempo or equal."""
    (tmp_path / "tune.musicxml").write_text(musicxml(4, staves=staves))
    pages = read_pages(tmp_path / "tune.musicxml")
    assert pages.staves_per_system == staves
    assert pages.strip.shape[0] == {1: 40, 2: 200}[staves]
    assert len(pages.onsets.seconds) == 32
    assert np.ptp(np.diff(pages.onsets.seconds)) < 1e-6
    assert (np.diff(pages.onsets.strip_x) > 0).all()
    assert pages.start_px == pages.onsets.strip_x[0]
    for x in pages.onsets.strip_x:
        page, page_x, top, bottom = pages.to_page(x)
        assert pages.to_strip(page, page_x, (top + bottom) / 2) == pytest.approx(x, abs=1e-6)
    if staves == 1:  # each onset is one head, and there is ink
        heads = zip(pages.onsets.strip_x, pages.onsets.strip_y, strict=True)
        inside = [(round(x), round(y)) for x, y in heads if 1 < y < 38]
        assert np.mean([pages.strip[y, x] < 128 for x, y in inside]) > 0.95


def test_repeats_say_where_playing_returns_to(tmp_path):
    """Bars 1 to 4, then 3 and 4 again: eight eighths a bar, so that bar 3 begins with onset 16."""
    document = musicxml(4)
    assert read_pages(_written(tmp_path, document)).return_px == ()
    third = document.index('<measure number="3"')
    begin = document.index(">", third) + 1
    end = document.rindex("</measure>")
    repeated = (
        document[:begin]
        + '<barline location="left"><repeat direction="forward"/></barline>'
        + document[begin:end]
        + '<barline location="right"><repeat direction="backward"/></barline>'
        + document[end:]
    )
    pages = read_pages(_written(tmp_path, repeated))
    assert pages.return_px == (pages.onsets.strip_x[16],)


def _written(folder, document):
    (folder / "repeats.musicxml").write_text(document)
    return folder / "repeats.musicxml"


def test_abc_and_mxl(tmp_path):
    (tmp_path / "tune.abc").write_text("X:1\nM:4/4\nL:1/4\nQ:1/4=60\nK:C\nCDEF|GABc|\n")
    pages = read_pages(tmp_path / "tune.abc")
    np.testing.assert_allclose(pages.onsets.seconds, np.arange(8.0), atol=1e-6)
    container = '<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>'
    with zipfile.ZipFile(tmp_path / "tune.mxl", "w") as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("a.xml", musicxml(4))
    assert len(read_pages(tmp_path / "tune.mxl").onsets.seconds) == 32


def test_mei_says_what_musicxml_says(tmp_path):
    """The same music in both formats; the MEI is what Verovio makes of it."""
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    assert toolkit.loadData(musicxml(8))
    (tmp_path / "tune.musicxml").write_text(musicxml(8))
    (tmp_path / "tune.mei").write_text(toolkit.getMEI())
    xml, mei = (read_pages(tmp_path / f"tune.{suffix}") for suffix in ("musicxml", "mei"))
    assert mei.staves_per_system == 2
    np.testing.assert_allclose(mei.onsets.quarters, np.arange(64) / 2)
    np.testing.assert_allclose(mei.onsets.strip_x, xml.onsets.strip_x, atol=1)


def test_of_a_song_the_piano_is_followed(tmp_path):
    (tmp_path / "song.musicxml").write_text(ensemble(8, (1, 2)))
    pages = read_pages(tmp_path / "song.musicxml")
    assert pages.staves_per_system == 2
    assert all(len(system.staves) == 2 for system in pages.systems)


def test_of_a_trio_somebody_must_choose(tmp_path):
    path = tmp_path / "trio.musicxml"
    path.write_text(ensemble(8, (1, 1, 1)))
    with pytest.raises(SfpipeError, match=r"trio\.musicxml: its systems have 3 staves .*--staves"):
        read_pages(path)
    assert read_pages(path, staves=1).staves_per_system == 1


def test_a_zip_bomb_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.mxl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.xml", bytes(400 << 20))
    with pytest.raises(SfpipeError, match=r"bomb\.mxl"):
        read_pages(tmp_path / "bomb.mxl")


def test_what_is_no_score(tmp_path):
    for name in ("a.musicxml", "a.mei", "a.abc", "a.mid"):
        (tmp_path / name).write_bytes(b"<html/>")
        with pytest.raises(SfpipeError, match=name):
            read_pages(tmp_path / name)
