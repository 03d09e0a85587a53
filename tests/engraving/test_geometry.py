import numpy as np
import pytest

from sfpipe.engraving.files import System
from sfpipe.engraving.geometry import StripGeometry, geometry_of, ink_outside, middle_row
from sfpipe.errors import SfpipeError

SYSTEM = System(1, "a.png", 0, 100, 400, 150.0, 250.0)  # staves from row 150 to 250
REACH = 80 - 0.6 * 7  # px above and below the middle at which a head is still shown whole


def middle(rows):
    return middle_row(SYSTEM, np.array(rows, dtype=float), 7.0, 160)


def test_the_staves_are_in_the_middle_unless_heads_would_be_cut():
    assert middle([]) == middle([150, 200, 250]) == middle([200 - REACH, 200 + REACH]) == 200


def test_the_window_moves_as_little_as_it_must():
    assert middle([110, 250]) == pytest.approx(110 + REACH)
    assert middle([180, 290]) == pytest.approx(290 - REACH)


def test_where_not_all_heads_fit_it_shows_as_many_as_it_can():
    rows = [100, 101, 102, 180, 200, 250, 290]
    found = middle(rows)
    shown = np.abs(np.array(rows) - found) <= REACH + 1e-3
    assert shown.tolist() == [True] * 5 + [True, False]
    assert found == pytest.approx(100 + REACH)


def test_ink_outside_the_window():
    image = np.full((400, 100), 255, np.uint8)
    image[119], image[120], image[279], image[280] = 0, 0, 0, 0
    assert ink_outside(image, 200.0, 160) == (200, 400)
    assert ink_outside(image[:250], 200.0, 160) == (100, 200)


def test_each_engraver_has_its_strip():
    melody, piano = StripGeometry(40, 40), StripGeometry(200, 160)
    assert geometry_of({"engine": "verovio"}) == melody
    assert geometry_of({"engine": "verovio", "staves": [2]}) == piano
    assert geometry_of({"engine": "lilypond", "staves": [2, 3]}) == piano
    with pytest.raises(SfpipeError, match="engraved by 'musescore', expected one of verovio"):
        geometry_of({"engine": "musescore"})
