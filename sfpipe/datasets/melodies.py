"""Loading collections of melodies: tunes of one voice, split so that no tune is in two splits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sfpipe.datasets.dataset import Dataset, DatasetPieces, Request
from sfpipe.datasets.duplicates import duplicate_groups, repeated_tunes
from sfpipe.datasets.index import Piece
from sfpipe.datasets.split import SPLITS, split_tunes, take
from sfpipe.datasets.tunes import Tune
from sfpipe.errors import SfpipeError

MIN_TUNES = 3  # one for each split

# The tunes of a collection, and the files that could not be read with the reason.
TuneReader = Callable[[Dataset, Request], tuple[list[Tune], dict[str, str]]]


def melodies(*collections: TuneReader) -> Callable[[Dataset, Request], DatasetPieces]:
    """The loader of a data set that consists of one or more collections.

    Tunes of more than one voice are left out. Each collection is split for itself, as
    `sfpipe.datasets.split` says, so that its tunes are in the same split wherever it is used; of
    the later ones, what is nearly the same as a tune of an earlier one is left out.
    """

    def load(dataset: Dataset, request: Request) -> DatasetPieces:
        usable: list[Tune] = []
        splits: dict[str, str] = {}
        rejected: dict[str, str] = {}
        for read in collections:
            tunes, unreadable = read(dataset, request)
            rejected |= unreadable
            own = [tune for tune in tunes if not _is_rejected(tune, request, rejected)]
            own_splits = split_tunes([tune.id for tune in own], duplicate_groups(own), request.seed)
            repeated = repeated_tunes(own, usable)
            rejected |= {own[i].id: f"repeats {usable[j].id}" for i, j in repeated.items()}
            kept = [tune for i, tune in enumerate(own) if i not in repeated]
            splits |= {tune.id: own_splits[tune.id] for tune in kept}
            usable += kept
        _check_enough(dataset, splits, rejected)
        chosen = set(take(splits, request.max_pieces, request.seed))
        selected = [tune for tune in usable if tune.id in chosen]
        files = {name: content for tune in selected for name, content in tune.files.items()}
        pieces = [_piece(tune, splits[tune.id], dataset.licence) for tune in selected]
        return DatasetPieces(pieces, files, dict(sorted(rejected.items())))

    return load


def _is_rejected(tune: Tune, request: Request, rejected: dict[str, str]) -> bool:
    reason = tune.unusable
    if request.params.monophonic and tune.not_monophonic:
        reason = f"not a melody of one voice: {tune.not_monophonic}"
    if reason:
        rejected[tune.id] = reason
    return bool(reason)


def _check_enough(dataset: Dataset, splits: dict[str, str], rejected: dict[str, str]) -> None:
    if len(splits) < MIN_TUNES:
        first = next(iter(rejected.items()), None)
        why = f" ({len(rejected)} left out; the first: {first[0]}: {first[1]})" if first else ""
        raise SfpipeError(
            f"data set '{dataset.name}' has {len(splits)} usable tunes, expected at least "
            f"{MIN_TUNES}{why}",
            remedy="add melodies of one voice (ABC, MusicXML or MIDI)",
        )
    if empty := set(SPLITS) - set(splits.values()):
        raise SfpipeError(
            f"data set '{dataset.name}' has too few different tunes: of its {len(splits)} none is "
            f"left for {' and '.join(sorted(empty))}, since those nearly the same stay together",
            remedy="add other melodies",
        )


def _piece(tune: Tune, split: str, licence: str) -> Piece:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in tune.files.items()}
    return Piece(
        id=tune.id,
        title=tune.title,
        split=split,
        source=tune.source,
        sha256=digests[tune.source],
        licence=licence,
        header=tune.header,
        header_sha256=digests[tune.header] if tune.header else None,
    )
