"""Played games for the evaluation tests: made by hand, and the golden recordings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sfpipe.game.play import PlayedGame
from sfpipe.store.schema import EXCERPT, FPS

GOLDEN_PIECE = "Anonymous__lesgraces__lesgraces"


def _make_game(
    errors,
    *,
    piece="tune",
    performance="p1",
    trial=0,
    lost=False,
    onset_frames=(10, 14, 20),
    onset_x_px=(100.0, 120.0, 180.0),
    threshold_px=50.0,
    px_per_cm=20.0,
):
    """A game with these tracking errors; positions follow from the onset map."""
    frames = np.asarray(onset_frames)
    x = np.asarray(onset_x_px, np.float32)
    errors = np.asarray(errors, np.float32)
    target = np.interp(frames[0] + 1 + np.arange(len(errors)), frames, x)
    return PlayedGame(
        piece=piece,
        performance=performance,
        trial=trial,
        start_frame=int(frames[0]),
        error_px=errors,
        position_px=(target + errors).astype(np.float32),
        lost=lost,
        onset_frames=frames,
        onset_x_px=x,
        onset_s=frames / FPS + 0.01,
        px_per_cm=px_per_cm,
        width=int(3 * threshold_px),
        threshold_px=threshold_px,
        reward_sum=float((1 - np.abs(errors) / threshold_px).sum()),
    )


@pytest.fixture(scope="session")
def make_game():
    """The function that makes a game from its tracking errors."""
    return _make_game


@pytest.fixture(scope="session")
def golden_games(reference):
    """(game, what the reference's evaluator said of it) of every recorded episode."""
    folder = reference / "trajectories"
    inputs = np.load(folder / f"inputs_{GOLDEN_PIECE}.npz", allow_pickle=True)
    return [
        pair
        for path in sorted(folder.glob("traj_*.npz"))
        for pair in _episodes(path, inputs["onsets"], inputs["coords"][:, 1], _merged(inputs))
    ]


def _merged(inputs):
    seconds = np.sort(inputs["midi_onsets_sec"])
    return np.array([seconds[(seconds * FPS).astype(int) == f][0] for f in inputs["onsets"]])


def _episodes(path, onsets, onset_x, onset_s):
    rows = np.load(path, allow_pickle=True)
    width = 512 if path.stem.startswith("traj_msmd") else 150
    for episode, said in enumerate(json.loads(str(rows["eval_json"]))):
        mine = np.flatnonzero(rows["episode"] == episode)
        assert rows["curr_perf_frame"][mine[0]] == onsets[0] + EXCERPT
        mine = mine[1:]  # row 0 is the reset
        game = PlayedGame(
            piece=GOLDEN_PIECE,
            performance=path.stem,
            trial=episode,
            start_frame=int(onsets[0]),
            error_px=rows["err"][mine],
            position_px=rows["est"][mine] - width,  # the strip was padded by a window
            lost=bool(np.abs(rows["err"][mine[-1]]) > width // 3),
            onset_frames=onsets,
            onset_x_px=onset_x,
            onset_s=onset_s,
            px_per_cm=1 / 0.035277778,
            width=width,
            threshold_px=float(width // 3),
            reward_sum=float(rows["reward"][mine].sum()),
        )
        yield game, said
