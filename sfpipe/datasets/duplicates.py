"""Groups of tunes that are the same tune: equal titles, or mostly the same melody."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from sfpipe.datasets.tunes import Tune

NGRAM = 7  # intervals; shorter ones are shared by unrelated tunes (scales, arpeggios)
SHARE = 0.3  # of the shorter tune's n-grams that are in the other tune
_KINDS = r"\b(reel|jig|hornpipe|strathspey|clog|waltz|polka|march|air|essence|fling|fancy|the|a)\b"


def normal_title(title: str) -> str:
    """The title without case, accents, punctuation, articles, dance names and version numbers."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"\((?:no|version|setting)?\.?\s*\d+\)|\b(?:no|version)\.?\s*\d+", " ", plain)
    plain = re.sub(r"['.]", "", plain)
    words = re.sub(r"[^a-z0-9]+", " ", plain).strip()
    short = re.sub(r"\s+", "", re.sub(_KINDS, " ", words))
    return short or words.replace(" ", "")


def interval_ngrams(pitches: Sequence[int]) -> frozenset[tuple[int, ...]]:
    """The set of runs of `NGRAM` successive intervals in semitones.

    Sets make it blind to transposition and to whether repeats are written out.
    """
    steps = [b - a for a, b in pairwise(pitches)]
    return frozenset(tuple(steps[i : i + NGRAM]) for i in range(len(steps) - NGRAM + 1))


def duplicate_groups(tunes: Sequence[Tune]) -> list[list[int]]:
    """Indices of `tunes` in groups; two tunes of one group must not be in two splits.

    Tunes are linked if their normalised titles are equal, if their melodies are equal, or if at
    least `SHARE` of the shorter melody's interval n-grams occur in the other; links are
    transitive. Groups and their members keep the order of `tunes`.
    """
    parent = list(range(len(tunes)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in _links(tunes):
        a, b = sorted((root(i), root(j)))
        parent[b] = a
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(len(tunes)):
        groups[root(i)].append(i)
    return list(groups.values())


def repeated_tunes(tunes: Sequence[Tune], earlier: Sequence[Tune]) -> dict[int, int]:
    """Which of `tunes` are linked to one of `earlier` ones, and to which: index -> index."""
    links = _links([*earlier, *tunes]) if earlier else []
    n = len(earlier)
    return {j - n: i for i, j in reversed(links) if i < n <= j}


def _links(tunes: Sequence[Tune]) -> list[tuple[int, int]]:
    links: list[tuple[int, int]] = []
    first: dict[object, int] = {}
    owners: dict[tuple[int, ...], list[int]] = defaultdict(list)
    grams = [interval_ngrams(tune.pitches) for tune in tunes]
    for i, tune in enumerate(tunes):
        steps = tuple(b - a for a, b in pairwise(tune.pitches))
        for key in (("title", normal_title(tune.title)), ("melody", steps)):
            if key[1] and key in first:
                links.append((first[key], i))
            first.setdefault(key, i)
        for gram in grams[i]:
            owners[gram].append(i)
    for i, own in enumerate(grams):
        shared = Counter(j for gram in own for j in owners[gram] if j < i)
        for j, n in shared.items():
            if n >= SHARE * min(len(own), len(grams[j])):
                links.append((j, i))
    return links
