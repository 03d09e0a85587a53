"""Learning curves: from agents' cards to a table and a picture."""

import json

import pytest
from typer.testing import CliRunner

from sfpipe.cli import app
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.curves import Curve, by_name, draw, looks, read_curves, save_curve, table


def agent(folder, algo, seed, curve):
    folder.mkdir(parents=True)
    card = {"algo": algo, "seed": seed, "curve": curve}
    (folder / "agent.json").write_text(json.dumps(card))
    return folder


RISING = [[1000, 1.5, 0.2], [2000, 3.0, 0.91], [3000, 4.5, 0.89], [4000, 6.0, 0.995]]


def test_from_cards_to_the_table_and_the_picture(tmp_path):
    out = tmp_path / "curves"
    save_curve(agent(tmp_path / "a", "dagger", 1, RISING), out)
    save_curve(agent(tmp_path / "b", "dagger", 2, RISING[:2]), out)
    save_curve(agent(tmp_path / "c", "ppo", 1, [[10, 0.1, 0.3]]), out, "ppo-from-dagger")
    found = read_curves(out)
    assert [(c.name, c.seed) for c in found] == [
        ("dagger", "1"),
        ("dagger", "2"),
        ("ppo-from-dagger", "1"),
    ]
    lines = table(found).splitlines()
    assert lines[2] == "| dagger | 1 | - | 4,000 | 2,000 (3.0) | 4,000 (6.0) | 0.995 |"
    assert lines[3] == "| dagger | 2 | - | 2,000 | 2,000 (3.0) | not reached | 0.910 |"
    assert lines[4].endswith("| not reached | not reached | 0.300 |")
    picture = draw(found, out / "curves.png")
    first = picture.read_bytes()
    assert first.startswith(b"\x89PNG") and draw(found, picture).read_bytes() == first


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    agent(tmp_path / "models/pretrained/toy-a2c", "a2c", 7, RISING)
    done = CliRunner().invoke(app, ["curves", "toy-a2c"])
    assert done.exit_code == 0 and "| a2c | 7 |" in done.output
    assert (tmp_path / "metrics/curves/a2c-7.csv").exists()
    assert (tmp_path / "metrics/curves/curves.png").exists()


def test_states_of_study_are_no_frames_of_play(tmp_path):
    folder = agent(tmp_path / "a", "dagger", 3, [[600, 0.5, 0.1], [1100, 1.0, 0.05], *RISING[1:]])
    card = json.loads((folder / "agent.json").read_text())
    card["pretraining_frames"] = 1100
    (folder / "agent.json").write_text(json.dumps(card))
    save_curve(folder, tmp_path / "curves")
    (curve,) = read_curves(tmp_path / "curves")
    assert curve.pretraining == 1100
    assert [point[0] for point in curve.points] == [0, 0, 900, 1900, 2900]
    assert curve.reaches(0.9) == (900, 3.0)
    assert table([curve]).splitlines()[2].startswith("| dagger | 3 | 1,100 | 2,900 | 900 (3.0) |")


def test_more_names_than_colours_still_look_different():
    curves = [Curve(f"name{i:02}", "1", ((0, 0.0, 0.5),)) for i in range(24)]
    drawn = looks(by_name(curves)).values()
    assert len({tuple(look.values()) for look in drawn}) == 24


def test_reaching_a_level():
    curve = Curve("x", "1", tuple((f, m, r) for f, m, r in RISING))
    assert curve.reaches(0.9) == (2000, 3.0)
    assert curve.reaches(0.999) is None and curve.best == 0.995


@pytest.mark.parametrize("content", ["frames,minutes\n1,2\n", "frames,minutes,r_on\n1,2,x\n", ""])
def test_what_is_no_curve(tmp_path, content):
    (tmp_path / "x-1.csv").write_text(content)
    with pytest.raises(SfpipeError, match=r"x-1\.csv: is no learning curve"):
        read_curves(tmp_path)


def test_nothing_to_draw(tmp_path):
    with pytest.raises(SfpipeError, match="holds no learning curves"):
        read_curves(tmp_path)
    with pytest.raises(SfpipeError, match="holds no learning curve"):
        save_curve(agent(tmp_path / "old", "ppo", 1, []), tmp_path)
