"""Tunes beside the way they were engraved up to 0.1, whole scores beside LilyPond's."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import resvg_py
import verovio

from benchmarks.table import Bench, Row
from sfpipe.datasets.index import Piece, read_index
from sfpipe.engraving.piece import engrave_piece, read_melody
from sfpipe.engraving.stage import engrave_file
from sfpipe.params import EngraveParams
from sfpipe.score.stage import unroll_piece
from tests.pages.music import musicxml

BARS = (16, 64, 160)  # of the scores


def bench_engraving(bench: Bench, root: Path) -> None:
    """Pieces a second of one process from ABC to image, MIDI and note list; the reader's share."""
    raw = root / "raw"
    pieces = read_index(raw).pieces
    params = EngraveParams()
    with tempfile.TemporaryDirectory() as folder:

        def whole(piece: Piece) -> None:
            engrave_piece(piece, params, raw, Path(folder))

        def reading(piece: Piece) -> None:
            read_melody(raw / piece.source, None, params)

        sides: dict[str, Callable[[Piece], Any]] = {
            "whole": whole,
            "reading": reading,
            "through music21": lambda piece: through_music21(raw / piece.source, params),
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for side in sides.values():
            side(pieces[0])  # imports
        for _ in range(bench.rounds):
            for name, side in sides.items():
                started = time.perf_counter()
                for piece in pieces:
                    side(piece)
                seconds[name].append((time.perf_counter() - started) / len(pieces))
    bench.show(
        Row(
            "tunes read and engraved",
            "pieces/s",
            [1 / s for s in seconds["whole"]],
            [1 / s for s in seconds["through music21"]],
        )
    )
    share = [100 * r / w for r, w in zip(seconds["reading"], seconds["whole"], strict=True)]
    bench.show(Row("of it in the reader", "%", share))


def bench_scores(bench: Bench, root: Path) -> None:
    """Whole scores in MusicXML to strips, a score a turn, by Verovio and by LilyPond.

    The latter is how all of them were imported before, and Vienna 4x22 still is: musicxml2ly and
    LilyPond, whose pages are cut into systems. Processor time counts.
    """
    params = EngraveParams()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        for bars in BARS:
            source = made / f"{bars}.musicxml"
            source.write_text(musicxml(bars, seed=bars), "utf-8")
            digest = hashlib.sha256(source.read_bytes()).hexdigest()

            def seconds(engine: str, source: Path = source, digest: str = digest) -> float:
                piece = Piece(engine, "", "test", source.name, digest, "own", engine=engine)
                started = os.times()
                engrave_file(piece, params, made, made / "out")
                unroll_piece(made / "out" / engine, None)
                return sum(os.times()[:4]) - sum(started[:4])  # LilyPond is another process

            seconds("verovio")  # imports
            pairs = [(seconds("verovio"), seconds("lilypond")) for _ in range(bench.rounds)]
            ours, theirs = ([1 / pair[side] for pair in pairs] for side in (0, 1))
            bench.show(
                Row(f"score of {bars} bars (beside: LilyPond)", "pieces/cpu s", ours, theirs)
            )


def through_music21(source: Path, params: EngraveParams) -> None:
    """An ABC tune to an image as sfpipe 0.1 made one, without its files and checks."""
    from music21 import converter
    from music21.musicxml.m21ToXml import GeneralObjectExporter
    from music21.repeat import ExpanderException
    from music21.stream import Score

    text = re.sub(r'(?m)%.*$|^[wWsHNIPZSROBCDFG]:.*\n?|"[^"\n]*"|![^!\n]*!', "", source.read_text())
    parsed: Any = converter.parse(re.sub(r"\\[ \t]*\n", "", text), format="abc")
    part = parsed.parts[0]
    with suppress(ExpanderException):  # 26 tunes of ryan were refused here
        part = part.expandRepeats() if part.hasMeasures() else part.makeNotation()
    part.splitAtDurations(recurse=True)
    part.makeAccidentals(inPlace=True, overrideStatus=True)
    for mark in list(part.recurse().getElementsByClass("TempoIndication")):
        part.remove(mark, recurse=True)
    for number, note in enumerate(part.recurse().notes):
        note.id = f"n{number}"
    exporter = GeneralObjectExporter(Score([part]))
    exporter.makeNotation = False
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    options = dict.fromkeys(("breaks", "header", "footer"), "none")
    fitted = dict.fromkeys(("adjustPageHeight", "adjustPageWidth", "svgViewBox"), True)
    spacing = {"spacingLinear": params.spacing_linear}
    spacing["spacingNonLinear"] = params.spacing_non_linear
    toolkit.setOptions(options | fitted | spacing)
    toolkit.loadData(exporter.parse().decode("utf-8"))
    svg = toolkit.renderToSVG(1)
    timemap = toolkit.renderToTimemap({})
    json.loads(timemap) if isinstance(timemap, str) else timemap
    toolkit.getMEI()
    box = re.search(r'class="definition-scale"[^>]*viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    sizes = box.groups() if box else ("1000", "100")
    width, height = (float(v) * params.staff_space_px / 180 for v in sizes)
    png = resvg_py.svg_to_bytes(
        svg_string=svg,
        width=3 * round(width),
        height=3 * round(height),
        background="white",
        skip_system_fonts=True,
    )
    large: Any = cv2.imdecode(np.frombuffer(bytes(png), np.uint8), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(large, (round(width), round(height)), interpolation=cv2.INTER_AREA)
    cv2.imencode(".png", small)
