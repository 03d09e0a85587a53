import json

import numpy as np
import pytest
import torch

from sfpipe.agents.agent import save_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.coverage import cover
from sfpipe.evaluation.real import evaluate_real
from sfpipe.evaluation.results import real_rows
from sfpipe.following.sources import Sources
from sfpipe.params import BaselinesParams, EvaluateParams, SynthesizeParams
from sfpipe.store.reader import read_performances, read_scores
from sfpipe.store.window import WINDOWS
from sfpipe.store.writer import write_scores, write_spectrograms

ONSETS = 12
CONDITIONS = ("room", "score", "performance", "direct")


def write_human(root):
    """One score; two pianists under four conditions, and a recording without an alignment."""
    about = {"dataset": "toy", "params": {}, "tools": {}}
    rng = np.random.default_rng(0)
    with write_scores(root / "scores.h5", **about) as store:
        store.add(
            "tune",
            split="test",
            strip=rng.integers(0, 256, (40, 400)).astype(np.uint8),
            onset_x_px=40 + 20 * np.arange(ONSETS),
            onset_y_px=np.full(ONSETS, 20),
            onset_quarter=np.arange(ONSETS),
            staff_space_px=3.5,
            px_per_cm=28.0,
        )
    spec = rng.random((78, 100)).astype(np.float32)
    with write_spectrograms(root / "human.h5", **about) as store:
        for condition in CONDITIONS:
            for pianist in ("p1", "p2"):
                store.add(
                    "tune",
                    f"{pianist}-{condition}",
                    split="test",
                    spectrogram=spec,
                    onset_s=0.5 + 0.35 * np.arange(ONSETS),
                    score_onset=np.arange(ONSETS),
                    condition=condition,
                    simulated=condition in ("direct", "room"),
                )
        store.add(
            "tune",
            "mine-recording",
            split="test",
            spectrogram=spec,
            onset_s=[0.5, 4.0],
            score_onset=[0, ONSETS - 1],
            condition="recording",
            aligned=False,
        )


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    root = tmp_path_factory.mktemp("real")
    write_human(root)
    torch.manual_seed(0)
    network = ActorCritic(WINDOWS["nottingham"])
    save_agent(root / "mine", network, {"window": "nottingham", "algo": "ppo"})
    sources = Sources(
        root / "scores.h5", root / "human.h5", root, BaselinesParams(), SynthesizeParams()
    )
    params = EvaluateParams(real_trials=3, device="cpu", precision="float32")
    return root, evaluate_real(params, sources, root / "mine", root / "out", seed=1, quiet=True)


def test_everybody_under_every_condition_easiest_first(played):
    root, result = played
    assert json.loads((root / "out/real.json").read_text()) == result
    assert list(result["conditions"]) == ["score", "performance", "direct", "room"]
    for condition in result["conditions"].values():
        followers = condition["followers"]
        assert set(followers) == {"ppo", "ppo-argmax", "optimal", "constant-speed"}
        assert followers["optimal"]["r_on"] == 1
        assert (followers["ppo"]["n_games"], followers["optimal"]["n_games"]) == (6, 2)
        assert condition["performances"] == 2
    # The folder has them alone: DVC removes what is an output before a stage runs.
    assert {path.stem for path in (root / "out/real").iterdir()} == set(result["conditions"])
    assert (root / "out/real/room.png").stat().st_size > 10_000


def test_simulated_conditions_say_so(played):
    root, result = played
    simulated = {c: of["simulated"] for c, of in result["conditions"].items()}
    assert simulated == {"score": False, "performance": False, "direct": True, "room": True}
    rows, labels = real_rows(root / "out", root / "none")
    assert labels["room"] == "room (simulated)"
    assert {r.label for r in rows} >= {"mine (ppo, sampled)", "mine (ppo, argmax)"}


def test_an_agent_for_other_strips_is_refused(played, tmp_path):
    root = played[0]
    torch.manual_seed(0)
    save_agent(tmp_path / "piano", ActorCritic(WINDOWS["msmd"]), {"window": "msmd"})
    sources = Sources(
        root / "scores.h5", root / "human.h5", root, BaselinesParams(), SynthesizeParams()
    )
    with pytest.raises(SfpipeError, match=r"scores\.h5: agent 'piano' sees 160 x 512 px .* 40 px"):
        evaluate_real(EvaluateParams(device="cpu"), sources, tmp_path / "piano", tmp_path, seed=1)


def test_a_recording_without_an_alignment_has_coverage_only(played):
    (covered,) = played[1]["coverage"].values()
    assert 0 <= covered["ppo-argmax"]["share"] <= 1
    assert "recording" not in played[1]["conditions"]


class Runner:
    """Goes on by so many px a frame, whatever it hears."""

    lead_frames = 0

    def __init__(self, speed):
        self.speed = speed

    def reset(self, score):
        self.at = float(score.onset_x_px[0])

    def prime(self, frame):
        pass

    def step(self, frame):
        self.at += self.speed
        return self.at


@pytest.mark.parametrize(
    ("speed", "share", "end"), [(0, 0, False), (3.15, 1, True), (1.5, 0.477, False), (9, 1, False)]
)
def test_coverage_is_the_share_of_the_strip_and_whether_it_ends_there(played, speed, share, end):
    root = played[0]
    score = read_scores(root / "scores.h5")["tune"]
    record = next(r for r in read_performances(root / "human.h5") if not r.aligned)
    found = cover(Runner(speed), score, record, 50.0)
    assert found.share == pytest.approx(share, abs=0.01)
    assert found.reached_end is end
    assert len(found.position_px) == 70


def test_a_store_without_human_performances_is_one_line(played, tmp_path):
    root = played[0]
    about = {"dataset": "toy", "params": {}, "tools": {}}
    with write_spectrograms(tmp_path / "plain.h5", **about) as store:
        spec = np.ones((78, 100), np.float32)
        store.add("tune", "x", split="test", spectrogram=spec, onset_s=[0.1, 1], score_onset=[0, 1])
    sources = Sources(
        root / "scores.h5", tmp_path / "plain.h5", root, BaselinesParams(), SynthesizeParams()
    )
    with pytest.raises(SfpipeError, match="holds no human performances"):
        evaluate_real(EvaluateParams(device="cpu"), sources, root / "mine", tmp_path, seed=1)
