"""A project folder with three short pieces, one per split, for commands and stages."""

from pathlib import Path

import numpy as np

from sfpipe.store.heads import Heads
from sfpipe.store.writer import write_scores, write_spectrograms

SPLITS = ("train", "valid", "test")


def write_stores(root: Path) -> None:
    """Both stores of the data set `toy`: random pictures and sounds, 70 px in 22 frames."""
    about = {"dataset": "toy", "params": {}, "tools": {"made": "by hand"}}
    rng = np.random.default_rng(0)
    with write_scores(root / "data/scores/toy.h5", **about) as store:
        for i, split in enumerate(SPLITS):
            store.add(
                f"tune{i}",
                split=split,
                strip=rng.integers(0, 256, (40, 200)).astype(np.uint8),
                onset_x_px=[20, 50, 90],
                onset_y_px=[20, 20, 20],
                onset_quarter=[0, 1, 2],
                staff_space_px=3.5,
                px_per_cm=28.0,
                heads=Heads(np.array([0, 1, 1, 2]), np.full(4, 20.0), np.array([60, 62, 65, 64])),
            )
    with write_spectrograms(root / "data/spectrograms/toy.h5", **about) as store:
        for i, split in enumerate(SPLITS):
            store.add(
                f"tune{i}",
                "plain",
                split=split,
                spectrogram=rng.random((78, 30)).astype(np.float32),
                onset_s=[0.1, 0.6, 1.2],
                score_onset=[0, 1, 2],
            )
