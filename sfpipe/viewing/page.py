"""`sfpipe page`: one self-contained HTML file of a piece, with sound and a cursor per follower."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.datasets.index import read_index
from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.following.registry import follower_files
from sfpipe.following.sources import CarriedSources, Sources
from sfpipe.inspection.templates import embed_json, fill_template
from sfpipe.parallel import Files, StageReport, batches, map_pieces
from sfpipe.params import Params
from sfpipe.paths import Paths
from sfpipe.store.reader import list_performances
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
    make = _Page(params, paths, tuple(followers), deterministic, out)
    return make(_Shown(shown, Sources.of(params, paths, shown.store)))


@dataclass(frozen=True)
class _Shown:
    """What is shown, and what followers are made from; `printed` are sources of its print."""

    selected: SelectedPerformance
    sources: Sources
    printed: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Page:
    """Makes the page of one performance, on any machine that has its files."""

    params: Params
    paths: Paths
    followers: tuple[str, ...]
    deterministic: bool
    out: Path | None = None

    def __call__(self, one: _Shown) -> Path:
        shown = one.selected
        play = partial(
            play_selected,
            params=self.params,
            paths=self.paths,
            deterministic=self.deterministic,
            sources=one.sources,
        )
        traces = [play(shown, name).trace for name in self.followers]
        samples = sound_of(shown, self.params.synthesize)
        if samples is None:
            silent = f"sfpipe: no recording of {shown.name} is here: the page is silent"
            print(silent, file=sys.stderr)
        path = self.file(shown)
        with replacing(path) as temporary:
            temporary.write_text(write_page(shown, traces, samples), "utf-8")
        return path

    def file(self, shown: SelectedPerformance) -> Path:
        """Where it goes."""
        return self.out or FOLDER / f"{shown.name}.html"

    def files(self) -> Files[_Shown]:
        """What a machine needs that has not this disk."""

        def needed(one: _Shown) -> Iterator[Path]:
            yield from filter(None, (one.selected.recording, one.selected.folder))
            yield from one.printed
            for name in self.followers:
                yield from follower_files(name, one.sources.models)

        return Files(needed, made=lambda one: [self.file(one.selected)])


def pages(
    params: Params,
    paths: Paths,
    followers: Sequence[str],
    *,
    split: str,
    real: bool = False,
    deterministic: bool = False,
    jobs: int = -1,
) -> StageReport:
    """A page of every piece of a split, or of every human performance's piece, as `page` makes it.

    Returns
    -------
    StageReport
        Pages that were made, and pieces without one, with the reason.

    Raises
    ------
    SfpipeError
        If a store cannot be read or not one page could be made.
    """
    store = paths.performances if real else paths.spectrograms
    known = CarriedSources.carrying(Sources.of(params, paths, store), followers)
    make = _Page(params, paths, tuple(followers), deterministic)
    prints = _prints(paths.raw)
    report = StageReport()
    every = sorted(list_performances(store, None if real else split))
    for label, batch in batches("pages", every):
        work = []
        for piece in batch:
            shown = select_performance(paths, Selection(split, piece, real=real))
            work.append(_Shown(shown, known.of_pieces([piece]), prints.get(piece, ())))
        for outcome in map_pieces(make, work, label=label, jobs=jobs, files=make.files()):
            if outcome.error is None:
                report.done.append(str(outcome.value))
            else:
                report.skipped[outcome.item.selected.score.piece] = outcome.error
    report.require_done(
        "not one page could be made",
        file=store,
        none=f"split {split} is empty",
        remedy="see --split, or make a page of one --piece",
    )
    return report


def _prints(raw: Path) -> dict[str, tuple[Path, ...]]:
    """By piece the files that LilyPond prints it from; none where they are not here."""
    index = raw / "index.json"
    if not index.is_file():
        return {}
    pieces = [piece for piece in read_index(raw).pieces if piece.engine == "lilypond"]
    return {piece.id: (index, (raw / piece.source).parent) for piece in pieces}


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
