"""A project with one small piece: two printed systems, a click for every note head."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sfpipe.agents.agent import save_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.audio.files import write_flac
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.engraving.files import NOTEHEADS, SYSTEMS
from sfpipe.params import Params, parse_params
from sfpipe.paths import Paths
from sfpipe.store.schema import SAMPLE_RATE
from sfpipe.store.window import WINDOWS
from sfpipe.store.writer import write_scores, write_spectrograms
from sfpipe.viewing.select_performance import SelectedPerformance, Selection, select_performance

PIECE, PERFORMANCE = "clicks", "plain"
WIDTHS = (150, 170)  # of the two systems, px
STEP_PX, FIRST_PX, STEP_S, FIRST_S = 14, 30, 0.32, 0.33
# Eight heads on each system; the second begins at strip column 150.
X = np.array([FIRST_PX + STEP_PX * i for i in range(8)] * 2, float)
STRIP_X = X + np.repeat([0, WIDTHS[0]], 8)
ONSET_S = FIRST_S + STEP_S * np.arange(16)
Y = np.array([14, 18, 22, 26] * 4)


def clicks() -> np.ndarray:
    """A short 1 kHz tone at every onset, int16."""
    samples = np.zeros(int((ONSET_S[-1] + 1) * SAMPLE_RATE))
    tone = np.sin(2 * np.pi * 1000 * np.arange(1500) / SAMPLE_RATE) * np.exp(-np.arange(1500) / 300)
    for onset in ONSET_S:
        at = round(onset * SAMPLE_RATE)
        samples[at : at + len(tone)] += 16000 * tone
    return samples.astype(np.int16)


def system_image(index: int) -> np.ndarray:
    """Five lines and a black block of 4 x 4 px per head."""
    image = np.full((40, WIDTHS[index]), 255, np.uint8)
    image[13:28:4] = 190
    for x, y in zip(X[8 * index : 8 * index + 8], Y, strict=False):
        image[y - 2 : y + 2, int(x) - 2 : int(x) + 2] = 0
    return image


def write_engraved(folder: Path) -> None:
    folder.mkdir(parents=True)
    systems, heads = [",".join(SYSTEMS)], [",".join(NOTEHEADS)]
    for i in (0, 1):
        cv2.imwrite(str(folder / f"system-{i}.png"), system_image(i))
        row = {"system": i + 1, "file": f"system-{i}.png", "x_px": sum(WIDTHS[:i])}
        row |= {"width_px": WIDTHS[i], "height_px": 40, "staff_top_px": 13, "staff_bottom_px": 29}
        systems.append(",".join(str(row[name]) for name in SYSTEMS))
    for i, onset in enumerate(ONSET_S):
        row = {"system": i // 8 + 1, "x_px": X[i], "y_px": Y[i], "staff": 1, "midi_pitch": 60}
        row |= {"onset_s": onset, "onset_quarter": i, "tied": 0, "grace": 0}
        heads.append(",".join(str(row[name]) for name in NOTEHEADS))
    (folder / "systems.csv").write_text("\n".join(systems) + "\n")
    (folder / "noteheads.csv").write_text("\n".join(heads) + "\n")
    about = {"piece": PIECE, "title": "Clicks", "split": "test", "engine": "verovio"}
    about |= {"staff_space_px": 4.0, "px_per_cm": 28.35, "duration_s": 8.0}
    (folder / "engraving.json").write_text(json.dumps(about))


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("viewing")
    about = {"dataset": "toy", "params": {}, "tools": {}}
    strip = np.hstack([system_image(0), system_image(1)])
    with write_scores(root / "data/scores/toy.h5", **about) as store:
        store.add(
            PIECE,
            split="test",
            title="Clicks & <Ticks>",
            strip=strip,
            onset_x_px=STRIP_X,
            onset_y_px=Y,
            onset_quarter=np.arange(16),
            staff_space_px=4.0,
            px_per_cm=28.0,
        )
    with write_spectrograms(root / "data/spectrograms/toy.h5", **about) as store:
        store.add(
            PIECE,
            PERFORMANCE,
            split="test",
            spectrogram=spectrogram(clicks(), SAMPLE_RATE),
            onset_s=ONSET_S,
            score_onset=np.arange(16),
        )
    write_flac(root / "data/audio/toy" / PIECE / f"{PERFORMANCE}.flac", clicks())
    write_engraved(root / "data/engraved/toy" / PIECE)
    network = ActorCritic(WINDOWS["nottingham"])
    network.initialise(torch.Generator().manual_seed(0))
    save_agent(root / "models/agent", network, {"window": "nottingham"})
    return root


@pytest.fixture
def paths(project) -> Paths:
    return Paths("toy")


@pytest.fixture
def params() -> Params:
    return parse_params({"dataset": "toy", "algo": "ppo", "seed": 3})


@pytest.fixture
def shown(paths) -> SelectedPerformance:
    return select_performance(paths, Selection())
