"""Tables 3 and 4: our rows, the paper's beside them, dashes where there is nothing."""

import json
import shutil

import pytest

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.report import figures_of
from sfpipe.evaluation.results import paper_rows
from sfpipe.evaluation.tables import write_tables


@pytest.fixture(scope="module")
def evaluation(make_game):
    """An agent of two pieces, one lost half-way, beside the optimal follower."""
    whole = [0.0, 1, 0, -6, 0, 0, 0, 0, 0, 8]
    games = {
        "agent": [make_game(whole), make_game([0.0, 51], lost=True, piece="jig")],
        "optimal": [make_game([0.0] * 10), make_game([0.0] * 10, piece="jig")],
    }

    def make(headline="agent", **meta):
        played = games if headline == "agent" else {headline: games["optimal"]}
        return figures_of(played, headline, meta=meta, seed=1)

    return make


@pytest.fixture
def folders(tmp_path):
    for name in ("metrics/baselines/msmd", "pretrained"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def put(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def lines(folders, table):
    write_tables(folders / "metrics", folders / "pretrained", folders / "out")
    text = (folders / f"out/table{table}.md").read_text("utf-8")
    rows = [r.strip("| ").split(" | ") for r in text.splitlines() if r.startswith("| ")]
    assert len({len(r) for r in rows}) == 1
    return {(r[0], r[1]): r[2:] for r in rows[1:]}


def test_table_3(folders, evaluation):
    ppo = evaluation(dataset="nottingham", algo="ppo", policy="stochastic", agent_frames=7)
    put(folders / "metrics/eval.json", ppo)
    odtw = evaluation("midi-odtw", dataset="nottingham", baseline="midi-odtw", label="MIDI-ODTW")
    put(folders / "metrics/baselines/midi-odtw.json", odtw)
    put(
        folders / "metrics/baselines/msmd/midi-odtw.json",
        odtw | {"meta": odtw["meta"] | {"dataset": "msmd"}},
    )
    rows = lines(folders, 3)
    assert rows["nottingham", "agent (ppo, sampled)"] == [
        "0.50 [0.00-1.00]",
        "0.67 [0.33-1.00]",
        "0.18 ± 0.18",  # of 0, 6 and 8 px, and 0 of the lost game, at 20 px per cm
        "0.67 / 0.67 / 0.67",  # 0, 0.06 and 0.05 s; of the lost game the first onset
        "1.00",
        "1.00",
        "- ± -",
        "≥ 0.99",
        "≥ 0.99",
        "≤ 0.06",
    ]
    for dataset in ("nottingham", "msmd"):
        assert rows[dataset, "MIDI-ODTW"][0] == "1.00 [1.00-1.00]"
        assert rows[dataset, "MIDI-ODTW"][-3:] == ["1.00", "1.00", "~0"]
    assert rows["nottingham", "optimal"][-3:] == ["-"] * 3
    # Rows of the paper that nobody of ours stands for.
    assert rows["msmd", "PPO"] == ["-"] * 7 + ["0.81", "0.80", "0.65"]
    assert rows["msmd", "MM-Loc"] == ["-"] * 10
    assert ("nottingham", "PPO") not in rows


def test_published_agents_and_the_same_agent_once(folders, evaluation):
    same = evaluation(dataset="ryan", algo="dagger", policy="stochastic", agent_frames=9)
    put(folders / "pretrained/ryan-dagger/eval.json", same)
    del same["meta"]["dataset"]  # as agents were published before it was recorded
    put(folders / "pretrained/ryan-old/eval.json", same)
    put(folders / "metrics/eval.json", same)
    followers = [name for dataset, name in lines(folders, 3) if dataset == "ryan"]
    assert followers == [
        "ryan-dagger (dagger, sampled)",
        "optimal",
        "ryan-old (dagger, sampled)",
    ]
    same["meta"]["agent_frames"] = 10
    put(folders / "metrics/eval.json", same)
    assert ("unknown", "agent (dagger, sampled)") in lines(folders, 3)
    # Trained for as many frames by the same schedule, but another agent.
    same["meta"] |= {"dataset": "ryan", "agent_frames": 9, "agent_hours": 0.1}
    put(folders / "metrics/eval.json", same)
    assert ("ryan", "agent (dagger, sampled)") in lines(folders, 3)


def test_table_4(folders, evaluation):
    odtw, planner = evaluation("midi-odtw", label="MIDI-ODTW"), evaluation("optimal")
    condition = {"label": "performance MIDI, synthesised", "simulated": False}
    room = {"label": "room, 5 x 6 m", "simulated": True, "followers": {}}
    content = {
        "conditions": {
            "performance": condition | {"followers": {"midi-odtw": odtw, "optimal": planner}},
            "room": room,
        }
    }
    put(folders / "metrics/real.json", content)
    rows = lines(folders, 4)
    here = "performance MIDI, synthesised"
    assert rows[here, "optimal"][0] == "1.00 [1.00-1.00]"
    assert rows[here, "MIDI-ODTW"][-3:] == ["-"] * 3
    # The paper's agents stand for themselves where there are none of ours.
    assert rows[here, "A2C and PPO, the better"][-3:] == ["0.58", "0.51", "-"]
    assert rows["room, 5 x 6 m (simulated)", "A2C and PPO, the better"][-3:-1] == ["0.38", "0.50"]
    del content["conditions"]["room"]["simulated"]
    put(folders / "metrics/real.json", content)
    with pytest.raises(SfpipeError, match=r"real\.json: is not what sfpipe writes"):
        lines(folders, 4)


def test_table_4_has_the_published_agents_and_each_agent_once(folders, evaluation):
    def real(frames, **followers):
        meta = {"agent": "mine", "algo": "dagger", "agent_frames": frames, "policy": "stochastic"}
        room = {"label": "room", "simulated": True, "followers": followers}
        return {"conditions": {"room": room}, "meta": meta}

    sampled, argmax = (
        evaluation(label=f"mine (dagger, {policy})") for policy in ("sampled", "argmax")
    )
    agent = {"dagger": sampled, "dagger-argmax": argmax}
    odtw = {"midi-odtw": evaluation("midi-odtw", label="MIDI-ODTW")}
    put(folders / "pretrained/msmd-dagger/real.json", real(7, **agent))
    put(folders / "metrics/real.json", real(7, **agent, **odtw))
    ours = {"msmd-dagger (dagger, sampled)", "msmd-dagger (dagger, argmax)", "MIDI-ODTW"}
    assert {who for where, who in lines(folders, 4) if where == "room (simulated)"} >= ours
    assert not any("mine" in who for _, who in lines(folders, 4))
    # The paper's figures stand beside the agent, and not beside its argmax, nor alone.
    rows = lines(folders, 4)
    beside = {who: row[-3:] for (where, who), row in rows.items() if where == "room (simulated)"}
    assert beside["msmd-dagger (dagger, sampled)"] == ["0.38", "0.50", "-"]
    assert beside["msmd-dagger (dagger, argmax)"] == ["-"] * 3
    assert "A2C and PPO, the better" not in beside
    put(folders / "metrics/real.json", real(8, **agent, **odtw))
    found = {who for _, who in lines(folders, 4)}
    assert found >= ours | {"mine (dagger, sampled)", "mine (dagger, argmax)"}


def test_of_others_what_was_measured_last_counts(folders, evaluation):
    """What was published with an agent does not hide what is in metrics/, except of that agent."""

    def of(r_on, headline="agent", **meta):
        return evaluation(headline, **meta) | {"r_on": r_on}

    def real(r_on, algo="dagger", **others):
        own = {algo: of(r_on, label=f"mine ({algo}, sampled)")}
        room = {"label": "room", "simulated": True, "followers": own | others}
        meta = {"agent": "mine", "algo": algo, "agent_frames": 7, "policy": "stochastic"}
        return {"conditions": {"room": room}, "meta": meta}

    def odtw(r_on):
        return {"midi-odtw": of(r_on, "midi-odtw", label="MIDI-ODTW")}

    put(folders / "pretrained/msmd-dagger/real.json", real(0.5, **odtw(0.25)))
    for algo in ("dagger", "ppo"):  # the published agent again, and another
        put(folders / "metrics/real.json", real(0.125, algo, **odtw(0.75)))
        rows = lines(folders, 4)
        assert rows["room (simulated)", "MIDI-ODTW"][1].startswith("0.75 ")
        assert rows["room (simulated)", "msmd-dagger (dagger, sampled)"][1].startswith("0.50 ")
    assert rows["room (simulated)", "mine (ppo, sampled)"][1].startswith("0.12 ")
    about = {"dataset": "ryan", "algo": "dagger", "policy": "stochastic", "agent_frames": 9}
    for folder, r_on in (("pretrained/ryan-dagger", 0.25), ("metrics", 0.75)):
        played = of(r_on, **about)
        played["players"]["optimal"]["r_on"] = r_on
        put(folders / folder / "eval.json", played)
    rows = lines(folders, 3)
    assert rows["ryan", "optimal"][1].startswith("0.75 ")
    assert rows["ryan", "ryan-dagger (dagger, sampled)"][1].startswith("0.25 ")
    assert ("ryan", "agent (dagger, sampled)") not in rows


def test_nothing_and_nonsense_are_said(folders, evaluation):
    with pytest.raises(SfpipeError, match="no results of an evaluation"):
        lines(folders, 3)
    damaged = evaluation(dataset="ryan")
    del damaged["players"]["optimal"]["ci95"]
    put(folders / "metrics/eval.json", damaged)
    with pytest.raises(SfpipeError, match=r"eval\.json: is not what sfpipe writes .*ci95"):
        lines(folders, 3)
    shutil.rmtree(folders / "metrics")


def test_the_paper_is_quoted_with_a_source():
    rows = [*paper_rows(3), *paper_rows(4)]
    assert {r.group for r in rows} == {
        "nottingham", "msmd", "score", "performance", "direct", "room"
    }  # fmt: skip
    for row in rows:
        assert bool(row.r_tue or row.r_on or row.abs_dx_cm) == bool(row.source), row


def test_of_reference_followers_the_figures_of_most_games_count(folders, evaluation):
    few, more = (evaluation(dataset="nottingham", algo=a) for a in ("a2c", "ppo"))
    few["players"]["optimal"] |= {"n_games": 1, "r_on": 0.5}
    put(folders / "pretrained/nottingham-a2c/eval.json", few)
    put(folders / "pretrained/nottingham-ppo/eval.json", more)
    rows = lines(folders, 3)
    assert rows["nottingham", "optimal"][1].startswith("1.00")
    more["players"]["optimal"]["n_games"] = 0
    put(folders / "pretrained/nottingham-ppo/eval.json", more)
    assert lines(folders, 3)["nottingham", "optimal"][1].startswith("0.50")


def test_of_as_many_games_a_baseline_is_shown_at_its_best(folders, evaluation):
    slow, fast = (evaluation(dataset="nottingham", algo=a) for a in ("a2c", "ppo"))
    slow["players"]["optimal"] |= {"n_games": 7, "r_tue": 0.125}
    fast["players"]["optimal"] |= {"n_games": 7, "r_tue": 0.375}
    put(folders / "pretrained/nottingham-a2c/eval.json", slow)
    put(folders / "pretrained/nottingham-ppo/eval.json", fast)
    assert lines(folders, 3)["nottingham", "optimal"][0].startswith("0.38")
