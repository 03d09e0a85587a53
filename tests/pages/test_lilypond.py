"""LilyPond sources as pages: what the program sets, with the places that it tells."""

import numpy as np
import pytest

from sfpipe.engraving.lilypond.program import find_lilypond
from sfpipe.errors import SfpipeError
from sfpipe.pages.read import read_pages
from sfpipe.sandbox.jail import can_confine


@pytest.fixture(autouse=True)
def lilypond():
    try:
        find_lilypond()
    except SfpipeError as error:
        pytest.skip(str(error))
    if not can_confine():
        pytest.skip("nothing here confines programs")


MUSIC = r"""\version "2.24.0"
\include "notes.ily"
\header { title = "Study" }
\score {
  \new PianoStaff << \new Staff \upper \new Staff { \clef bass \lower } >>
  \layout {} \midi { \tempo 4 = 120 }
}
"""
NOTES = r"""upper = { \repeat unfold 16 { c''8 d'' e'' f'' g'' f'' e'' d'' } }
lower = { \repeat unfold 16 { c4 g c g } }
"""


def test_pages_with_their_title(tmp_path):
    """Sixteen bars of eight eighths at 120 quarters a minute: 128 onsets, 0.25 s apart."""
    (tmp_path / "study.ly").write_text(MUSIC)
    (tmp_path / "notes.ily").write_text(NOTES)
    pages = read_pages(tmp_path / "study.ly")
    assert len(pages.pages) == 1 and len(pages.systems) > 2
    assert pages.staves_per_system == 2 and pages.source == "study.ly"
    np.testing.assert_allclose(pages.onsets.seconds, np.arange(128) / 4, atol=1e-6)
    assert pages.start_px == pages.onsets.strip_x[0]
    ends = {system.strip_end for system in pages.systems}
    steps = np.diff(pages.onsets.strip_x)
    assert (steps > 7).all() and len(ends) == len(pages.systems)


def test_heads_are_where_they_are_said_to_be(tmp_path):
    (tmp_path / "tune.ly").write_text(r"{ \repeat unfold 12 { c''4 d'' e'' f'' } }")
    pages = read_pages(tmp_path / "tune.ly")
    assert pages.staves_per_system == 1
    for x, y in zip(pages.onsets.strip_x, pages.onsets.strip_y, strict=True):
        assert pages.strip[round(y), round(x)] < 100


def test_what_is_no_music(tmp_path):
    for name, source in (
        ("a.ly", r"\score { { c4 d \layout {} }"),
        ("b.ly", "#(exit 3)"),
        ("c.ly", r"\markup { words }"),
        ("d.ly", '\\include "../outside.ily"\n\\score { \\outside }'),
    ):
        (tmp_path / name).write_text(source)
        with pytest.raises(SfpipeError) as caught:
            read_pages(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value)
