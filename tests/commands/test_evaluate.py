"""Commands that evaluate agents and baselines, and show results."""

import json
import re
import shutil

import h5py
import numpy as np
import torch

from sfpipe.agents.agent import save_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.store.window import WINDOWS
from tests.commands.conftest import CARD, PARAMS, SCORES, SPECTROGRAMS, WEIGHTS

TINY_MM_LOC = """
baselines:
  mm_loc: {max_updates: 2, crops: 1, validation_examples: 4, device: cpu, precision: float32}
"""


def test_unknown_baseline(refuses):
    line = refuses("baseline", "midi-odwt", file="", says="unknown follower 'midi-odwt'")
    assert "did you mean 'midi-odtw'?" in line


def test_a_baseline_without_the_sound_of_its_score(refuses):
    file = "data/engraved/toy/tune2/noteheads.csv"  # no performance of the store is as written
    refuses("baseline", "midi-odtw", file=file, says="no such file")


def test_a_baseline_that_learns(project, sfpipe, refuses):
    (project / "params.yaml").write_text(PARAMS + TINY_MM_LOC)
    assert sfpipe("baseline", "mm-loc")[0] == 0
    weights = project / "models/baselines/mm-loc/weights.safetensors"
    results = json.loads((project / "metrics/baselines/mm-loc.json").read_text())
    assert results["n_games"] == 1 and 0 <= results["r_on"] <= 1
    made = weights.stat().st_mtime_ns
    assert sfpipe("baseline", "mm-loc")[0] == 0 and weights.stat().st_mtime_ns == made
    assert sfpipe("baseline", "mm-loc", "--train")[0] == 0 and weights.stat().st_mtime_ns > made
    refuses("baseline", "midi-odtw", "--train", file="", says="midi-odtw learns nothing")


def human_performances(project, dataset):
    """The toy project's performances as a pianist's in a room, which is simulated."""
    human = project / f"data/real/{dataset}/performances.h5"
    human.parent.mkdir(parents=True)
    shutil.copy(project / SPECTROGRAMS, human)
    with h5py.File(human, "a") as file:
        for group in file.values():
            group["plain"].attrs.update(condition="room", simulated=True)


def test_a_data_set_of_human_performances(project, refuses):
    here = ("--dataset", "pianists")
    shutil.copy(project / SCORES, project / "data/scores/pianists.h5")
    file = "data/real/pianists/performances.h5"
    says = "no such file -> run: sfpipe performances --dataset pianists"
    refuses("evaluate", "--real-performances", *here, file=file, says=says)
    human_performances(project, "pianists")
    says = "-> its performances are human: evaluate, page and watch take --real-performances"
    for command in (("baseline", "mm-loc"), ("evaluate",)):
        refuses(*command, *here, file="data/spectrograms/pianists.h5", says=says)


def test_baselines_beside_an_agent_on_human_performances(project, sfpipe, refuses):
    """Those that are named take part, instead of those of the parameters."""
    says = "--baseline goes with --real-performances -> run: sfpipe baseline mm-loc"
    refuses("evaluate", "--baseline", "mm-loc", file="", says=says)
    (project / "params.yaml").write_text(PARAMS + TINY_MM_LOC)
    assert sfpipe("baseline", "mm-loc")[0] == 0
    human_performances(project, "toy")
    real = ("evaluate", "--real-performances", "--dataset", "toy", "--trials", 1)
    code, out, err = sfpipe(*real, "--baseline", "mm-loc")
    assert code == 0, err
    assert "room (simulated)" in out
    results = json.loads((project / "metrics/real.json").read_text())["conditions"]["room"]
    assert {"mm-loc", "optimal"} <= set(results["followers"]) and results["performances"] == 3
    assert "midi-odtw" not in results["followers"]


def test_tables(project, sfpipe, refuses):
    refuses("tables", file="metrics", says="no results of an evaluation")
    assert sfpipe("evaluate")[0] == 0
    code, out, err = sfpipe("tables")
    assert (code, err) == (0, "")
    assert "| toy | optimal | 1.00 [1.00-1.00] |" in out
    assert out.count("\n# Table") == 1 and out.startswith("# Table 3")
    (project / "metrics/eval.json").write_text("{}")
    refuses("tables", file="metrics/eval.json", says="is not what sfpipe writes (r_tue: Field req")


