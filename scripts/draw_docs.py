"""Draw the pictures of the documentation's pipeline page from what the pipeline made.

Usage: python scripts/draw_docs.py PIECE [folder]

Run after `dvc repro`; the pictures of docs/inspection.md come from `sfpipe explain`, `embed` and
`tempo`, docs/pictures/lost.png is metrics/plots/lost.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

from sfpipe.engraving.files import read_image, read_noteheads, read_systems
from sfpipe.evaluation.figures import AGENT, GREY, TARGET, bare, new_figure, plain, save
from sfpipe.inspection.charts import read_numbers, read_rows
from sfpipe.params import load_params
from sfpipe.paths import Paths
from sfpipe.store.reader import PerformanceRecord, read_performances, read_scores
from sfpipe.store.schema import FPS

SECONDS = 4.0
PX = 420  # of a system or strip


def main(piece: str, out: Path) -> None:
    """Draw all pictures of one piece."""
    paths = Paths(load_params().dataset)
    split = read_scores(paths.scores)[piece].split
    records = read_performances(paths.spectrograms, split)
    record = next(r for r in records if r.piece == piece)
    engraving(paths.engraved / piece, out / "engrave.png")
    sound(paths.audio / piece / f"{record.performance}.flac", record, out / "synthesize.png")
    spectrogram(record, out / "spectrograms.png")
    strip(paths.scores, piece, out / "scores.png")
    if Path("metrics/train").is_dir():
        training(Path("metrics/train/plots/metrics"), out / "train.png")


def engraving(folder: Path, path: Path) -> None:
    """The first system with its note heads."""
    system, heads = read_systems(folder)[0], read_noteheads(folder)
    image = read_image(folder / system.file)[:, :PX]
    mine = (heads.system == system.system) & (heads.x_px < PX - 4)
    figure = new_figure(8.4, 8.4 * image.shape[0] / PX + 0.1)
    axis = bare(figure.subplots())
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    places = heads.x_px[mine] - 0.5, heads.y_px[mine] - 0.5
    axis.plot(*places, "o", ms=11, mfc="none", mec=TARGET, mew=1.3)
    save(figure, path, dpi=110)


def sound(file: Path, record: PerformanceRecord, path: Path) -> None:
    """The first seconds of the waveform."""
    samples, rate = soundfile.read(file)
    samples = samples[: round(SECONDS * rate)]
    figure = new_figure(8.4, 1.8)
    axis = plain(figure.subplots())
    axis.plot(np.arange(len(samples)) / rate, samples, color=AGENT, lw=0.4)
    for onset in record.onset_s[record.onset_s < SECONDS]:
        axis.axvline(onset, color=GREY, lw=0.8)
    axis.set(xlim=(0, SECONDS), yticks=[])
    axis.set_xlabel("s", fontsize=8)
    save(figure, path, dpi=110)


def spectrogram(record: PerformanceRecord, path: Path) -> None:
    """The same seconds as the agent hears them."""
    shown = np.sqrt(record.spectrogram[:, : round(SECONDS * FPS)])
    figure = new_figure(8.4, 2.2)
    axis = figure.subplots()
    extent = (0, SECONDS, 0, len(shown))
    axis.imshow(shown, origin="lower", aspect="auto", extent=extent, interpolation="nearest")
    axis.set_xlabel("s", fontsize=8)
    axis.set_ylabel("bin", fontsize=8)
    axis.tick_params(labelsize=8)
    save(figure, path, dpi=110)


def strip(scores: Path, piece: str, path: Path) -> None:
    """The beginning of the strip with its onset positions."""
    record = read_scores(scores)[piece]
    figure = new_figure(8.4, 8.4 * record.strip.shape[0] / PX + 0.1)
    axis = bare(figure.subplots())
    axis.imshow(record.strip[:, :PX], cmap="gray", vmin=0, vmax=255)
    for x in record.onset_x_px[record.onset_x_px < PX]:
        axis.axvline(x - 0.5, color=TARGET, lw=1.2, alpha=0.8)
    save(figure, path, dpi=110)


def training(folder: Path, path: Path) -> None:
    """The learning curve on validation."""
    rows = read_rows(folder / "validation_r_on.tsv")
    figure = new_figure(6, 2.6)
    axis = plain(figure.subplots())
    axis.plot(
        read_numbers(rows, "step"), read_numbers(rows, "validation_r_on"), "o-", color=AGENT, ms=4
    )
    axis.set(ylim=(0, 1))
    axis.set_xlabel("frames", fontsize=8)
    axis.set_ylabel("R_on on validation", fontsize=8)
    save(figure, path, dpi=110)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else "docs/pictures"))
