"""Whoever follows plays by one call: the games are those of the game room."""

import h5py
import numpy as np
import pytest

from sfpipe.agents.agent import save_agent
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.parts import Cast
from sfpipe.evaluation.stage import evaluate
from sfpipe.following.evaluation_set import EvaluationSet, load_evaluation_set
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.reference import optimal, training_speed
from sfpipe.following.registry import load_follower
from sfpipe.following.sources import Sources
from sfpipe.game.play import play_games
from sfpipe.game.players import Expert
from sfpipe.params import EvaluateParams
from sfpipe.store.bank import Bank
from tests.agents.test_cached_policy import actor_for
from tests.projects import write_stores
from tests.toy import NOTTINGHAM, performance_record, score_record


@pytest.fixture
def toy_set():
    scores = {p: score_record(p, [20, 60, 140], width=300) for p in "ab"}
    performances = [performance_record(p, [0.2, 1.2, 3.2], frames=70) for p in "ab"]
    return EvaluationSet(scores, performances, NOTTINGHAM, "toy")


class Steady:
    """2 px a frame, as the music."""

    lead_frames = 0

    def reset(self, score):
        self.x = float(score.onset_x_px[0])

    def prime(self, frame):
        pass

    def step(self, frame):
        self.x += 2
        return self.x


def test_a_follower_plays_everything(toy_set, capsys):
    loaded = LoadedFollower("steady", "Steady", NOTTINGHAM, Steady)
    games = loaded.play(toy_set, trials=3)
    assert [(g.piece, g.trial) for g in games] == [("a", 0), ("b", 0)]
    assert max(float(np.abs(g.error_px).max()) for g in games) < 1e-4
    assert "Steady: 2 games" in capsys.readouterr().err
    loaded.chance = True
    drawn = loaded.play(toy_set, trials=3)
    assert [(g.piece, g.trial) for g in drawn] == [(p, t) for p in "ab" for t in range(3)]


def test_the_optimal_player_plays_everything_at_once(toy_set):
    games = optimal(NOTTINGHAM).play(toy_set, trials=3)
    assert [(g.piece, g.trial) for g in games] == [("a", 0), ("b", 0)]
    alone = play_games(toy_set.bank, Expert(toy_set.bank))
    for one, other in zip(games, alone, strict=True):
        np.testing.assert_array_equal(one.error_px, other.error_px)
    with pytest.raises(SfpipeError, match=r"'optimal' follows whole performances only -> call its"):
        optimal(NOTTINGHAM).reset(toy_set.scores["a"])


@pytest.fixture
def stores(tmp_path):
    write_stores(tmp_path)
    return tmp_path / "data/scores/toy.h5", tmp_path / "data/spectrograms/toy.h5"


def test_an_agent_its_argmax_and_the_references(stores, toy_set, tmp_path):
    save_agent(tmp_path / "mine", actor_for(NOTTINGHAM).network, {"window": "nottingham"})
    params = EvaluateParams(device="cpu", precision="float32")
    followers = Cast(params, 0, tmp_path / "mine").load(Sources(*stores))
    assert list(followers) == ["agent", "agent_argmax", "optimal", "constant_speed"]
    games = {name: one.play(toy_set, 2) for name, one in followers.items()}
    assert {name: len(g) for name, g in games.items()} == {
        "agent": 4,
        "agent_argmax": 2,
        "optimal": 2,
        "constant_speed": 2,
    }
    certain = load_follower(tmp_path / "mine", Sources(*stores), deterministic=True)
    assert (certain.policy, followers["agent"].policy) == ("argmax", "stochastic")
    np.testing.assert_array_equal(
        certain.play(toy_set, 2)[1].error_px, games["agent_argmax"][1].error_px
    )
    # The same follower on another set looks at that one's music.
    other = EvaluationSet(toy_set.scores, toy_set.performances[:1], NOTTINGHAM)
    assert len(followers["agent_argmax"].play(other, 1)) == 1


def test_constant_speed_is_that_of_the_data_set_whoever_is_evaluated(stores, tmp_path):
    """The toy set's training tune goes from x 20 to 90 in frames 2 to 24, whatever others do."""
    assert training_speed(*stores) == pytest.approx(70 / 22)
    with h5py.File(stores[1], "a") as file:
        file["tune2/plain/onset_s"][:] = [0.1, 0.2, 0.3]
        file.copy("tune0/plain", "tune0/plain-augmented1")
        file["tune0/plain-augmented1/onset_s"][:] = [0.1, 0.2, 0.3]
    assert training_speed(*stores) == pytest.approx(70 / 22)
    params = EvaluateParams(device="cpu", precision="float32", split="valid")
    rows = []
    for speed in (0.5, 9.0):  # as cards of earlier versions have it
        card = {"window": "nottingham", "px_per_frame": speed}
        save_agent(tmp_path / "one", actor_for(NOTTINGHAM).network, card)
        written = evaluate(params, *stores, tmp_path / "one", tmp_path, seed=0, quiet=True)
        rows.append(written["players"]["constant_speed"])
    assert rows[0] == rows[1] and rows[0]["r_on"] == 1
    with h5py.File(stores[1], "a") as file:
        for piece in file:
            file[piece].attrs["split"] = "test"
    assert training_speed(*stores) == pytest.approx(3 * 70 / (22 + 22 + 4), rel=1e-6)


def test_the_bank_is_made_when_asked_for(toy_set):
    assert "bank" not in vars(toy_set)
    assert isinstance(toy_set.bank, Bank) and toy_set.bank is toy_set.bank


def test_an_evaluation_set_from_the_stores(tmp_path):
    write_stores(tmp_path)
    files = (tmp_path / "data/scores/toy.h5", tmp_path / "data/spectrograms/toy.h5")
    toy_set = load_evaluation_set(*files, NOTTINGHAM, split="test")
    assert toy_set.dataset == "toy"
    assert [p.piece for p in toy_set.performances] == ["tune2"]
    with h5py.File(files[1], "a") as file:
        file["tune2"].attrs["split"] = "train"
    with pytest.raises(SfpipeError, match="no performance has a strip in split test"):
        load_evaluation_set(*files, NOTTINGHAM, split="test")
