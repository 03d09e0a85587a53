"""How well a reader reads: its notes against the engraver's own."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from sfpipe.omr.notes import OmrNote

NEAR_SPACES = 0.7  # staff spaces between a note as read and its head


@dataclass(frozen=True)
class Truth:
    """The struck heads of a strip.

    `x_px`, `y_px`, `onset` (quarters) float64, `midi_pitch` int64; all [shape=(n,)].
    """

    x_px: np.ndarray
    y_px: np.ndarray
    onset: np.ndarray
    midi_pitch: np.ndarray


@dataclass(frozen=True)
class Accuracy:
    """Counts of one or more strips; shares are properties.

    `steps`: pairs of neighbouring true onsets of which both were read; `in_order` of them have
    later read onsets later, `right_length` of them also the right distance in quarters.
    """

    heads: int = 0
    read: int = 0
    matched: int = 0
    right_pitch: int = 0
    steps: int = 0
    in_order: int = 0
    right_length: int = 0

    def __add__(self, other: Accuracy) -> Accuracy:
        mine, theirs = asdict(self), asdict(other)
        return Accuracy(**{name: mine[name] + theirs[name] for name in mine})

    def shares(self) -> dict[str, float]:
        """Head recall and precision, pitch accuracy, order and length of the steps; 0 to 1."""
        return {
            "recall": self.matched / max(self.heads, 1),
            "precision": self.matched / max(self.read, 1),
            "pitch": self.right_pitch / max(self.matched, 1),
            "order": self.in_order / max(self.steps, 1),
            "length": self.right_length / max(self.steps, 1),
        }


def match_notes(notes: Sequence[OmrNote], truth: Truth, space: float) -> list[int]:
    """For each note as read the index of its head, -1 if there is none; no head twice.

    Parameters
    ----------
    space:
        Staff space of the strip, px: notes and heads less than 0.7 spaces apart belong together.
    """
    pairs: list[tuple[float, int, int]] = []
    for i, note in enumerate(notes):
        if np.isnan(note.y_px):
            # The reader does not tell: the pitch says which head of the column.
            wrong = truth.midi_pitch != note.midi_pitch
            distance = np.abs(truth.x_px - note.x_px) + 0.3 * space * wrong
        else:
            distance = np.hypot(truth.x_px - note.x_px, truth.y_px - note.y_px)
        pairs += [
            (float(distance[j]), i, int(j)) for j in np.flatnonzero(distance < NEAR_SPACES * space)
        ]
    result = [-1] * len(notes)
    taken: set[int] = set()
    for _, i, j in sorted(pairs):
        if result[i] < 0 and j not in taken:
            result[i] = j
            taken.add(j)
    return result


def accuracy(notes: Sequence[OmrNote], truth: Truth, space: float) -> Accuracy:
    """Compare the notes read from one strip with its heads; `space` as in `match_notes`."""
    matches = match_notes(notes, truth, space)
    pairs = [(note, j) for note, j in zip(notes, matches, strict=True) if j >= 0]
    read_at: dict[float, list[float]] = {}
    for note, j in pairs:
        read_at.setdefault(round(float(truth.onset[j]), 4), []).append(note.onset)
    known = sorted(set(np.round(truth.onset, 4).tolist()))
    steps = [(a, b) for a, b in itertools.pairwise(known) if {a, b} <= set(read_at)]
    gaps = [(b - a, float(np.median(read_at[b]) - np.median(read_at[a]))) for a, b in steps]
    return Accuracy(
        heads=len(truth.x_px),
        read=len(notes),
        matched=len(pairs),
        right_pitch=sum(note.midi_pitch == int(truth.midi_pitch[j]) for note, j in pairs),
        steps=len(gaps),
        in_order=sum(read > 0 for _, read in gaps),
        right_length=sum(abs(true - read) < 0.02 for true, read in gaps),
    )


def sum_accuracies(parts: Iterable[Accuracy]) -> Accuracy:
    """The sum over strips."""
    return sum(parts, Accuracy())
