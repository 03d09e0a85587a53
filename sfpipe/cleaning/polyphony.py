"""Checks of piano music: several voices, several staves, several systems.

What these checks measure (`Evidence.numbers`):

- ``onsets_matched``: share of the onsets in the MIDI file at which a head of a right pitch is
  printed; ``notes_matched``: the same of its notes.
- ``backward``: onsets that lie left of the onset before, within their system; ``backward_spaces``:
  the worst of them, in staff spaces.
- ``duration_error_s``: end of the last note in the image against that in the MIDI file.
- ``staves``: smallest and largest number of staves in a system.
- ``dark_share``: share of the predicted centres of filled heads that are dark;
  ``control_dark_share``: of points 2.2 staff spaces to their right, which says what that means.
- ``ink_lost``: share of the ink that the game's window does not show; ``onsets_hidden``: onsets of
  which it shows no head; ``systems_moved``: systems not shown around the middle of their staves,
  so that heads are not cut.
- ``onsets_beyond``: onsets that lie above or below even the strip.
"""

from __future__ import annotations

import numpy as np

from sfpipe.cleaning.checks import (
    DARK,
    Evidence,
    first_reason,
)
from sfpipe.engraving.geometry import geometry_of, ink_outside, middle_row
from sfpipe.params import CleanParams

SAME_TIME_S = 1e-3
BACKWARD_SPACES = 8.0  # grace notes before a chord may overlap the other hand; more is misplaced
BACKWARD_SHARE = 0.02
MAX_STAVES = 4  # of piano music: two, and a third or fourth for a passage
CONTROL_SPACES = 2.2
MAX_CONTROL_SHARE = 0.8  # dense chords and runs
HIDDEN_SHARE = 0.1


def check_polyphony(evidence: Evidence, params: CleanParams) -> str | None:
    """The first reason for which a piece cannot be used, or None."""
    tests = (_staves, _matched, _order, _length, _dark, _window)
    return first_reason(tests, evidence, params)


def _staves(e: Evidence, params: CleanParams) -> str | None:
    counts = [int(n) for n in e.description["staves"]]
    e.numbers["staves_min"], e.numbers["staves_max"] = min(counts), max(counts)
    if max(counts) > MAX_STAVES:
        return f"a system has {max(counts)} staves, at most {MAX_STAVES} are piano music"
    return None


def _matched(e: Evidence, params: CleanParams) -> str | None:
    """Notes of the MIDI file that are printed, found by time and pitch."""
    midi_s = np.array([time for time, _ in e.midi])
    times = np.unique(midi_s)
    # Equal onsets may differ in the last digits.
    times = times[np.append(True, np.diff(times) > SAME_TIME_S)]

    def slots(seconds: np.ndarray) -> np.ndarray:
        return np.searchsorted(times, seconds + SAME_TIME_S / 2) - 1

    struck = ~e.heads.tied
    onset_s = e.heads.onset_s[struck]
    at = slots(onset_s)
    near = (at >= 0) & (np.abs(times[np.maximum(at, 0)] - onset_s) < SAME_TIME_S)
    drawn = set(zip(at[near].tolist(), e.heads.midi_pitch[struck][near].tolist(), strict=True))
    played = set(zip(slots(midi_s).tolist(), (pitch for _, pitch in e.midi), strict=True))
    matched = drawn & played
    expected = len(times)
    if "heads_placed" in e.description:
        # Notes that the score hides, as those of a trill, sound without a head.
        expected = min(expected, int(e.description["n_onsets"]))
        placed = int(e.description["heads_placed"]) / max(int(e.description["heads"]), 1)
        e.numbers["heads_placed"] = round(placed, 5)
        if placed < params.min_matched_share:
            return f"only {placed:.1%} of the printed notes have a head"
    onsets = len({slot for slot, _ in matched}) / max(expected, 1)
    e.numbers["midi_onsets"] = expected
    e.numbers["onsets_matched"] = round(onsets, 5)
    e.numbers["notes_matched"] = round(len(matched) / max(len(played), 1), 5)
    e.numbers["heads_not_heard"] = len(drawn - played) + int(np.sum(~near))
    if onsets < params.min_matched_share:
        return f"only {onsets:.1%} of the onsets have a note head of a right pitch"
    if e.numbers["heads_not_heard"]:
        return f"{e.numbers['heads_not_heard']} heads are listed as struck, but nothing is heard"
    return None


