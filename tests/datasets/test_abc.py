import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.datasets.abc import abc_melody, header, key_sharps, split_tunes


def test_a_tune_book_is_split_at_its_x_lines_and_shares_what_precedes_them():
    book = "% my book\r\nM:6/8\r\nX:1\r\nT:One\r\nK:C\r\nCDE|\r\nX:7\nT:Two\nM:4/4\nK:G\nGAB|\n"
    one, two = split_tunes(book)
    assert header(one) == {"X": "1", "M": "6/8", "T": "One", "K": "C"}
    assert header(two)["T"] == "Two" and "GAB" in two and "CDE" not in two


def test_text_without_an_x_line_holds_no_tune():
    assert split_tunes("just words\n") == []


@pytest.mark.parametrize(
    ("key", "sharps"),
    [
        ("C", 0),
        ("D", 2),
        ("Bb", -2),
        ("F#m", 3),
        ("Ador", 1),
        ("E dorian", 2),
        ("Gm", -2),
        ("Amix", 2),
        ("Em", 1),
        ("Cmaj", 0),
        ("none", 0),
        ("HP", 0),
        ("G minor", -2),
    ],
)
def test_sharps_of_a_key(key, sharps):
    assert key_sharps(key) == sharps


def test_accidentals_hold_to_the_bar_line_and_the_key_applies_after_it():
    tune = "X:1\nK:D\nFC^G=F|F G, g' _B|]\n"
    assert abc_melody(tune).pitches == (66, 61, 68, 65, 66, 55, 91, 70)


def test_text_grace_notes_and_decorations_are_not_notes():
    tune = 'X:1\nT:Cabbage\nK:C\n"Am"C {ef}!fermata!D % EFG\nw: la de da\n E|\n'
    assert abc_melody(tune).pitches == (60, 62, 64)


def test_inline_key_change():
    assert abc_melody("X:1\nK:C\nF|[K:D]F|[M:3/4]F|\n").pitches == (65, 66, 66)


@pytest.mark.parametrize(
    ("body", "why"),
    [("[CE]D|", "chords"), ("CD&EF|", "two voices"), ("[V:1]C|\n[V:2]E|", "2 voices")],
)
def test_more_than_one_voice_is_noticed(body, why):
    assert why in abc_melody(f"X:1\nK:C\n{body}\n").not_monophonic


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("CDEFGABcdefgab"), min_size=1, max_size=40))
def test_a_melody_has_as_many_pitches_as_letters(letters):
    melody = abc_melody("X:1\nK:C\n" + "|".join(letters) + "|]\n")
    assert len(melody.pitches) == len(letters) and melody.not_monophonic is None
