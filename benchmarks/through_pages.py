"""What following through a page costs: the share of onsets reached on the engraver's strip, and on
strips read from pictures of the same pages, clean and degraded.

    python -m benchmarks.through_pages nottingham --pieces 20
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import mido
import numpy as np
import resvg_py
from PIL import Image

from benchmarks.data import PARAMS
from benchmarks.table import Bench, Row
from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import SAMPLE_RATE, synthesize_midi
from sfpipe.datasets.index import Piece, read_index
from sfpipe.datasets.stage import download
from sfpipe.engraving.lilypond.piece import engrave_source
from sfpipe.engraving.piece import engrave_piece
from sfpipe.errors import SfpipeError
from sfpipe.following.evaluation_set import EvaluationSet
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.registry import load_follower
from sfpipe.pages.lilypond import LILYPOND_SUFFIXES
from sfpipe.pages.page_set import Page, PageSet
from sfpipe.pages.read import read_pages
from sfpipe.params import load_params, override
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from tests.pages.degrade import KINDS, Photo, degrade

WIDTH = 1654  # px: A4 at 200 dpi
SOUNDFONT = "FluidR3_GM"


def main() -> None:
    """Print a row for each kind of picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=["nottingham", "msmd"])
    parser.add_argument("--pieces", type=int, default=20, help="of the test split, the first ones")
    parser.add_argument("--kinds", nargs="*", default=["clean", "all"], choices=["clean", *KINDS])
    parser.add_argument("--raw", type=Path, help="where the data set is, or is put")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw = options.raw or Path(folder) / "raw"
        if not (raw / "index.json").exists():
            p = load_params(PARAMS)
            whole = override(p.download, max_pieces=None)
            download(options.dataset, whole, p.seed, raw, mirror=os.environ.get("SFPIPE_MIRROR"))
        pieces = [piece for piece in read_index(raw).pieces if piece.split == "test"]
        rows: dict[str, list[float]] = {kind: [] for kind in ("strip", *options.kinds)}
        follower = load_follower(f"{options.dataset}-belief")
        for number, piece in enumerate(pieces[: options.pieces]):
            try:
                reached = _piece(follower, piece, raw, Path(folder), options.kinds, number)
            except SfpipeError as error:
                print(f"{piece.id} is left out: {error}")
                continue
            print(piece.id, *(f"{share:.3f}" for share in reached), flush=True)
            for kind, share in zip(rows, reached, strict=True):
                rows[kind].append(share)
    bench = Bench(0, 1)
    for kind, shares in rows.items():
        name = f"{options.dataset}, {len(shares)} pieces, {kind}: R_on"
        bench.show(Row(name, "", [float(np.mean(shares))]))


def _piece(
    follower: LoadedFollower,
    piece: Piece,
    raw: Path,
    folder: Path,
    kinds: Sequence[str],
    seed: int,
) -> list[float]:
    """Shares of onsets reached: on the strip of the drawing, and through each kind of picture."""
    drawn = read_pages(raw / piece.source)
    assert drawn.onsets is not None
    if piece.source.endswith(LILYPOND_SUFFIXES):
        engrave_source(piece, raw, folder / "engraved")
    else:
        engrave_piece(piece, load_params(PARAMS).engrave, raw, folder / "engraved")
    midi = folder / "engraved" / piece.id / "score.mid"
    sound = spectrogram(synthesize_midi(midi, resolve_soundfont(SOUNDFONT).path), SAMPLE_RATE)
    # The data set's own tempo: a file's notes are the same, its marks of tempo may be others.
    seconds = _onsets(midi)
    if len(seconds) != len(drawn.onsets.seconds):
        raise SfpipeError("is printed and played with different onsets")
    notes = np.arange(len(seconds))
    played = PerformanceRecord("score", "page", "test", sound, seconds, notes, 1.0, SOUNDFONT)
    shares = [_share(follower, _inside(drawn.score_record()), played)]
    for kind in kinds:
        photos = [_photo(page, kind, np.random.default_rng(seed)) for page in drawn.pages]
        images = [Image.fromarray(photo.image) for photo in photos]
        path = folder / "pages.tif"
        images[0].save(path, save_all=True, append_images=images[1:])
        try:
            pages = read_pages(path)
            record = _through(drawn, pages, photos)
        except SfpipeError as error:
            print(f"{piece.id}, {kind}: {error}")
            shares.append(0.0)
            continue
        shares.append(_share(follower, record, played))
    return shares


def _onsets(path: Path) -> np.ndarray:
    """Times at which notes begin in a MIDI file, s."""
    at, times = 0.0, set()
    for message in mido.MidiFile(path):
        at += message.time
        if message.type == "note_on" and message.velocity:
            times.add(at)
    return np.array(sorted(times))


def _photo(page: Page, kind: str, rng: np.random.Generator) -> Photo:
    if page.svg:
        png = bytes(resvg_py.svg_to_bytes(svg_string=page.svg, width=WIDTH, background="white"))
    else:
        png = page.image
    grey = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    scale = WIDTH / grey.shape[1]
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return Photo(grey) if kind == "clean" else degrade(grey, kind, rng)


def _through(drawn: PageSet, pages: PageSet, photos: Sequence[Photo]) -> ScoreRecord:
    """The strip of the pictures, with the onsets where they are in it."""
    assert drawn.onsets is not None
    numbers = [page.number for page in pages.pages]
    points = []
    for x, y in zip(drawn.onsets.strip_x, drawn.onsets.strip_y, strict=True):
        system = drawn.systems[drawn.system_at(x)]
        page = drawn.pages[system.page]
        printed = np.array([system.point(x, y)]) * WIDTH / page.width - 0.5
        place = photos[system.page].points(printed)
        if system.page + 1 not in numbers:
            raise SfpipeError(f"page {system.page + 1} was not read")
        index = numbers.index(system.page + 1)
        turned = pages.pages[index].from_source
        if turned is not None:
            place = cv2.perspectiveTransform(place[None], turned)[0]
        near = pages.nearest_system(index, float(place[0, 1]))
        assert near is not None
        points.append(pages.systems[near].strip_point(*map(float, place[0])))
    columns, rows = np.array(points).T
    columns[0] = pages.start_px  # where a follower begins that knows the pages alone
    columns = np.clip(np.maximum.accumulate(columns), 0, pages.strip.shape[1] - 1)
    record = drawn.score_record()
    return _inside(replace(record, strip=pages.strip, onset_x_px=columns, onset_y_px=rows))


def _inside(record: ScoreRecord) -> ScoreRecord:
    """Also heads far above and below the staves are rows of the strip."""
    rows = np.clip(record.onset_y_px, 0, record.strip.shape[0] - 1)
    # No two onsets are at one place, also where a picture shows them so.
    columns = record.onset_x_px + 1e-4 * np.arange(len(rows))
    return replace(record, onset_y_px=rows, onset_x_px=columns)


def _share(follower: LoadedFollower, score: ScoreRecord, played: PerformanceRecord) -> float:
    pieces = EvaluationSet({score.piece: score}, [played], follower.window)
    game = follower.play(pieces, 1)[0]
    return game.onsets_reached / len(game.onset_s)


if __name__ == "__main__":
    main()