def _order(e: Evidence, params: CleanParams) -> str | None:
    """In a system, later onsets lie further to the right; no onset is in two systems."""
    groups = e.heads.onsets()
    systems = np.array([e.heads.system[group[0]] for group in groups])
    split = sum(len(set(e.heads.system[group].tolist())) > 1 for group in groups)
    places = np.array([np.median(e.heads.x_px[group]) for group in groups])
    steps = np.diff(places)[np.diff(systems) == 0]
    worst = -float(steps.min(initial=0)) / e.staff_space
    e.numbers["backward"] = int(np.sum(steps <= 0))
    e.numbers["backward_spaces"] = round(worst, 2)
    e.numbers["systems_backward"] = int(np.sum(np.diff(systems) < 0))
    if split or e.numbers["systems_backward"]:
        return f"{split or e.numbers['systems_backward']} onsets are out of the systems' order"
    if worst > BACKWARD_SPACES or np.sum(steps <= 0) > BACKWARD_SHARE * len(groups):
        return (
            f"{int(np.sum(steps <= 0))} onsets lie left of the onset before, by up to "
            f"{worst:.1f} staff spaces"
        )
    return None


def _length(e: Evidence, params: CleanParams) -> str | None:
    error = e.midi_length_s - float(e.description["duration_s"])
    e.numbers["duration_error_s"] = round(error, 4)
    last = e.midi_length_s - max(time for time, _ in e.midi)
    # A staccato on the last note shortens its sound.
    if error > params.max_duration_error_s or -error > params.max_duration_error_s + last:
        return f"the MIDI is {abs(error):.2f} s longer or shorter than the score"
    return None


def _dark(e: Evidence, params: CleanParams) -> str | None:
    """Ink under the filled heads, and less ink beside them.

    Nine pixels are averaged: a staff line alone is not dark.
    """
    hollow = np.zeros(len(e.heads), dtype=bool) if e.heads.hollow is None else e.heads.hollow
    greys = {}
    for name, spaces in (("dark_share", 0.0), ("control_dark_share", CONTROL_SPACES)):
        levels = [
            _grey(e.images[int(e.heads.system[i])], e.heads.x_px[i] + spaces * e.staff_space, row)
            for i, row in enumerate(e.heads.y_px)
            if not hollow[i]
        ]
        greys[name] = float(np.mean(np.array(levels) < DARK)) if levels else float(not spaces)
        e.numbers[name] = round(greys[name], 4)
    e.numbers["filled_heads"] = int(np.sum(~hollow))
    if greys["dark_share"] < params.min_dark_share:
        return f"only {greys['dark_share']:.0%} of the note heads have ink under them"
    if greys["control_dark_share"] > MAX_CONTROL_SHARE:
        return f"{greys['control_dark_share']:.0%} of the points beside the heads are dark, too"
    return None


def _grey(image: np.ndarray, x: float, y: float) -> float:
    """Mean of 3 x 3 pixels; paper outside of the image."""
    row, column = max(round(y) - 1, 0), max(round(x) - 1, 0)
    part = image[row : row + 3, column : column + 3]
    return float(part.mean()) if part.size else 255.0


def _window(e: Evidence, params: CleanParams) -> str | None:
    """What the game's window shows of the systems."""
    window = geometry_of(e.description).window_px
    lost = total = 0.0
    moved = 0
    shown = np.zeros(len(e.heads), dtype=bool)
    for system in e.systems:
        own = e.heads.system == system.system
        rows = e.heads.y_px[own]
        middle = middle_row(system, rows, e.staff_space, window)
        moved += abs(middle - (system.staff_top_px + system.staff_bottom_px) / 2) > 0.5
        outside, ink = ink_outside(e.images[system.system], middle, window)
        lost, total = lost + outside, total + ink
        shown[own] = np.abs(rows - middle) <= window / 2
    groups = e.heads.onsets()
    hidden = sum(not shown[group].any() for group in groups)
    e.numbers["ink_lost"] = round(lost / max(total, 1), 5)
    e.numbers["systems"], e.numbers["systems_moved"] = len(e.systems), moved
    e.numbers["heads_hidden"] = int(np.sum(~shown))
    e.numbers["onsets_hidden"] = hidden
    if hidden > HIDDEN_SHARE * len(groups):
        return f"{hidden} onsets lie above or below the window of {window} px"
    return None
