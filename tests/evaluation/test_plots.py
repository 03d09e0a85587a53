import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest

from sfpipe.evaluation.plots import draw_real, write_plots
from sfpipe.game.play import play_games
from sfpipe.game.players import Expert
from tests.toy import ramp_bank


@pytest.fixture(scope="module")
def folder(make_game, tmp_path_factory):
    results = {
        "agent": [
            make_game([0.0] * 10, piece="reel"),
            make_game([10.0, 10, 51], lost=True, piece="jig"),
        ],
        "optimal": [make_game([0.0] * 10, piece=p) for p in ("reel", "jig")],
    }
    folder = tmp_path_factory.mktemp("plots")
    paths = write_plots(results, folder)
    assert {p.name for p in paths} == {p.name for p in folder.iterdir()}
    return folder


def _rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_histogram_sums_to_one(folder):
    rows = _rows(folder / "error_histogram.csv")
    x = np.array([float(r["error_px"]) for r in rows])
    np.testing.assert_allclose(x, -x[::-1], atol=1e-4)
    for player in ("agent", "optimal"):
        assert sum(float(r[player]) for r in rows) == pytest.approx(1, abs=1e-5)
        # All errors at reached onsets are 0, which is the middle bin's.
        assert float(rows[len(rows) // 2][player]) == 1


def test_survival_falls_from_one_to_r_tue(folder):
    rows = _rows(folder / "survival.csv")
    share = [float(r["agent"]) for r in rows]
    assert share[0] == 1 and share[-1] == 0.5
    assert share == sorted(share, reverse=True)
    # The lost game has 1 of 3 onsets.
    assert max(float(r["progress"]) for r in rows if float(r["agent"]) == 1) == 0.33


def test_ratio_per_piece(folder):
    rows = _rows(folder / "tracking_ratio.csv")
    assert rows == [
        {"piece": "jig", "agent": "0.333333", "optimal": "1"},
        {"piece": "reel", "agent": "1", "optimal": "1"},
    ]


@pytest.mark.parametrize(
    "name", ["error_histogram", "survival", "tracking_ratio", "tracking_error"]
)
def test_pictures_are_not_blank(folder, name):
    picture = cv2.imread(str(folder / f"{name}.png"))
    assert picture.shape[0] >= 240 and picture.shape[1] == 840
    assert 0.3 < (picture > 250).all(axis=2).mean() < 0.99


def test_a_follower_that_jumps_away_is_crossed_out_on_the_edge():
    """Not beyond it, where the cross would stand in the title of the axis."""
    bank = ramp_bank()
    kept = play_games(bank, Expert(bank), performances=[0])[0]
    jump = np.array([0.0, 1.0, -9000.0], np.float32)
    lost = replace(kept, error_px=jump, position_px=jump, lost=True)
    figure = draw_real({"optimal": kept, "other": lost}, "a piece")
    whole, crossed = (axis.get_lines() for axis in figure.axes)
    assert [line.get_marker() for line in whole] == ["None"]
    cross = next(line for line in crossed if line.get_marker() == "x")
    assert cross.get_ydata()[0] == -lost.threshold_px
