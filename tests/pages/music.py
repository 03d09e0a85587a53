"""Music to be printed: seeded, in MusicXML."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_STEPS = "CDEFGAB"


def musicxml(bars: int, *, staves: int = 2, seed: int = 0, title: str = "Study") -> str:
    """Common time; eighths in the upper staff, quarters and halves in the lower ones."""
    return ensemble(bars, (staves,), seed=seed, title=title)


def ensemble(bars: int, parts: Sequence[int], *, seed: int = 0, title: str = "Study") -> str:
    """As `musicxml`, for several parts, each with so many staves."""
    rng = np.random.default_rng(seed)
    names, bodies = [], []
    for number, staves in enumerate(parts, 1):
        body = "".join(_bar(n, staves, rng) for n in range(1, bars + 1))
        bodies.append(f'<part id="P{number}">{body}</part>')
        names.append(f'<score-part id="P{number}"><part-name>Part</part-name></score-part>')
    return (
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="4.0">'
        f"<work><work-title>{title}</work-title></work><part-list>{''.join(names)}</part-list>"
        f"{''.join(bodies)}</score-partwise>"
    )


def _bar(number: int, staves: int, rng: np.random.Generator) -> str:
    parts = []
    for staff in range(1, staves + 1):
        length = 1 if staff == 1 else int(rng.choice([2, 4]))
        upper = staff == 1
        for _ in range(8 // length):
            parts.append(_note(int(rng.integers(30, 42) - (0 if upper else 12)), length, staff))
        parts.append("<backup><duration>8</duration></backup>")
    return f'<measure number="{number}">{_attributes(staves) if number == 1 else ""}' + (
        "".join(parts[:-1]) + "</measure>"
    )


def _attributes(staves: int) -> str:
    clefs = "".join(
        f'<clef number="{n}"><sign>{"G" if n == 1 else "F"}</sign><line>{2 if n == 1 else 4}</line>'
        "</clef>"
        for n in range(1, staves + 1)
    )
    return (
        "<attributes><divisions>2</divisions><key><fifths>-1</fifths></key><time><beats>4</beats>"
        f"<beat-type>4</beat-type></time><staves>{staves}</staves>{clefs}</attributes>"
    )


def _note(step: int, length: int, staff: int) -> str:
    kind = {1: "eighth", 2: "quarter", 4: "half"}[length]
    return (
        f"<note><pitch><step>{_STEPS[step % 7]}</step><octave>{step // 7}</octave></pitch>"
        f"<duration>{length}</duration><voice>{staff}</voice><type>{kind}</type>"
        f"<staff>{staff}</staff></note>"
    )
