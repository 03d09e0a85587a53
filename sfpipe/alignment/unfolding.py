"""The score as it may be played: repeats written out, and which of them may be left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

from sfpipe.alignment.notes import ScoreNote, WrittenScore
from sfpipe.notation.playback import order
from sfpipe.notation.score import Score


@dataclass(frozen=True)
class Unfolded:
    """`notes`: by id with the pass, ``n12-2``; `quarter` counts as played with all repeats.

    `optional`: spans [from, to) in quarters that a pianist who does not repeat leaves out.
    """

    notes: dict[str, ScoreNote]
    optional: list[tuple[float, float]]


def unfold_notes(score: WrittenScore) -> Unfolded:
    """Write out all repeats, endings and jumps of a score.

    Raises
    ------
    SfpipeError
        If its repeats cannot be unfolded.
    """
    bars = [float(bar.length) for bar in score.bars]
    written = list(accumulate(bars, initial=0.0))
    played = order(Score(score.bars)) if bars else []
    starts = list(accumulate((bars[i] for i, _ in played), initial=0.0))
    inside: dict[int, list[ScoreNote]] = {}
    # The first note's quarter is 0, wherever in its bar it stands.
    zero = min((written[score.bar_of[n.id]] for n in score.notes.values()), default=0.0)
    for note in score.notes.values():
        inside.setdefault(score.bar_of[note.id], []).append(note)
    notes = {}
    for (bar, turn), start in zip(played, starts, strict=False):
        for note in inside.get(bar, ()):
            name = f"{note.id}-{turn}"
            quarter = start + note.quarter - (written[bar] - zero)
            notes[name] = replace(note, id=name, quarter=quarter)
    return Unfolded(notes, _optional([bar for bar, _ in played], starts))


def _optional(played: list[int], starts: list[float]) -> list[tuple[float, float]]:
    """What is left out if a repeat is not played, for each jump back.

    With an ending it is that ending and the way to the next one; else the second time.
    """
    spans = []
    for i in range(len(played) - 1):
        if played[i + 1] <= played[i]:
            after = range(i + 1, len(played))
            onward = next((k for k in after if played[k] > played[i]), len(played))
            last = played[onward - 1]
            leave = max((k for k in range(i + 1) if played[k] == last), default=i)
            spans.append((starts[leave + 1], starts[onward]))
    return spans
