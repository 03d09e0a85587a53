import numpy as np

from sfpipe.datasets.duplicates import duplicate_groups, interval_ngrams, normal_title
from sfpipe.datasets.tunes import Tune


def tune(name: str, pitches, title: str | None = None) -> Tune:
    return Tune(name, title or name, {}, f"{name}.abc", tuple(int(p) for p in pitches))


def melody(seed: int, n: int = 120) -> np.ndarray:
    return 60 + np.random.default_rng(seed).integers(0, 14, n)


def test_titles_that_name_the_same_tune():
    assert normal_title("The Mason's Apron -- Reel") == normal_title("MASONS APRON, THE")
    assert normal_title("Rose (version 2)") == normal_title("Rose")
    assert normal_title("Jig") == "jig"  # a title of nothing but dance names stays itself
    assert normal_title("Rose-Bush") != normal_title("Rose-Bud")


def test_transposed_unfolded_and_partly_equal_melodies_are_one_group():
    a = melody(1)
    twice = np.concatenate([a[:60], a[:60], a[60:], a[60:]])
    half = np.concatenate([a[:60], melody(9, 60)])
    tunes = [tune("a", a), tune("b", melody(2)), tune("c", a + 5), tune("d", twice)]
    assert duplicate_groups([*tunes, tune("e", half)]) == [[0, 2, 3, 4], [1]]


def test_equal_titles_are_one_group_whatever_the_melody():
    tunes = [tune("a", melody(1), "Rose -- Reel"), tune("b", melody(2), "The Rose")]
    assert duplicate_groups(tunes) == [[0, 1]]


def test_unrelated_tunes_and_tunes_too_short_for_a_interval_ngrams_stay_apart():
    tunes = [tune(f"t{i}", melody(i)) for i in range(20)]
    shorts = [tune("x", [60, 62]), tune("y", [60, 64])]
    assert duplicate_groups([*tunes, *shorts]) == [[i] for i in range(22)]


def test_interval_ngrams_is_blind_to_transposition():
    assert interval_ngrams(melody(3)) == interval_ngrams(melody(3) + 7)
    assert interval_ngrams([60, 62]) == frozenset()
