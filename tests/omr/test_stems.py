"""Stems of drawn heads, and what a signature within a line must look like."""

import numpy as np
import pytest

from sfpipe.omr.band import HEIGHT, SPACE, Band, row_of
from sfpipe.omr.matching import GlyphMatch
from sfpipe.omr.pitch import clef_of
from sfpipe.omr.reader import OmrStaff, _in_all, _key_after
from sfpipe.omr.stems import Stem, count_beams, find_stem

LOW, HIGH = (GlyphMatch("head_black", 30.0, p, 0.9, 10.0) for p in (2, 4))


@pytest.fixture
def ink():
    """Two heads one above the other, a stem up from the upper, and one down from the lower."""
    ink = np.zeros((HEIGHT, 80), np.float32)
    low, high = round(row_of(2)), round(row_of(4))
    ink[high - 4 : low + 5, 25:36] = 1
    ink[high - 4 * SPACE : high, 33:36] = 1
    ink[low : low + 4 * SPACE, 25:28] = 1
    return ink


def test_two_voices_have_their_own_stems(ink):
    stems = [find_stem(ink, head, (LOW, HIGH)) for head in (LOW, HIGH)]
    assert [s.up for s in stems if s] == [False, True]
    assert [round(s.length) for s in stems if s] == [4, 4]


def test_a_chord_has_one_stem(ink):
    ink[round(row_of(2)) + 5 :] = 0  # no stem downwards
    assert [s.up for h in (LOW, HIGH) if (s := find_stem(ink, h, (LOW, HIGH)))] == [True, True]


def test_a_stem_that_a_staccato_dot_lengthens_has_its_beam():
    dark = np.zeros((HEIGHT, 80), np.float32)
    tip, beam = 40, 52  # 1.5 staff spaces below
    dark[beam : beam + 4, 20:34] = 1
    assert count_beams(Band(dark, 0, 0, 1), Stem(33.0, tip, True, 5.0)) == (1, 0)


def test_a_key_signature_follows_a_clef_but_not_a_change_of_clef():
    flats = [GlyphMatch("flat", x, p, 0.8, 7.0) for x, p in ((39.0, 4), (47.0, 7))]
    clef = GlyphMatch("clef_g", 17.0, 2, 0.9, 20.0)
    assert _key_after(clef, flats) == flats
    assert _key_after(GlyphMatch("clef_g_change", 17.0, 2, 0.9, 20.0), flats) == []
    assert clef_of(clef).base == 30


def test_a_signature_in_one_of_two_staves_is_none():
    band = Band(np.zeros((HEIGHT, 9), np.float32), 0, 0, 1)
    staffs = [OmrStaff(band, band.dark, [], "emmentaler") for _ in range(2)]
    staffs[0].meters, staffs[1].meters = [(400.0, 3.0), (900.0, 1.5)], [(403.0, 3.0)]
    assert _in_all(staffs, 400.0, 3.0)
    assert not _in_all(staffs, 900.0, 1.5)
