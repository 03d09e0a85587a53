"""The benchmark with a real agent: a tune that is played, and cut as if it were practised."""

import csv
import json
import math
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from sfpipe.audio.spectrogram import spectrogram
from sfpipe.cli import app
from sfpipe.evaluation.recovery import WITHIN_S
from sfpipe.store.schema import SAMPLE_RATE
from sfpipe.store.writer import write_scores, write_spectrograms
from tests.live.scores import perform
from tests.pipeline.closure import ROOT


@pytest.fixture(scope="module")
def project(tmp_path_factory, soundfont):
    """A project whose data set is one performance of one tune."""
    root = tmp_path_factory.mktemp("jumps")
    performed = perform(root / "made", soundfont)
    score = performed.page_set.score_record()
    about = {"dataset": "ryan", "params": {}, "tools": {"made": "by hand"}}
    with write_scores(root / "data/scores/ryan.h5", **about) as store:
        store.add(
            "tune",
            split="test",
            strip=score.strip,
            onset_x_px=score.onset_x_px,
            onset_y_px=score.onset_y_px,
            onset_quarter=score.onset_quarter,
            staff_space_px=score.staff_space_px,
            px_per_cm=score.px_per_cm,
        )
    with write_spectrograms(root / "data/spectrograms/ryan.h5", **about) as store:
        store.add(
            "tune",
            "plain",
            split="test",
            spectrogram=spectrogram((performed.samples * 32767).astype(np.int16), SAMPLE_RATE),
            onset_s=performed.onset_s,
            score_onset=np.arange(len(performed.onset_s)),
        )
    shutil.copy(ROOT / "params.yaml", root)
    return root


def test_free_to_go_anywhere_it_comes_back(project, monkeypatch):
    monkeypatch.chdir(project)
    agent = str(ROOT / "models/pretrained/nottingham-belief")
    done = CliRunner().invoke(app, ["evaluate", "--jumps", "--agent", agent])
    assert done.exit_code == 0, done.output
    assert "nottingham-belief, anywhere" in done.output
    assert "onsets within 0.1 / 0.5 / 1 s: 0." in done.output
    result = json.loads((project / "metrics/jumps.json").read_text("utf-8"))
    assert result["meta"]["dataset"] == "ryan"
    free, in_order = (result["followers"][name] for name in ("anywhere", "in order"))
    for figures in (free, in_order):  # where nobody jumps both follow to the end
        assert figures["plain"]["r_on"] == 1
        within = figures["plain"]["whole_performance"]["within_s"]
        assert within["1"] == 1 > within["0.05"]
        assert figures["false_jumps"]["plain"]["n"] == 0
    assert free["jumps"]["n"] == in_order["jumps"]["n"] >= 3
    assert free["jumps"]["within_s"]["5"] >= in_order["jumps"]["within_s"]["5"] + 0.3
    assert list(free["jumps"]["within_s"]) == [f"{s:g}" for s in WITHIN_S]
    with open(project / "metrics/jumps.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    counted = [float(row["recovery_s"]) for row in rows if row["follower"] == "anywhere"]
    assert sum(math.isfinite(s) for s in counted) >= 0.7 * len(counted)


def test_a_split_without_music_to_jump_in_is_refused(project, monkeypatch):
    monkeypatch.chdir(project)
    agent = str(ROOT / "models/pretrained/nottingham-belief")
    done = CliRunner().invoke(app, ["evaluate", "--jumps", "--agent", agent, "--split", "valid"])
    assert done.exit_code != 0
