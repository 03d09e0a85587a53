"""The agent at work: frame by frame as all at once, within the rules of the game."""

import numpy as np
import pytest
import torch

from sfpipe.belief.network import PlaceNetwork
from sfpipe.errors import SfpipeError
from sfpipe.following.belief import (
    BeliefFollower,
    BeliefGame,
    StripEncoding,
    encode_performance,
    encode_strip,
    play_all,
)
from sfpipe.following.evaluation_set import EvaluationSet
from sfpipe.following.registry import load_follower
from sfpipe.game.follower import follow
from sfpipe.params import BeliefFilterParams
from sfpipe.store.window import WINDOWS, Window
from tests.pipeline.closure import ROOT
from tests.toy import two_pieces

PARAMS = BeliefFilterParams()


def network(window: Window, seed: int = 0) -> PlaceNetwork:
    torch.manual_seed(seed)
    return PlaceNetwork(window).eval()


def pieces(window: Window):
    x, onset_s = ([20, 60, 140], [33, 90, 200, 430]), ([0.2, 1.2, 3.2], [0.0, 1.5, 4.0, 9.0])
    return two_pieces(window, x=x, onset_s=onset_s, widths=(301, 603), frames=(70, 200))


@pytest.mark.parametrize("name", WINDOWS)
def test_frame_by_frame_is_as_all_at_once(name):
    window = WINDOWS[name]
    scores, performances = pieces(window)
    made = network(window)
    together = play_all(made, PARAMS, scores, performances)
    follower = BeliefFollower(made, PARAMS)
    for record, game in zip(performances, together, strict=True):
        alone = follow(follower, scores[record.piece], record, window)
        assert alone.lost == game.lost
        # What it believes is told of every frame to the last onset.
        assert len(game.believed_px) == game.onset_frames[-1] - game.onset_frames[0]
        assert np.isfinite(game.believed_px).all() and len(alone.believed_px) == 0
        assert np.allclose(alone.position_px, game.position_px, atol=1e-3)


def test_it_moves_as_the_rules_say():
    window = WINDOWS["msmd"]
    scores, performances = pieces(window)
    for game, record in zip(
        play_all(network(window), PARAMS, scores, performances), performances, strict=True
    ):
        start = scores[record.piece].onset_x_px[0]
        speed = np.diff(np.concatenate([[start, start], game.position_px]), prepend=start)[1:]
        assert set(np.diff(speed).round(4)) <= {-1.0, 0.0, 1.0}


def test_it_plays_each_performance_once_however_many_trials():
    window = WINDOWS["nottingham"]
    scores, performances = pieces(window)
    follower = load_follower(ROOT / "models/pretrained/nottingham-belief")
    games = follower.play(EvaluationSet(scores, performances, window), 10)
    assert [(g.piece, g.trial) for g in games] == [("a", 0), ("b", 0)]


def test_a_score_is_read_with_a_vector_for_every_place_of_its_strip():
    window = WINDOWS["msmd"]
    encoding = encode_strip(network(window), pieces(window)[0]["b"])
    assert encoding.offset_px == 128
    assert len(encoding.vector) * 8 >= 603 + 2 * 128
    assert np.isfinite(encoding.pace).all()


def test_long_recordings_are_heard_in_parts_without_seams(monkeypatch):
    made = network(WINDOWS["nottingham"])
    sound = np.random.default_rng(0).random((78, 150)).astype(np.float32)
    whole = encode_performance(made, sound)
    monkeypatch.setattr("sfpipe.following.belief._AT_ONCE", 40)
    assert np.allclose(encode_performance(made, sound), whole, atol=1e-5)


def test_what_it_cannot_hear_or_read_it_says():
    window = WINDOWS["nottingham"]
    follower = BeliefFollower(network(window), PARAMS)
    with pytest.raises(SfpipeError, match="no score"):
        follower.step(np.zeros(78, np.float32))
    follower.reset(pieces(window)[0]["a"])
    with pytest.raises(SfpipeError, match="78 bins"):
        follower.step(np.zeros(77, np.float32))
    with pytest.raises(SfpipeError, match="window needs 160"):
        BeliefFollower(network(WINDOWS["msmd"]), PARAMS).reset(pieces(window)[0]["a"])


@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_a_break_that_few_frames_fall_on_is_crossed_in_time(prior):
    """The network finds few frames at a place that lasts short; that is no sign against it."""
    pace = np.full(300, -4.0, np.float32)
    pace[100:120] = -5.5  # 160 px between two systems
    vector = np.zeros((300, 96), np.float32)
    vector[:, 0] = pace
    encoding = StripEncoding(vector, pace, 0.0)
    steady = BeliefFilterParams(
        place_prior_exponent=prior, likelihood_exponent=1.0, usual_tempo=0.09, usual_tempo_std=0.05
    )
    game = BeliefGame(encoding, 700.0, 2400, WINDOWS["msmd"], 8.0, 1.0, steady)
    frame = np.eye(96, dtype=np.float32)[0]
    for n in range(50):
        position = game.step(frame if n else None)
    quarters = np.concatenate([[0.0], np.cumsum(np.exp(pace) * 8.0)])
    x = np.arange(301) * 8.0
    expected = np.interp(np.interp(700.0, x, quarters) + 50 * 0.09, quarters, x)
    assert (abs(position - expected) < 10) == (prior == 1.0)


def test_no_time_passes_where_there_is_a_clef():
    encoding = StripEncoding(np.zeros((12, 96)), np.zeros(12, np.float32), 2.0, ((2, 6),))
    assert list(np.flatnonzero(encoding.motion(1.0))) == [4, 5, 6, 7]  # two px of paper before
    assert (encoding.motion(2.0) < 0).nonzero()[0].tolist() == [2, 3]
    assert not encoding.pace.any()
