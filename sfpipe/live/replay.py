"""`sfpipe follow --page`: one file with the pages, the sound, and the cursor as it moved."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from sfpipe.audio.files import load_audio
from sfpipe.files import replacing
from sfpipe.inspection.templates import embed_json, fill_template
from sfpipe.live.engine import LivePosition
from sfpipe.live.scores import crisp, describe_score
from sfpipe.pages.page_set import Page, PageSet
from sfpipe.viewing.video import encode_sound

TEMPLATE = Path(__file__).with_name("replay.html")
WEB = Path(__file__).with_name("web")
STATES = ("waiting", "following", "unsure", "relocated", "lost", "finished")


def write_replay(
    path: Path,
    page_set: PageSet,
    positions: Sequence[LivePosition],
    audio: Path | np.ndarray | None,
) -> None:
    """Write a page that needs nothing else: it plays the recording and moves the cursor.

    Parameters
    ----------
    audio:
        The recording, a file or int16 samples at 22,050 Hz; None: there is none, and a clock runs.

    Raises
    ------
    SfpipeError
        If the recording cannot be read, or ffmpeg fails.
    """
    score = describe_score(page_set, "", page_set.source)
    for described, page in zip(score["pages"], page_set.pages, strict=True):
        described["url"] = _data_url(page)
    samples = load_audio(audio) if isinstance(audio, Path) else audio
    sound = None if samples is None else _base64(encode_sound(samples))
    data = {
        "score": score,
        "states": STATES,
        "positions": [_row(position) for position in positions],
        "pitches": _pitches(positions),
        "sound": sound,
    }
    text = fill_template(
        TEMPLATE,
        title=page_set.source,
        style=Markup((WEB / "style.css").read_text("utf-8")),
        script=Markup((WEB / "score.js").read_text("utf-8")),
        data=embed_json(data),
    )
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def _pitches(positions: Sequence[LivePosition]) -> list[tuple[float, str]]:
    """What was known of the pitch, each time with when that was first said."""
    said: list[tuple[float, str]] = []
    for position in positions:
        if not said or position.pitch_words != said[-1][1]:
            said.append((round(position.time_s, 2), position.pitch_words))
    return said


def _row(position: LivePosition) -> list[float]:
    """Time, column of the strip, page, system, x, y_top, y_bottom, number of the state."""
    p = position
    places = [p.time_s, p.strip_x, p.page, p.system, p.x, p.y_top, p.y_bottom]
    return [*(round(v, 2) for v in places), STATES.index(p.state)]


def _data_url(page: Page) -> str:
    content = crisp(page.svg).encode() if page.svg else page.image
    return f"data:{page.media_type};base64,{_base64(content)}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
