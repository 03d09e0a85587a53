"""An evaluation on a cluster of two processes is the one of this process, to the last bit."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sfpipe.agents.agent import save_agent
from sfpipe.errors import SfpipeError
from sfpipe.evaluation import parts
from sfpipe.evaluation.baseline import evaluate_baseline
from sfpipe.evaluation.stage import evaluate
from sfpipe.following.evaluation_set import EvaluationSet
from sfpipe.following.sources import CarriedSources, Sources
from sfpipe.parallel import cluster
from sfpipe.params import EvaluateParams, parse_params
from sfpipe.paths import Paths
from sfpipe.store.writer import write_scores, write_spectrograms
from sfpipe.viewing.page import pages
from tests.agents.test_cached_policy import actor_for
from tests.toy import NOTTINGHAM, performance_record, score_record

LENGTHS = {"a": 60, "b": 90, "c": 90, "d": 30}


def records():
    scores = {
        p: score_record(p, [20, 60, 140], width=300, split="test", seed=i)
        for i, p in enumerate(LENGTHS)
    }
    sounds = [
        performance_record(p, [0.1, 0.5, 1.3], frames=n, name=name, split="test", seed=i)
        for i, (p, n) in enumerate(LENGTHS.items())
        for name in ("p", "q")
    ]
    return scores, sounds


def names(part):
    return [f"{r.piece}{r.performance}" for r in part[0].performances]


def test_parts_are_whole_pieces_of_like_length():
    played = EvaluationSet(*records(), NOTTINGHAM)
    again = replace(played, performances=played.performances[:3])
    whole = list(parts._parts([played, again], 8))
    assert len(whole) == 1 and whole[0][0] is played
    some = list(parts._parts([played, again], 4))
    assert [names(part) for part in some] == [["bp", "bq", "cp", "cq"], ["ap", "aq", "dp", "dq"]]
    assert [list(part[0].scores) for part in some] == [["b", "c"], ["a", "d"]]
    assert [len(part[1].performances) for part in some] == [1, 2]
    assert [len(list(parts._parts([played], n))) for n in (5, 3, 1)] == [2, 4, 4]
    assert [names(part) for part in parts.single_pieces([played])][:2] == [
        ["bp", "bq"],
        ["cp", "cq"],
    ]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Four pieces, an agent, and a baseline's model; two workers that are elsewhere."""
    distributed = pytest.importorskip("distributed", reason="the extra 'cluster' is missing")
    root = tmp_path_factory.mktemp("parts")
    about = {"dataset": "toy", "params": {}, "tools": {}}
    scores, sounds = records()
    with write_scores(root / "data/scores/toy.h5", **about) as store:
        for piece, r in scores.items():
            arrays = {
                k: getattr(r, k) for k in ("strip", "onset_x_px", "onset_y_px", "onset_quarter")
            }
            store.add(piece, split=r.split, **arrays, staff_space_px=3.5, px_per_cm=28.0)
    with write_spectrograms(root / "data/spectrograms/toy.h5", **about) as store:
        for r in sounds:
            arrays = {k: getattr(r, k) for k in ("spectrogram", "onset_s", "score_onset")}
            store.add(r.piece, r.performance, split=r.split, soundfont="TimGM6mb", **arrays)
    save_agent(root / "models/mine", actor_for(NOTTINGHAM).network, {"window": "nottingham"})
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as there:
        os.chdir(root)
        yield root, there.scheduler_address
        os.chdir(before)


PARAMS = EvaluateParams(trials=3, device="cpu", precision="float32")


def test_an_agents_figures_and_games(project, monkeypatch):
    monkeypatch.setattr(parts, "MOST", 4)  # two parts
    files = Path("data/scores/toy.h5"), Path("data/spectrograms/toy.h5"), "models/mine"
    here = evaluate(PARAMS, *files, Path("here"), seed=2, quiet=True)
    with cluster(project[1]):
        there = evaluate(PARAMS, *files, Path("there"), seed=2, quiet=True)
    assert json.dumps(here) == json.dumps(there)
    assert here["n_games"] == 24 and here["players"]["agent_argmax"]["n_games"] == 8
    for file in (p for p in Path("here").rglob("*") if p.suffix in (".csv", ".json")):
        other = Path("there", file.relative_to("here"))
        assert file.read_bytes() == other.read_bytes()
    again = evaluate(PARAMS, *files, Path("here"), seed=3, quiet=True)
    assert again["abs_dx_cm"] != here["abs_dx_cm"]
    assert (
        again["players"]["agent_argmax"]["abs_dx_cm"]
        == here["players"]["agent_argmax"]["abs_dx_cm"]
    )


