"""`sfpipe page`: one self-contained HTML file of a piece, with sound and a cursor per follower."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.inspection.templates import embed_json, fill_template
from sfpipe.params import Params
from sfpipe.paths import Paths
from sfpipe.store.schema import FPS
from sfpipe.viewing.game_trace import GameTrace
from sfpipe.viewing.select_performance import (
    SelectedPerformance,
    Selection,
    select_performance,
    sound_of,
)
from sfpipe.viewing.shown_game import play_selected
from sfpipe.viewing.system_layout import SheetRow, sheet
from sfpipe.viewing.video import encode_sound

FOLDER = Path("pages")
TEMPLATE = Path(__file__).with_name("page.html")
TRUTH = "#de6e12"  # the target's orange
# Of the followers: told apart also by people who see colours differently.
COLOURS = ("#1f5fa8", "#3a8f4d", "#8a4fb0", "#00818a", "#b0336f", "#6b5b2e")
SPACE_PX = 8.0  # of the staff on the page, CSS px


def page(
    params: Params,
    paths: Paths,
    followers: Sequence[str],
    selection: Selection,
    *,
    deterministic: bool = False,
    out: Path | None = None,
) -> Path:
    """Let all followers follow one performance, and write the page that shows them.

    Parameters
    ----------
    followers:
        Names or folders, as `load_follower` takes them, in the order of the legend.
    selection, deterministic:
        As `sfpipe.viewing.watch.watch`.
    out:
        The file; by default ``pages/<piece>-<performance>.html``.

    Raises
    ------
    SfpipeError
        If a store, an agent or the recording cannot be read, or ffmpeg fails.
    """
    shown = select_performance(paths, selection, seed=params.seed)
    traces = [
        play_selected(shown, name, params, paths, deterministic=deterministic).trace
        for name in followers
    ]
    samples = sound_of(shown, params.synthesize)
    if samples is None:
        print(f"sfpipe: no recording of {shown.name} is here: the page is silent", file=sys.stderr)
    path = out or FOLDER / f"{shown.name}.html"
    with replacing(path) as temporary:
        temporary.write_text(write_page(shown, traces, samples), "utf-8")
    return path


def write_page(
    shown: SelectedPerformance, traces: Sequence[GameTrace], samples: np.ndarray | None
) -> str:
    """The page's HTML: pictures, sound, style and script all inside.

    Parameters
    ----------
    samples:
        int16 [shape=(N,)], mono at 22,050 Hz; None: no sound, the clock of the machine runs.

    Raises
    ------
    SfpipeError
        If there are no followers' traces, or ffmpeg fails.
    """
    if not traces:
        raise SfpipeError("nobody follows", remedy="name an agent, a baseline or a player")
    music = sheet(shown)
    record, score = shown.performance, shown.score
    data = {
        "fps": FPS,
        "duration": record.spectrogram.shape[1] / FPS,
        "scale": round(SPACE_PX / score.staff_space_px, 3),
        "rows": [_row(row, vector=bool(music.vectors)) for row in music.rows],
        "vectors": list(music.vectors),
        "notes": [
            [round(h.time_s, 3), h.row, round(h.x_px, 1), round(h.y_px, 1)] for h in music.heads
        ],
        "followers": [_truth(shown), *(_follower(t, i) for i, t in enumerate(traces))],
        "sound": None if samples is None else _base64(encode_sound(samples)),
    }
    subtitle = " · ".join(filter(None, (record.piece, record.performance, shown.condition_label)))
    title = score.title or record.piece
    return fill_template(TEMPLATE, title=title, subtitle=subtitle, data=embed_json(data))


def _row(row: SheetRow, *, vector: bool) -> dict[str, Any]:
    """A row's place, and which part of which vector picture it is, else its pixels."""
    height, width = row.image.shape
    place = {"x": row.x_px, "width": width, "height": height}
    if vector:
        return place | {"vector": row.system, "left": row.left_px, "cut": row.top_px}
    import cv2

    done, png = cv2.imencode(".png", row.image)
    assert done
    return place | {"image": _base64(png.tobytes())}


def _truth(shown: SelectedPerformance) -> dict[str, Any]:
    """Where the music is, as the game's target: onsets by frame, linear in between."""
    record, x = shown.performance, shown.score.onset_x_px
    frames, first = np.unique(
        np.floor(record.onset_s * FPS + 1e-9).astype(np.int64), return_index=True
    )
    every = np.arange(frames[0], frames[-1] + 1)
    target = np.interp(every, frames, x[record.score_onset[first]])
    return _cursor("music", TRUTH, int(frames[0]), target, lost=False)


def _follower(one: GameTrace, index: int) -> dict[str, Any]:
    colour = COLOURS[index % len(COLOURS)]
    return _cursor(one.name, colour, one.start_frame, one.position_px, lost=one.lost)


def _cursor(
    name: str, colour: str, start: int, position: np.ndarray, *, lost: bool
) -> dict[str, Any]:
    return {
        "name": name,
        "colour": colour,
        "start": start,
        "x": [round(float(p), 1) for p in position],
        "lost": lost,
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
