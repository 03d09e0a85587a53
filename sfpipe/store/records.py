"""What is to be played: the performances of a split or of some pieces, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sfpipe.errors import SfpipeError
from sfpipe.store.packing import crop_rows
from sfpipe.store.reader import (
    PerformanceRecord,
    ScoreRecord,
    list_performances,
    list_pieces,
    read_performances,
    read_scores,
)
from sfpipe.store.window import Window


@dataclass(frozen=True)
class StorePair:
    """Both stores of a data set that is trained on."""

    scores: Path
    spectrograms: Path

    @property
    def name(self) -> str:
        """That of the data set, as the files have it."""
        return self.scores.stem


def load_all_records(
    first: StorePair, also: Sequence[StorePair], window: Window, *, split: str
) -> tuple[dict[str, ScoreRecord], list[PerformanceRecord]]:
    """A split of several data sets as one.

    Pieces of the first keep their names, those of others are called ``<data set>:<piece>``. So
    one piece may be there in several engravings. Others may lack the split.

    Raises
    ------
    SfpipeError
        As `load_records`.
    """
    scores, performances = load_records(first.scores, first.spectrograms, window, split=split)
    for pair in also:
        drawn = list_pieces(pair.scores)
        both = [piece for piece in list_performances(pair.spectrograms, split) if piece in drawn]
        if not both:
            continue
        stores = pair.scores, pair.spectrograms
        theirs, played = load_records(*stores, window, split=split, pieces=both)
        for name, score in theirs.items():
            scores[f"{pair.name}:{name}"] = replace(score, piece=f"{pair.name}:{name}")
        performances += [replace(p, piece=f"{pair.name}:{p.piece}") for p in played]
    return scores, performances


def load_records(
    scores: str | Path,
    spectrograms: str | Path,
    window: Window,
    *,
    split: str | None = None,
    pieces: Sequence[str] | None = None,
) -> tuple[dict[str, ScoreRecord], list[PerformanceRecord]]:
    """Read both stores.

    Parameters
    ----------
    window:
        Strips must be at least as high.
    split:
        ``train``, ``valid`` or ``test``; None takes all.
    pieces:
        Only these pieces.

    Returns
    -------
    Their scores by piece, and the performances that have one, sorted.

    Raises
    ------
    SfpipeError
        If a store cannot be read, a wanted piece is in neither, or a strip is too low.
    """
    records = read_performances(spectrograms, split)
    if pieces is not None:
        missing = sorted(set(pieces) - {r.piece for r in records})
        if missing:
            raise SfpipeError(
                f"no piece '{missing[0]}'" + (f" in split {split}" if split else ""),
                file=spectrograms,
                remedy="list the pieces: sfpipe inspect FILE",
            )
        records = [r for r in records if r.piece in set(pieces)]
    strips = read_scores(scores, pieces={r.piece for r in records})
    records = [r for r in records if r.piece in strips]
    if not records:
        raise SfpipeError(
            "no performance has a strip" + (f" in split {split}" if split else ""),
            file=spectrograms,
            remedy="run 'dvc repro scores spectrograms'",
        )
    low = [p for p in {r.piece for r in records} if strips[p].strip.shape[0] < window.height]
    if low:
        crop_rows(strips[min(low)].strip, window.height, file=scores)
    return strips, records
