"""Errors in other units, difficulty, and the places where pieces were lost."""

import csv

import cv2
import numpy as np
import pytest

from sfpipe.evaluation.error_analysis import difficulty, worst, write_closeup
from sfpipe.following.evaluation_set import load_evaluation_set
from sfpipe.game.play import play_games
from sfpipe.game.players import ConstantSpeed, Expert
from sfpipe.store.bank import load_bank
from sfpipe.store.reader import read_scores
from sfpipe.store.window import WINDOWS
from tests.projects import write_stores


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    root = tmp_path_factory.mktemp("closeup")
    write_stores(root)
    return root / "data/scores/toy.h5", root / "data/spectrograms/toy.h5"


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_worst_pieces_by_their_earliest_loss(make_game):
    games = [
        make_game([1, 2, -3, 1, 0, 0, 0, 0, 2, 1], piece="easy"),
        make_game([10, 30, 51], piece="hard", lost=True, trial=0),
        make_game([0, 51], piece="hard", lost=True, trial=1),
        make_game([0, 0, 0, 0, 0, -60], piece="harder", lost=True),
        make_game([0] * 10, piece="harder", trial=1),
    ]
    losses = worst(games)
    assert [loss.piece for loss in losses] == ["hard", "harder"]
    first = losses[0]
    assert (first.games, first.games_lost, first.trial) == (2, 2, 1)
    assert first.r_on == pytest.approx(2 / 6)
    assert first.lost_s == 0.1
    assert (first.onset, first.onsets) == (1, 3)
    assert first.position_px - first.target_px == pytest.approx(51)
    assert losses[1].r_on == pytest.approx(5 / 6)
    assert worst(games, 1) == losses[:1]
    assert worst(games[:1]) == []


def test_difficulty(stores):
    """Two quarters in 1.1 s, three onsets."""
    bank = load_bank(*stores, WINDOWS["nottingham"])
    games = play_games(bank, Expert(bank), trials=2)
    found = difficulty(games, read_scores(stores[0]))
    assert [row[:2] for row in found] == [[f"tune{i}", "plain"] for i in range(3)]
    for _, _, tempo, density, ratio in found:
        assert tempo == pytest.approx(60 * 2 / 1.1)
        assert density == pytest.approx(2 / 1.1)
        assert ratio == 1.0


@pytest.mark.parametrize("speed", [9.0, None])
def test_files(stores, tmp_path, speed):
    played = load_evaluation_set(*stores, WINDOWS["nottingham"])
    player = Expert(played.bank) if speed is None else ConstantSpeed(played.bank, speed)
    games = play_games(played.bank, player)
    files = write_closeup(games, played, tmp_path)
    assert sorted(files) == sorted(tmp_path.iterdir())
    for unit in ("cm", "s"):
        shares = [float(row["agent"]) for row in rows(tmp_path / f"error_histogram_{unit}.csv")]
        assert sum(shares) == pytest.approx(1, abs=1e-4)
    lost = rows(tmp_path / "lost.csv")
    assert len(lost) == (0 if speed is None else 3)
    picture = cv2.imread(str(tmp_path / "lost.png"), cv2.IMREAD_COLOR)
    blue = (np.abs(picture.astype(int) - (168, 95, 31)).sum(2) < 30).sum()
    assert (blue > 100) == (speed is not None)


def test_the_strip_is_drawn_where_it_was_lost(tmp_path):
    """A strip that is black from 300 px on: the picture's halves."""
    from sfpipe.evaluation.error_analysis import _stretch
    from tests.toy import score_record

    for name, window in WINDOWS.items():
        score = score_record("a", [20, 600], width=700, height=window.height)
        score.strip[:] = 255
        score.strip[:, 300:] = 0
        middle = _stretch(score, window, 300.0)
        n = middle.shape[1]
        assert n == 2 * window.width // window.shrink, name
        assert (middle[:, : n // 2] == 255).all() and (middle[:, n // 2 : n // 2 + 9] == 0).all()
        assert (_stretch(score, window, -1000.0) == 255).all()
