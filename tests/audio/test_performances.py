import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfpipe.audio.onset_files import score_onsets
from sfpipe.audio.performances import Performance, choose_performances
from sfpipe.audio.soundfonts import SoundFont
from sfpipe.errors import SfpipeError
from sfpipe.params import VariantParams
from tests.audio.conftest import write_piece

FONTS = [SoundFont(name, Path(f"{name}.sf2"), "0" * 64, "MIT") for name in ("A", "B")]


def params(per_piece=None, factors=(0.8, 1.0, 1.25)):
    return VariantParams(soundfonts=["A", "B"], tempo_factors=list(factors), per_piece=per_piece)


def names(performances):
    return [p.name for p in performances]


def test_all_combinations_the_plain_one_first():
    assert names(choose_performances(params(), FONTS, "p", 1)) == [
        *("A-x1.00", "A-x0.80", "A-x1.25"),
        *("B-x1.00", "B-x0.80", "B-x1.25"),
    ]


@given(st.integers(1, 7), st.text(max_size=10), st.integers(0, 2**31))
def test_a_draw_is_distinct_and_begins_with_the_plain_one(per_piece, piece, seed):
    drawn = names(choose_performances(params(per_piece), FONTS, piece, seed))
    assert len(drawn) == len(set(drawn)) == min(per_piece, 6)
    assert drawn[0] == "A-x1.00"


def test_a_draw_depends_on_seed_and_piece_only():
    def draws(seed):
        return [names(choose_performances(params(3), FONTS, f"p{i}", seed)) for i in range(30)]

    assert draws(1) == draws(1) != draws(2)
    assert {name for drawn in draws(1) for name in drawn} == set(
        names(choose_performances(params(), FONTS, "p", 1))
    )


def test_without_factor_one_the_nearest_is_the_plain_one():
    assert choose_performances(params(1, (0.5, 1.1, 2.0)), FONTS, "p", 1)[0].tempo_factor == 1.1


def test_names_tell_factors_apart():
    assert Performance(FONTS[0], 1.0).name == "A-x1.00"
    assert Performance(FONTS[0], 1.005).name == "A-x1.005"


def test_onsets_of_struck_notes_only(tmp_path):
    write_piece(tmp_path, n=3)
    np.testing.assert_allclose(score_onsets(tmp_path / "noteheads.csv"), [0, 0.4, 0.8])


def test_chords_are_one_onset(tmp_path):
    write_piece(tmp_path, n=3)
    with open(tmp_path / "noteheads.csv", "a", newline="") as file:
        csv.writer(file).writerow([1, 30, 10, 1, 72, 0.4, 0.8, 0, 0])
    assert len(score_onsets(tmp_path / "noteheads.csv")) == 3


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "onset_s,tied\nx,0\n", "onset_s,tied\n1,1\n"])
def test_bad_lists(tmp_path, text):
    (tmp_path / "n.csv").write_text(text)
    with pytest.raises(SfpipeError, match=r"is damaged|no onsets") as error:
        score_onsets(tmp_path / "n.csv")
    assert error.value.file.endswith("n.csv")
