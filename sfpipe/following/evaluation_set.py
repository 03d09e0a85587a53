"""What is played in an evaluation: performances with their scores, seen through one window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from sfpipe.errors import SfpipeError
from sfpipe.store.bank import Bank, merge_onsets
from sfpipe.store.reader import PerformanceRecord, ScoreRecord, dataset_of
from sfpipe.store.records import load_records
from sfpipe.store.window import Window


@dataclass(frozen=True)
class EvaluationSet:
    """Performances to be followed, whoever follows them.

    Attributes
    ----------
    scores:
        By piece; there may be more than are played.
    dataset:
        Name, for the record.
    device:
        Where `bank` lies.
    """

    scores: Mapping[str, ScoreRecord]
    performances: Sequence[PerformanceRecord]
    window: Window
    dataset: str = ""
    device: str | torch.device = "cpu"

    @cached_property
    def bank(self) -> Bank:
        """All of it packed, for players of the batched game; made when first asked for."""
        return Bank(self.scores, self.performances, self.window, self.device)


def load_evaluation_set(
    scores: str | Path,
    spectrograms: str | Path,
    window: Window,
    *,
    split: str | None = None,
    device: str | torch.device = "cpu",
) -> EvaluationSet:
    """Read a split of both stores.

    Raises
    ------
    SfpipeError
        As `load_records`, or if a performance does not belong to its score.
    """
    strips, performances = load_records(scores, spectrograms, window, split=split)
    try:
        for record in performances:
            merge_onsets(strips[record.piece], record, window)
    except SfpipeError as error:
        raise SfpipeError(error.what, file=spectrograms, remedy=error.remedy) from None
    return EvaluationSet(strips, performances, window, dataset_of(scores), device)
