"""Train, validation and test: seeded, by groups of near-duplicates, stable under `max_pieces`.

The paper splits its monophonic Nottingham subset 187/63/46 and does not publish the lists, so
sfpipe keeps the proportions and chooses the tunes itself:

1. The split is made over the *whole* data set, whatever `max_pieces` says. Groups of
   near-duplicates are put in a seeded order, and each goes, whole, to the split that is
   furthest below its proportion.
2. `max_pieces` then takes so many tunes from each split, in the proportions 187/63/46, in a
   seeded order. The shares are house-monotone (Sainte-Lague), so a larger `max_pieces` only
   adds tunes: no tune is ever dropped or moved to another split.

The seeded order of a tune is a hash of the seed and its id, not its place in a list.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from importlib import resources

SPLITS = ("train", "valid", "test")
PROPORTIONS = {"train": 187, "valid": 63, "test": 46}


def read_split(table: str) -> list[dict[str, str]]:
    """Rows of a committed table beside this module: ``piece``, ``split``, ``source``."""
    text = resources.files("sfpipe.datasets").joinpath(table).read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def seeded_key(seed: int, name: str) -> str:
    """A sort key that puts names in an order that depends on nothing but `seed` and the name."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def apportion(total: int, available: dict[str, int]) -> dict[str, int]:
    """Seats of each split for `total` tunes in `PROPORTIONS`, never more than `available`.

    Sainte-Lague's highest averages; every non-empty split gets a seat from a total of 3 on.
    Growing `total` never takes a seat away.
    """
    seats = dict.fromkeys(SPLITS, 0)
    for _ in range(total):
        open_splits = [s for s in SPLITS if seats[s] < available[s]]
        if not open_splits:
            break
        # An empty split comes first: without a single test tune nothing can be evaluated.
        seats[
            max(open_splits, key=lambda s: (not seats[s], PROPORTIONS[s] / (2 * seats[s] + 1)))
        ] += 1
    return seats


def split_tunes(ids: Sequence[str], groups: Sequence[Sequence[int]], seed: int) -> dict[str, str]:
    """The split of every tune; `groups` are lists of indices into `ids` that stay together.

    From three groups on no split is empty.
    """
    order = sorted(groups, key=lambda group: seeded_key(seed, min(ids[i] for i in group)))
    # Large groups first: a late one would upset the proportions.
    order.sort(key=len, reverse=True)
    counts = dict.fromkeys(SPLITS, 0)
    result = {}
    for done, group in enumerate(order):
        empty = [s for s in SPLITS if not counts[s]]
        # Each of the last groups is an empty split's.
        open_splits = empty if len(order) - done <= len(empty) else SPLITS
        split = min(open_splits, key=lambda s: (counts[s] + len(group)) / PROPORTIONS[s])
        counts[split] += len(group)
        result.update({ids[i]: split for i in group})
    return result


def take(splits: dict[str, str], max_pieces: int | None, seed: int) -> list[str]:
    """The ids that a run uses, sorted: all, or `max_pieces` of them in the same proportions."""
    members = {
        s: sorted((i for i in splits if splits[i] == s), key=lambda i: seeded_key(seed, i))
        for s in SPLITS
    }
    total = len(splits) if max_pieces is None else min(max_pieces, len(splits))
    seats = apportion(total, {s: len(members[s]) for s in SPLITS})
    return sorted(tune for s in SPLITS for tune in members[s][: seats[s]])