def test_games_are_equal_to_the_last_bit(project, monkeypatch):
    monkeypatch.setattr(parts, "MOST", 4)
    cast = parts.Cast(PARAMS, 2, "models/mine")
    sources = Sources(Path("data/scores/toy.h5"), Path("data/spectrograms/toy.h5"))
    played = EvaluationSet(*records(), NOTTINGHAM)
    arguments = (cast, cast.load(sources), sources, parts.Sounding.as_stored(sources.spectrograms))
    here = parts.play_in_parts(*arguments, [played], 3)
    with cluster(project[1]):
        there = parts.play_in_parts(*arguments, [played], 3)
    assert list(here) == list(there) == ["agent", "agent_argmax", "optimal", "constant_speed"]
    for name, games in here.items():
        order = [(g.piece, g.performance, g.trial) for g in games]
        assert order == [(g.piece, g.performance, g.trial) for g in there[name]]
        assert order == sorted(order)
        for one, other in zip(games, there[name], strict=True):
            assert one.error_px.tobytes() == other.error_px.tobytes()
    # In one batch, other last bits may come out; none that shows in so few games.
    monkeypatch.setattr(parts, "MOST", 64)
    for one, other in zip(
        parts.play_in_parts(*arguments, [played], 3)["agent"], here["agent"], strict=True
    ):
        np.testing.assert_array_equal(one.position_px, other.position_px)


def test_baselines(project):
    p = parse_params({"dataset": "toy", "algo": "ppo", "seed": 3})
    sources = replace(
        Sources.of(p, Paths("toy")),
        synthesize=p.synthesize.model_copy(
            update={"train": p.synthesize.train.model_copy(update={"soundfonts": ["TimGM6mb"]})}
        ),
    )
    for name in ("midi-odtw", "constant-speed"):
        here = evaluate_baseline(name, PARAMS, sources, Path("here"), seed=2, quiet=True)
        with cluster(project[1]):
            there = evaluate_baseline(name, PARAMS, sources, Path("there"), seed=2, quiet=True)
        assert json.dumps(here) == json.dumps(there)
    known = CarriedSources.carrying(sources, ["constant-speed", "midi-odtw"]).of_pieces("ab")
    assert known.window == sources.window and known.px_per_frame == sources.px_per_frame
    assert known.as_written("b").performance == sources.as_written("b").performance


def test_pages(project):
    p = parse_params({"dataset": "toy", "algo": "ppo", "seed": 3})
    followers = ["models/mine", "constant-speed"]
    here = pages(p, Paths("toy"), followers, split="test", jobs=1)
    assert here.done == [f"pages/{piece}-p.html" for piece in LENGTHS] and not here.skipped
    made = {name: Path(name).read_bytes() for name in here.done}
    for name in made:
        Path(name).unlink()
    with cluster(project[1]):
        there = pages(p, Paths("toy"), followers, split="test")
    assert there == here and made == {name: Path(name).read_bytes() for name in there.done}
    with pytest.raises(SfpipeError, match="no such file"):
        pages(p, Paths("toy"), ["models/none"], split="test", jobs=1)


def test_a_part_that_cannot_be_played_is_named(project):
    """No performance is as written, and nothing is engraved."""
    sources = Sources(Path("data/scores/toy.h5"), Path("data/spectrograms/toy.h5"))
    cast = parts.Cast(PARAMS, 2, baselines=("midi-odtw",), references=False)
    played = EvaluationSet(*records(), NOTTINGHAM)
    arguments = (cast, cast.load(sources), sources, parts.Sounding.as_stored(sources.spectrograms))
    message = "^b could not be played there: .*data/engraved/b/noteheads.csv: no such file"
    with cluster(project[1]), pytest.raises(SfpipeError, match=message):
        parts.play_in_parts(*arguments, [played], 3)