def test_agent_missing_or_damaged(project, refuses):
    card, weights = project / CARD, project / WEIGHTS
    whole = weights.read_bytes()
    line = refuses("evaluate", "--agent", "other", file="other/agent.json", says="no such file")
    assert "-> train an agent first: dvc repro train. Known: optimal, " in line
    shutil.copytree(project / "models/agent", project / "models/pretrained/msmd-dagger")
    says = "unknown follower 'msmd-dagg' -> did you mean 'msmd-dagger'? Known: optimal, "
    line = refuses("evaluate", "--agent", "msmd-dagg", file="", says=says)
    # Beside the folder's own agent there are the two that come with the package.
    assert line.endswith(" msmd-belief, msmd-dagger, nottingham-belief")
    card.write_text("{")
    refuses("evaluate", file=CARD, says="is not valid JSON")
    card.write_text("[]")
    refuses("evaluate", file=CARD, says="is not what sfpipe writes (the whole: Input should be a")
    card.write_text('{"window": ["msmd"]}')
    refuses(
        "evaluate", file=CARD, says="is not what sfpipe writes (window: Input should be a valid"
    )
    for text in ("{}", '{"window": "wide"}'):
        card.write_text(text)
        refuses("evaluate", file=CARD, says="names no window")
    card.write_text('{"window": "msmd", "strip_height_px": 40}')
    refuses("evaluate", file=WEIGHTS, says="does not hold this network's weights")
    card.write_text('{"window": "nottingham"}')
    for content in (b"", b"garbage" * 99, whole[:-100], whole[:100]):
        weights.write_bytes(content)
        refuses("evaluate", file=WEIGHTS, says="does not hold this network's weights")
    weights.unlink()
    refuses("evaluate", file=WEIGHTS, says="no such file")


def test_an_agent_for_other_strips(project, sfpipe, refuses):
    with h5py.File(project / SCORES, "a") as file:
        for group in file.values():
            strip = np.pad(group["strip"][()], ((80, 80), (0, 0)), constant_values=255)
            del group["strip"]
            group["strip"] = strip
    says = "agent 'agent' sees 40 x 150 px (window nottingham), but strips 200 px high are for the"
    for command in ("evaluate", "embed", "tempo", "explain", "watch", "page"):
        line = refuses(command, file=SCORES, says=says)
        assert line.endswith("-> name an agent with the window msmd, or train one on such strips")
    # One that was trained on such strips, with train.window set by hand, is what was asked for.
    card = json.loads((project / CARD).read_text())
    (project / CARD).write_text(json.dumps(card | {"strip_height_px": 200}))
    assert sfpipe("evaluate")[0] == 0


def test_weights_that_are_not_numbers(project, refuses):
    network = ActorCritic(WINDOWS["nottingham"])
    with torch.no_grad():
        network.joint[0].bias[3] = float("nan")
    save_agent(project / "models/agent", network, {"window": "nottingham"})
    refuses("evaluate", file=WEIGHTS, says="holds NaN")


def test_output_folder_is_a_file(project, sfpipe):
    (project / "taken").write_text("keep")
    code, _, err = sfpipe("evaluate", "--out", "taken")
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith("sfpipe: taken/eval.json: cannot be written")
    assert "Traceback" not in err
    assert (project / "taken").read_text() == "keep"


def test_evaluate_and_summary(project, sfpipe):
    code, out, _ = sfpipe("evaluate", "--deterministic", "--trials", 5)
    assert code == 0
    assert re.search(r"^tune2 plain +tracking ratio: [01]\.\d\d", out, re.M)
    results = json.loads((project / "metrics/eval.json").read_text())
    assert results["meta"]["policy"] == "argmax"
    code, table, _ = sfpipe("summary")
    assert code == 0
    assert table.strip() in out
    assert "constant speed" in table
    assert sfpipe("report")[1] == "report.html\n"
    lines = sfpipe("report", "--follow", "follow.html")[1].splitlines()
    named = [line.split(":")[0].strip() for line in lines]
    assert named == ["Open in a browser", "report.html", "follow.html"]
    assert '"name":"agent"' in (project / "follow.html").read_text("utf-8")
    assert sfpipe("summary")[1] == table + "\nOpen in a browser: report.html, follow.html\n"
