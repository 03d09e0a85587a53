"""Data sets of several collections: splits stay, what two of them have is taken once."""

import random

from sfpipe.datasets.catalogue import CATALOGUE
from sfpipe.datasets.dataset import Request
from sfpipe.datasets.melodies import melodies
from sfpipe.datasets.tunes import Tune
from sfpipe.params import DownloadParams


def tune(name: str, seed: int, shift: int = 0) -> Tune:
    pitches = tuple(p + shift for p in random.Random(seed).choices(range(60, 84), k=40))
    return Tune(name, name, {f"{name}.abc": name.encode()}, f"{name}.abc", pitches)


def reader(*tunes: Tune):
    return lambda dataset, request: (list(tunes), {})


def load(*readers, **more):
    request = Request(DownloadParams(), 4711, **more)
    return melodies(*readers)(CATALOGUE["fiddle"], request)


FIRST = [tune(f"first{i}", i) for i in range(9)]
SECOND = [tune("again", 3, shift=5), *(tune(f"second{i}", 100 + i) for i in range(9))]


def test_a_tune_of_two_collections_is_taken_from_the_first():
    both = load(reader(*FIRST), reader(*SECOND))
    assert both.rejected == {"again": "repeats first3"}
    assert {p.id for p in both.pieces} == {t.id for t in FIRST + SECOND} - {"again"}
    assert set(both.files) == {p.source for p in both.pieces}


def test_each_collection_keeps_the_splits_that_it_has_alone():
    both = {p.id: p.split for p in load(reader(*FIRST), reader(*SECOND)).pieces}
    for own in (FIRST, SECOND):
        alone = {p.id: p.split for p in load(reader(*own)).pieces}
        assert {k: v for k, v in alone.items() if k != "again"}.items() <= both.items()


def test_max_pieces_counts_over_all_collections():
    few = load(reader(*FIRST), reader(*SECOND), max_pieces=6)
    assert len(few.pieces) == 6
    assert {p.split for p in few.pieces} == {"train", "valid", "test"}
