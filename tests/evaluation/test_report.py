import csv
import json

import pytest

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.report import piece_lines, summary, write_evaluation


@pytest.fixture(scope="module")
def results(make_game):
    whole = [0.0, 2, 4, -6, 0, 0, 0, 0, 0, 8]
    return {
        "agent": [
            make_game(whole, piece="reel"),
            make_game([0.0, 51], lost=True, piece="reel", trial=1),
            make_game(whole, piece="jig"),
            make_game(whole, piece="jig", trial=1),
        ],
        "agent_argmax": [make_game(whole, piece=p) for p in ("reel", "jig")],
        "optimal": [make_game([0.0] * 10, piece=p) for p in ("reel", "jig")],
        "constant_speed": [make_game([51], lost=True, piece=p) for p in ("reel", "jig")],
    }


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    value = write_evaluation(results, out_dir=folder, meta={"dataset": "hand"}, seed=11)
    return folder, value


def test_json_is_what_was_returned(written):
    folder, value = written
    # parse_constant: NaN and Infinity are no JSON, and other readers stumble over them.
    text = (folder / "eval.json").read_text("utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == value


def test_json_has_the_agent_on_top(written):
    _, value = written
    assert value["r_on"] == (3 + 1 + 3 + 3) / 12
    assert value["r_tue"] == 3 / 4
    assert value["abs_dx_px"]["mean"] == pytest.approx(3 * 14 / 10)
    assert (value["n_pieces"], value["n_games"], value["trials"], value["seed"]) == (2, 4, 2, 11)
    assert (value["n_onsets"], value["n_lost"], value["n_performances"]) == (12, 1, 2)
    assert value["meta"] == {"dataset": "hand"}
    assert list(value["within_s"]) == ["0.05", "0.1", "0.5", "1", "5"]
    # Time errors of `whole` are 0, -0.06 and 0.05 s; the game that was lost has its first onset.
    whole = value["whole_performance"]
    assert whole["within_s"]["0.05"] == (3 * 2 + 1) / 12 and whole["within_s"]["0.1"] == 10 / 12
    assert whole["right_bar"] is None
    # Onsets all lie in the first 2 s: the 2019 count has them all, and no error.
    assert value["reference_counting"]["r_on"] == 1
    assert value["reference_counting"]["abs_dx_px"] == {"mean": None, "std": None}
    assert set(value["players"]) == {"agent_argmax", "optimal", "constant_speed"}
    assert value["players"]["optimal"]["r_on"] == 1
    assert value["players"]["constant_speed"]["r_on"] == pytest.approx(1 / 3)


def test_dvc_can_compare_it(written):
    """`dvc metrics diff` sees numbers in nested mappings only: no lists."""

    def leaves(value):
        if isinstance(value, dict):
            return [leaf for item in value.values() for leaf in leaves(item)]
        return [value]

    kinds = {type(leaf) for leaf in leaves(written[1])}
    assert kinds <= {int, float, str, type(None)}


def test_same_games_same_files(results, written, tmp_path):
    folder, _ = written
    write_evaluation(results, out_dir=tmp_path, meta={"dataset": "hand"}, seed=11)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / path.relative_to(folder)).read_bytes(), path


def test_pieces_csv(written):
    folder, _ = written
    with open(folder / "pieces.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("player", "piece", "performance", "trials", "onsets"),
        *("tracking_ratio", "pieces_tracked", "abs_dx_px_mean", "abs_dx_px_std"),
        *("abs_dx_cm_mean", "reward_mean"),
        *("reference_tracking_ratio", "reference_pieces_tracked"),
        *(f"within_{t}_s" for t in ("0.05", "0.1", "0.25", "0.5", "1", "2", "5")),
        *("right_system", "right_bar", "right_page_turn"),
    ]
    assert len(rows) == 4 * 2
    reel = next(r for r in rows if (r["player"], r["piece"]) == ("agent", "reel"))
    assert (reel["performance"], reel["trials"], reel["onsets"]) == ("p1", "2", "3")
    assert float(reel["tracking_ratio"]) == pytest.approx(4 / 6, abs=1e-6)
    assert reel["pieces_tracked"] == "1"
    assert float(reel["abs_dx_px_mean"]) == pytest.approx(14 / 4)
    assert float(reel["within_0.1_s"]) == pytest.approx(4 / 6, abs=1e-6)
    assert reel["right_bar"] == ""


def test_piece_lines(results):
    jig, reel = piece_lines(results["agent"]).splitlines()
    assert jig.startswith("jig p1 ") and jig.endswith("  tracking ratio: 1.00 +")
    assert reel.startswith("reel p1 ") and reel.endswith("  tracking ratio: 0.67")


def test_plus_only_if_every_trial_is_whole(make_game):
    frames = list(range(1000))
    game = make_game([0.0] * 998 + [51], lost=True, onset_frames=frames, onset_x_px=frames)
    assert piece_lines([game]).endswith("tracking ratio: 1.00")


def test_summary_from_the_file(written):
    folder, value = written
    text = summary(json.loads((folder / "eval.json").read_text("utf-8")))
    assert text == summary(value)
    lines = text.splitlines()
    for label in ("agent", "agent, argmax", "optimal", "constant speed"):
        # Once in each table, once among the rows in the evaluator's own form.
        assert sum(line.strip().startswith(label + "  ") for line in lines) == 3, label
    row = next(line for line in lines if line.strip().startswith("agent  "))
    assert row.split()[1:5] == ["0.75", "0.83", "4.2", "±"]
    assert lines[-1].split(maxsplit=2) == ["constant", "speed", r"& 1.00 & 1.00 & - & - \\"]
    assert "2 pieces, 4 games (2 per performance), seed 11" in text
    assert max(map(len, lines)) <= 110


@pytest.mark.parametrize("content", [{}, {"players": {}}, {"r_on": 1}])
def test_summary_of_something_else(content):
    with pytest.raises(SfpipeError, match="sfpipe evaluate"):
        summary(content)


def test_without_the_agent(results, tmp_path):
    with pytest.raises(SfpipeError, match=r"'agent', found those of .'optimal'"):
        write_evaluation({"optimal": results["optimal"]}, out_dir=tmp_path, meta={}, seed=0)


def test_bad_games_leave_the_last_result_alone(results, tmp_path):
    (tmp_path / "eval.json").write_text("before")
    with pytest.raises(SfpipeError, match="no games"):
        write_evaluation({**results, "optimal": []}, out_dir=tmp_path, meta={}, seed=0)
    assert (tmp_path / "eval.json").read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["eval.json"]


def test_a_file_that_cannot_be_finished_is_not_replaced(make_game, tmp_path):
    (tmp_path / "pieces.csv").write_text("before")
    games = [make_game([0.0] * 10, piece=name) for name in ("fine", "lone surrogate \ud800")]
    with pytest.raises(UnicodeEncodeError):
        write_evaluation({"agent": games}, out_dir=tmp_path, meta={}, seed=0)
    assert (tmp_path / "pieces.csv").read_text() == "before"
    found = sorted(p.name for p in tmp_path.iterdir())
    assert found == ["eval.json", "headline.json", "pieces.csv"]


def test_headline(written):
    folder, content = written
    figures = json.loads((folder / "headline.json").read_text("utf-8"))
    assert figures["r_on"] == content["r_on"]
    assert figures["abs_dx_px"] == content["abs_dx_px"]["mean"]
    assert figures["optimal_r_on"] == content["players"]["optimal"]["r_on"]
    assert all(value is None or isinstance(value, float | int) for value in figures.values())
    assert len(figures) < 12
