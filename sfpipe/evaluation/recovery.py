"""How soon a follower is right again after a jump, and how often it jumps where nobody did.

Conventions
-----------
Positions and targets are in strip px, one per frame of a take; targets are NaN where nothing is
played. A follower has *recovered* from an event in the first frame from which on it stays within
the threshold of the game for a second.

Metrics
-------
* `recovery_s`: seconds from an event to the recovery; infinite where there is none before the next
  event.
* `share_right`: share of the frames in the 5 s after it that are within the threshold.
* `error_px`: median distance in these frames.
* `false_jumps`: how often a position leaps by more than the threshold to where the music is not,
  in frames with no event in the 5 s before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sfpipe.evaluation.jumps import JUMPS, KINDS, PracticeEvent, PracticeTake
from sfpipe.store.schema import FPS

WITHIN_S = (0.5, 1.0, 2.0, 3.0, 5.0)
STAYS_S = 1.0
AFTER_S = 5.0
# Events that move the music to where the follower does not expect it.
MOVING = (*JUMPS, "false start", "as written")


@dataclass(frozen=True)
class Recovery:
    """What came of an event: the figures that the module names."""

    piece: str
    performance: str
    event: PracticeEvent
    recovery_s: float
    share_right: float
    error_px: float


@dataclass(frozen=True)
class FollowedTake:
    """A take, and where a follower was in each of its frames, float64 [shape=(n,)], strip px."""

    take: PracticeTake
    position_px: np.ndarray
    threshold_px: float
    px_per_cm: float

    @property
    def right(self) -> np.ndarray:
        """In which frames it is within the threshold, or nothing is played."""
        error = np.abs(self.position_px - self.take.target_px)
        return np.isnan(error) | (error <= self.threshold_px)


def recoveries(followed: FollowedTake) -> list[Recovery]:
    """Of each event of a take."""
    take, right = followed.take, followed.right
    error = np.abs(followed.position_px - take.target_px)
    ends = [event.frame for event in take.events[1:]] + [len(right)]
    found = []
    for event, end in zip(take.events, ends, strict=False):
        after = slice(event.frame, min(event.frame + round(AFTER_S * FPS), end))
        recovered = _recovered(right[event.frame : end])
        shown, sizes = right[after], error[after]
        found.append(
            Recovery(
                take.piece,
                take.performance,
                event,
                recovered / FPS if recovered is not None else float("inf"),
                float(shown.mean()),
                float(np.nanmedian(sizes)) if not np.isnan(sizes).all() else float("nan"),
            )
        )
    return found


def _recovered(right: np.ndarray) -> int | None:
    """The first frame from which on a second is right; at the end of a take, what is left."""
    need = min(round(STAYS_S * FPS), len(right))
    run = 0
    for i, ok in enumerate(right):
        run = run + 1 if ok else 0
        if run >= need:
            return i + 1 - need
    return None


def false_jumps(followed: FollowedTake) -> tuple[int, float]:
    """Number of false jumps, and the minutes in which they were counted."""
    take = followed.take
    counted = ~np.isnan(take.target_px)
    for event in take.events:
        counted[event.frame : event.frame + round(AFTER_S * FPS)] = False
    leaps = np.abs(np.diff(followed.position_px, prepend=followed.position_px[:1]))
    false = counted & (leaps > followed.threshold_px) & ~followed.right
    return int(false.sum()), float(counted.sum() / FPS / 60)


def summarise(takes: Sequence[FollowedTake]) -> dict[str, Any]:
    """Plain figures of all takes of one follower; null where there is nothing to count."""
    found = [(r, t.px_per_cm) for t in takes for r in recoveries(t)]
    kinds = {k: _of_events([r for r in found if r[0].event.kind == k]) for k in KINDS}
    result: dict[str, Any] = {
        "jumps": _of_events([r for r in found if r[0].event.kind in MOVING]),
        "jumps_told_by_notes": _of_events(
            [r for r in found if r[0].event.kind in MOVING and not r[0].event.alike]
        ),
        "begin": kinds["begin"],
        "begin_told_by_notes": _of_events(
            [r for r in found if r[0].event.kind == "begin" and not r[0].event.alike]
        ),
        "kinds": {k: v for k, v in kinds.items() if v["n"]},
        "false_jumps": {},
    }
    for kind in ("plain", "wrong notes", "practice"):
        counts = [false_jumps(t) for t in takes if t.take.kind == kind]
        if counts:
            n, minutes = sum(c[0] for c in counts), sum(c[1] for c in counts)
            per_minute = n / minutes if minutes else None
            about = {"n": n, "minutes": minutes, "per_minute": per_minute}
            result["false_jumps"][kind] = about
    return result


def _of_events(found: Sequence[tuple[Recovery, float]]) -> dict[str, Any]:
    if not found:
        return {"n": 0}
    seconds = np.array([r.recovery_s for r, _ in found])
    median = float(np.median(seconds))
    errors = np.array([r.error_px / scale for r, scale in found])
    known = errors[~np.isnan(errors)]
    return {
        "n": len(found),
        "within_s": {f"{s:g}": float((seconds <= s).mean()) for s in WITHIN_S},
        "median_s": median if np.isfinite(median) else None,
        "share_right_5s": float(np.mean([r.share_right for r, _ in found])),
        "error_cm_5s": float(np.median(known)) if len(known) else None,
    }
