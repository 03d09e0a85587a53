"""One call for whoever takes part: the games are those of the game room."""

import h5py
import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.following.agents import agent_and_yardsticks
from sfpipe.following.entrants import FollowerEntrant, PlayerEntrant
from sfpipe.following.evaluation_set import Programme, load_programme
from sfpipe.game.play import play_games
from sfpipe.game.players import ConstantSpeed, Expert, mean_speed
from sfpipe.store.bank import Bank
from tests.agents.test_cached_policy import actor_for
from tests.projects import write_stores
from tests.toy import NOTTINGHAM, performance_record, score_record


@pytest.fixture
def programme():
    scores = {p: score_record(p, [20, 60, 140], width=300) for p in "ab"}
    performances = [performance_record(p, [0.2, 1.2, 3.2], frames=70) for p in "ab"]
    return Programme(scores, performances, NOTTINGHAM, "toy")


class Steady:
    """2 px a frame, as the music."""

    lead_frames = 0

    def reset(self, score):
        self.x = float(score.onset_x_px[0])

    def hear(self, frame):
        pass

    def step(self, frame):
        self.x += 2
        return self.x


def test_a_follower_plays_everything(programme, capsys):
    games = FollowerEntrant("steady", Steady()).play(programme, trials=3)
    assert [(g.piece, g.trial) for g in games] == [("a", 0), ("b", 0)]
    assert max(float(np.abs(g.error_px).max()) for g in games) < 1e-4
    assert "steady: 2 games" in capsys.readouterr().err
    drawn = FollowerEntrant("steady", Steady(), chance=True).play(programme, trials=3)
    assert [(g.piece, g.trial) for g in drawn] == [(p, t) for p in "ab" for t in range(3)]


def test_a_player_plays_everything_at_once(programme):
    games = PlayerEntrant("planner", Expert).play(programme, trials=3)
    assert [(g.piece, g.trial) for g in games] == [("a", 0), ("b", 0)]
    alone = play_games(programme.bank, Expert(programme.bank))
    for one, other in zip(games, alone, strict=True):
        np.testing.assert_array_equal(one.error_px, other.error_px)


def test_an_agent_beside_its_argmax_and_the_yardsticks(programme):
    actor = actor_for(NOTTINGHAM)
    entrants = agent_and_yardsticks(actor, deterministic=False, px_per_frame=None)
    assert list(entrants) == ["agent", "agent_argmax", "planner", "constant_speed"]
    games = {name: entrant.play(programme, 2) for name, entrant in entrants.items()}
    assert {name: len(g) for name, g in games.items()} == {
        "agent": 4,
        "agent_argmax": 2,
        "planner": 2,
        "constant_speed": 2,
    }
    bank = programme.bank
    floor = play_games(bank, ConstantSpeed(bank, mean_speed(bank)))
    np.testing.assert_array_equal(games["constant_speed"][0].error_px, floor[0].error_px)
    certain = agent_and_yardsticks(actor, deterministic=True, px_per_frame=1.0)
    np.testing.assert_array_equal(
        certain["agent"].play(programme, 2)[1].error_px, games["agent_argmax"][1].error_px
    )
    # The same entrant on another programme looks at that one's music.
    other = Programme(programme.scores, programme.performances[:1], NOTTINGHAM)
    assert len(entrants["agent_argmax"].play(other, 1)) == 1


def test_the_bank_is_made_when_asked_for(programme):
    assert "bank" not in vars(programme)
    assert isinstance(programme.bank, Bank) and programme.bank is programme.bank


def test_a_programme_from_the_stores(tmp_path):
    write_stores(tmp_path)
    files = (tmp_path / "data/scores/toy.h5", tmp_path / "data/spectrograms/toy.h5")
    programme = load_programme(*files, NOTTINGHAM, split="test")
    assert programme.dataset == "toy"
    assert [p.piece for p in programme.performances] == ["tune2"]
    with h5py.File(files[1], "a") as file:
        file["tune2"].attrs["split"] = "train"
    with pytest.raises(SfpipeError, match="no performance has a strip in split test"):
        load_programme(*files, NOTTINGHAM, split="test")
