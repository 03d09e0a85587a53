"""Every note of a score in each pass, as the tests look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sfpipe.notation.playback import TICKS, UNMARKED_NOTES, sounding_heads, tempo_map, unfold
from sfpipe.notation.score import Score


@dataclass(frozen=True, slots=True)
class UnfoldedNote:
    """A note as it sounds in one of the passes in which its bar is played.

    `pass_number` counts from 1; `onset_s` and `end_s` are by the score's own tempo; `quarter` is
    the onset in quarters of the unfolded score. Nothing is `struck` where a tie ends. A note that
    is not `printed` has no head in the image.
    """

    id: str
    pass_number: int
    onset_s: float
    end_s: float
    quarter: float
    midi_pitch: int
    staff: int
    struck: bool
    grace: bool
    printed: bool


def unfold_notes(
    score: Score,
    bars_played: Sequence[int] | None = None,
    *,
    notes_per_minute: float = UNMARKED_NOTES,
) -> list[UnfoldedNote]:
    """Every note of the score in each pass in which it is played, in order of its onset.

    Grace notes come before the beat, all notes of a chord at once; cue notes are left out.

    Parameters
    ----------
    bars_played:
        As `unfold` takes it.
    notes_per_minute:
        If the score has no tempo mark: how often its most frequent value is played in a minute.

    Raises
    ------
    SfpipeError
        As `order`, or if it lasts longer than an hour.
    """
    played = unfold(score, bars_played)
    tempo, _ = tempo_map(played, notes_per_minute)
    notes = []
    for head in sounding_heads(played, tempo):
        time = head.id.rpartition("-")[2]
        onset_s, end_s = tempo.seconds(head.onset), tempo.seconds(head.end)
        quarter = head.onset / TICKS
        notes.append(
            UnfoldedNote(
                head.note,
                int(time),
                onset_s,
                end_s,
                quarter,
                head.midi_pitch,
                head.staff,
                not head.tied,
                head.grace,
                head.printed,
            )
        )
    return sorted(notes, key=lambda note: (note.quarter, note.midi_pitch))
