"""The command line as a user meets it: help, what it loads, and one line for every bad input."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from sfpipe import cli
from sfpipe.agents.agent import save_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.audio.soundfonts import DECLARED, find
from sfpipe.store.window import WINDOWS
from tests.audio.conftest import write_piece
from tests.projects import write_stores

COMMANDS = (
    "download",
    "engrave",
    "clean",
    "synthesize",
    "spectrograms",
    "scores",
    "performances",
    "train",
    "evaluate",
    "baseline",
    "omr-accuracy",
    "tables",
    "publish",
    "summary",
    "curves",
    "pack",
    "unpack",
    "inspect",
    "show-alignment",
    "embed",
    "explain",
    "tempo",
    "report",
    "import-tismir",
    "import-msmd",
    "import-recordings",
    "watch",
    "page",
    "play",
    "doctor",
)
HEAVY = (
    "torch",
    "librosa",
    "fluidsynth",
    "verovio",
    "music21",
    "matplotlib",
    "cv2",
    "dvclive",
    "captum",
    "pygame",
    "partitura",
    "pyroomacoustics",
    "captum",
)
PARAMS = """
dataset: toy
algo: a2c
seed: 1
train:
  device: cpu
  precision: float32
  schedule: tiny
  schedules:
    tiny: {n_games: 2, t_max: 3, evaluate_every: 2, max_frames: 12}
evaluate: {trials: 2, device: cpu, precision: float32}
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "params.yaml").write_text(PARAMS)
    write_stores(root)
    network = ActorCritic(WINDOWS["nottingham"])
    network.initialise(torch.Generator().manual_seed(0))
    save_agent(root / "models/agent", network, {"window": "nottingham", "px_per_frame": 4.0})
    return root


@pytest.fixture
def project(template, tmp_path, monkeypatch) -> Path:
    """A small project folder, in which the command runs."""
    root = tmp_path / "project"
    shutil.copytree(template, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def sfpipe(monkeypatch, capsys):
    """Run the command in this process: (exit code, standard output, standard error)."""

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sfpipe", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def refuses(project, sfpipe):
    """The command ends with code 1 and one line, and leaves all files as they were."""

    def check(*arguments, file: str, says: str = "") -> str:
        before = files(project)
        code, out, err = sfpipe(*arguments)
        assert code == 1, err
        assert out == ""
        assert err.count("\n") == 1, err
        assert err.startswith("sfpipe: ")
        line = err.removeprefix("sfpipe: ").rstrip("\n")
        if file:
            assert line.startswith(f"{file}: "), line
        assert says in line
        assert re.search(r" -> \S", line), f"no remedy: {line}"
        assert files(project) == before
        return line

    return check


@pytest.fixture
def soundfont() -> Path:
    path = find(DECLARED["TimGM6mb"])
    if path is None:
        pytest.skip("the sound font TimGM6mb is not on this machine: see `sfpipe doctor`")
    return path


def edit(path: Path, name: str, value) -> None:
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = value


SCORES, SPECTROGRAMS = "data/scores/toy.h5", "data/spectrograms/toy.h5"
WEIGHTS, CARD = "models/agent/weights.safetensors", "models/agent/agent.json"


@pytest.mark.parametrize("command", COMMANDS)
def test_help(sfpipe, command):
    code, out, err = sfpipe(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: sfpipe {command}")
    assert len(out.splitlines()) > 4


def test_help_lists_every_command(sfpipe):
    code, out, _ = sfpipe("--help")
    assert code == 0
    listed = re.findall(r"^  ([a-z-]+)  +\S", out.split("Commands:")[1], re.M)
    assert sorted(listed) == sorted(COMMANDS)


@pytest.mark.parametrize(
    "code",
    [
        "import sfpipe",
        "import sfpipe.cli; sfpipe.cli.app(['--help'], standalone_mode=False)",
        "import sfpipe.cli; sfpipe.cli.app(['train', '--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_loaded(code):
    code += f"; import sys; print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=1200
    )
    assert done.stderr.strip() == "[]"


def test_the_installed_command_prints_one_line_without_traceback(tmp_path):
    command = Path(sys.executable).with_name("sfpipe")
    if not command.exists():
        pytest.skip("sfpipe is not installed beside this Python")
    done = subprocess.run(
        [command, "clean"], capture_output=True, text=True, cwd=tmp_path, timeout=1200
    )
    assert done.returncode == 1
    assert done.stderr == (
        "sfpipe: params.yaml: no such file -> run in the project folder, or give --params FILE\n"
    )
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_bug_still_shows_its_traceback():
    code = """
import sys
from sfpipe import cli
@cli.app.command()
def broken() -> None:
    raise ZeroDivisionError("a bug")
sys.argv = ["sfpipe", "broken"]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.rstrip().endswith("ZeroDivisionError: a bug")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["trian"], "No such command 'trian'"),
        (["train", "--dataste", "x"], "No such option: --dataste"),
        (["engrave", "--jobs", "many"], "--jobs"),
        (["inspect"], "Missing argument"),
        (["show-alignment", "--random", "0"], "--random"),
    ],
)
def test_wrong_usage(project, sfpipe, arguments, says):
    before = files(project)
    code, out, err = sfpipe(*arguments)
    assert code == 2
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    assert files(project) == before


@pytest.mark.parametrize("command", [c for c in COMMANDS[:8]])
def test_params_file_is_missing(refuses, command):
    refuses(command, "--params", "other.yaml", file="other.yaml", says="no such file")


def test_params_with_mistakes(project, refuses):
    path = project / "params.yaml"
    path.write_text(PARAMS.replace("n_games", "n_game"))
    line = refuses("train", file="params.yaml", says="unknown key 'train.schedules.tiny.n_game'")
    assert line.endswith("did you mean 'train.schedules.tiny.n_games'?")
    path.write_text(PARAMS.replace("algo: a2c", "algo: a3c"))
    refuses("train", file="params.yaml", says="'algo': Input should be 'reinforce', 'a2c'")
    path.write_text(PARAMS.replace("schedule: tiny", "schedule: tyni"))
    refuses("train", file="params.yaml", says="schedule 'tyni' is none of tiny")
    path.write_text("seed: [")
    refuses("train", file="params.yaml", says="is not valid YAML")
    path.write_text("")
    refuses("train", file="params.yaml", says="does not consist of keys and values")


def test_unknown_data_set(refuses):
    line = refuses("download", "--dataset", "ryen", file="", says="unknown data set 'ryen'")
    assert "did you mean 'ryan'?" in line
    refuses("engrave", "--dataset", "ryen", file="data/raw/ryen/index.json", says="no such file")
    refuses("train", "--dataset", "../x", file="", says="is no name of a data set")


def test_unknown_baseline(refuses):
    line = refuses("baseline", "midi-odwt", file="", says="unknown baseline 'midi-odwt'")
    assert "did you mean 'midi-odtw'?" in line


def test_a_baseline_without_the_sound_of_its_score(refuses):
    file = "data/engraved/toy/tune2/noteheads.csv"  # no performance of the store is as written
    refuses("baseline", "midi-odtw", file=file, says="no such file")


def test_a_baseline_that_learns(project, sfpipe, refuses):
    tiny = "{max_updates: 2, passages: 1, validation_examples: 4, device: cpu, precision: float32}"
    (project / "params.yaml").write_text(PARAMS + f"baselines: {{mm_loc: {tiny}}}\n")
    assert sfpipe("baseline", "mm-loc")[0] == 0
    weights = project / "models/baselines/mm-loc/weights.safetensors"
    results = json.loads((project / "metrics/baselines/mm-loc.json").read_text())
    assert results["n_games"] == 1 and 0 <= results["r_on"] <= 1
    made = weights.stat().st_mtime_ns
    assert sfpipe("baseline", "mm-loc")[0] == 0 and weights.stat().st_mtime_ns == made
    assert sfpipe("baseline", "mm-loc", "--train")[0] == 0 and weights.stat().st_mtime_ns > made
    refuses("baseline", "midi-odtw", "--train", file="", says="MIDI-ODTW learns nothing")


def test_tables(project, sfpipe, refuses):
    refuses("tables", file="metrics", says="no results of an evaluation")
    assert sfpipe("evaluate")[0] == 0
    code, out, err = sfpipe("tables")
    assert (code, err) == (0, "")
    assert "| toy | planner (optimal) | 1.00 [1.00-1.00] |" in out
    assert out.count("\n# Table") == 1 and out.startswith("# Table 3")
    (project / "metrics/eval.json").write_text("{}")
    refuses("tables", file="metrics/eval.json", says="is not the result of an evaluation")


def test_own_folder_is_missing_or_empty(project, refuses):
    text = PARAMS + "download: {folders: {toy: {path: tunes}}}\n"
    (project / "params.yaml").write_text(text)
    refuses("download", file="tunes", says="no such folder")
    (project / "tunes").mkdir()
    refuses("download", file="tunes", says="holds no melodies")
    (project / "tunes/x.abc").write_text("no tune at all")
    refuses("download", file="", says="data set 'toy' has 0 usable tunes")


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("engrave", "data/raw/toy/index.json"),
        ("clean", "data/engraved/toy/report.json"),
        ("synthesize", "data/clean/toy.json"),
        ("spectrograms", "data/clean/toy.json"),
        ("scores", "data/clean/toy.json"),
        ("summary", "metrics/eval.json"),
    ],
)
def test_the_stage_before_has_not_run(project, refuses, command, file):
    refuses(command, file=file, says="no such file")
    path = project / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"half": ')
    refuses(command, file=file, says="is not valid JSON")
    path.write_text("[]")
    refuses(command, file=file)


@pytest.mark.parametrize("command", ["train", "evaluate", "show-alignment"])
@pytest.mark.parametrize("store", [SCORES, SPECTROGRAMS])
def test_stores_missing_foreign_or_damaged(project, refuses, command, store):
    if command == "show-alignment" and store == SPECTROGRAMS:
        pytest.skip("it reads the scores only")
    path = project / store
    whole = path.read_bytes()
    path.unlink()
    refuses(command, file=store, says="no such file")
    path.write_bytes(whole[: len(whole) // 2])
    refuses(command, file=store, says="is not a readable HDF5 file")
    with h5py.File(path, "w") as file:
        file["x"] = 1
    refuses(command, file=store, says="is HDF5 but not an sfpipe store")
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = 0
    refuses(command, file=store, says="has schema version 0")


def test_inspect_of_what_is_no_store(project, refuses):
    refuses("inspect", "nothing.h5", file="nothing.h5", says="no such file")
    refuses("inspect", "params.yaml", file="params.yaml", says="is not a readable HDF5 file")


def test_inspect(project, sfpipe):
    code, out, err = sfpipe("inspect", SCORES)
    assert (code, err) == (0, "")
    assert out.startswith(f"{SCORES}: scores of 'toy', schema version 1\n")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_nan_in_a_store(project, refuses, command):
    spectrogram = np.zeros((78, 30), np.float32)
    spectrogram[3, 4] = np.nan
    for i in range(3):
        edit(project / SPECTROGRAMS, f"tune{i}/plain/spectrogram", spectrogram)
    refuses(command, file=SPECTROGRAMS, says="holds NaN")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_stores_that_do_not_belong_together(project, refuses, command):
    for i in range(3):
        edit(project / SPECTROGRAMS, f"tune{i}/plain/score_onset", np.array([0, 1, 7]))
    refuses(command, file=SPECTROGRAMS, says="an onset points outside the score")


def test_a_split_without_pieces(project, refuses):
    with h5py.File(project / SPECTROGRAMS, "a") as file:
        for i in range(3):
            file[f"tune{i}"].attrs["split"] = "train"
    refuses("train", file=SPECTROGRAMS, says="no performance has a strip in split valid")
    refuses("evaluate", file=SPECTROGRAMS, says="no performance has a strip in split test")


def test_strip_lower_than_the_window(project, refuses):
    for i in range(3):
        edit(project / SCORES, f"tune{i}/strip", np.zeros((30, 200), np.uint8))
    refuses("train", file=SCORES, says="the strip is 30 px high, the window needs 40")


def test_agent_missing_or_damaged(project, refuses):
    card, weights = project / CARD, project / WEIGHTS
    whole = weights.read_bytes()
    refuses("evaluate", "--agent", "other", file="other/agent.json", says="no such file")
    card.write_text("{")
    refuses("evaluate", file=CARD, says="is not valid JSON")
    for text in ("[]", "{}", '{"window": "wide"}', '{"window": ["msmd"]}'):
        card.write_text(text)
        refuses("evaluate", file=CARD, says="names no window")
    card.write_text('{"window": "msmd"}')
    refuses("evaluate", file=WEIGHTS, says="does not hold this network's weights")
    card.write_text('{"window": "nottingham"}')
    for content in (b"", b"garbage" * 99, whole[:-100], whole[:100]):
        weights.write_bytes(content)
        refuses("evaluate", file=WEIGHTS, says="does not hold this network's weights")
    weights.unlink()
    refuses("evaluate", file=WEIGHTS, says="no such file")


def test_weights_that_are_not_numbers(project, refuses):
    network = ActorCritic(WINDOWS["nottingham"])
    with torch.no_grad():
        network.joint[0].bias[3] = float("nan")
    save_agent(project / "models/agent", network, {"window": "nottingham"})
    refuses("evaluate", file=WEIGHTS, says="holds NaN")


def test_options_out_of_range(refuses):
    refuses("evaluate", "--trials", "0", file="", says="'trials': Input should be greater than")
    refuses("evaluate", "--split", "tset", file="", says="'split': Input should be 'train'")


def test_no_gpu(project, refuses):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    text = (project / "params.yaml").read_text().replace("device: cpu", "device: cuda")
    (project / "params.yaml").write_text(text)
    refuses("train", file="", says="no CUDA device is available")
    refuses("evaluate", file="", says="no CUDA device is available")


def test_output_folder_is_a_file(project, sfpipe):
    (project / "taken").write_text("keep")
    code, _, err = sfpipe("evaluate", "--out", "taken")
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith("sfpipe: taken/eval.json: cannot be written")
    assert "Traceback" not in err
    assert (project / "taken").read_text() == "keep"


def test_looking_inside(project, sfpipe):
    for command, files in (
        ("embed", ["embedding.png", "embedding.html", "embedding.json"]),
        ("tempo", ["tempo.csv", "tempo.png"]),
        ("explain", ["policy.png", "saliency.png", "explanation.json"]),
    ):
        code, out, err = sfpipe(command)
        assert code == 0, err
        assert out.splitlines() == [f"inspection/{name}" for name in files]
        assert all((project / line).stat().st_size > 100 for line in out.splitlines())


@pytest.mark.parametrize("command", ["embed", "tempo", "explain"])
def test_looking_inside_what_is_not_there(refuses, command):
    refuses(command, "--agent", "other", file="other/agent.json", says="no such file")
    refuses(command, "--dataset", "none", file="data/spectrograms/none.h5", says="no such file")
    if command == "embed":
        refuses(command, "--split", "tset", file=SPECTROGRAMS, says="no performance has a strip")
    else:
        refuses(command, "--piece", "tune9", file=SPECTROGRAMS, says="no piece 'tune9'")


def test_report_needs_an_evaluation(refuses):
    refuses("report", file="metrics/eval.json", says="no such file")


def test_evaluate_and_summary(project, sfpipe):
    code, out, _ = sfpipe("evaluate", "--deterministic", "--trials", 5)
    assert code == 0
    assert re.search(r"^tune2 plain +tracking ratio: [01]\.\d\d", out, re.M)
    results = json.loads((project / "metrics/eval.json").read_text())
    assert results["meta"]["policy"] == "argmax"
    assert sfpipe("report")[1] == "report.html\n"
    code, table, _ = sfpipe("summary")
    assert code == 0
    assert table.strip() in out
    assert "constant speed" in table


@pytest.fixture
def engraved(project) -> Path:
    """Pieces as `engrave` and `clean` leave them."""
    accepted = {"train": ["one", "two"], "valid": ["three"], "test": ["four"]}
    for names in accepted.values():
        for i, name in enumerate(names):
            write_piece(project / "data/engraved/toy" / name, shift=i)
    (project / "data/clean").mkdir()
    (project / "data/clean/toy.json").write_text(json.dumps({"accepted": accepted}))
    text = PARAMS + "synthesize: {train: {soundfonts: [F]}, test: {soundfonts: [F]}}\n"
    (project / "params.yaml").write_text(text)
    return project


@pytest.mark.parametrize(
    ("font", "file", "says"),
    [
        ("FluidR3", "", "unknown sound font 'FluidR3'"),
        ("missing.sf2", "missing.sf2", "no such sound font"),
        ("params.sf2", "params.sf2", "sound font"),
    ],
)
def test_no_sound_font(engraved, sfpipe, font, file, says):
    (engraved / "params.sf2").write_text("no sound font at all")
    path = engraved / "params.yaml"
    path.write_text(path.read_text().replace("[F]", f"[{font}]"))
    code, _, err = sfpipe("synthesize", "--jobs", 1)
    assert code == 1
    last = err.splitlines()[-1]
    assert says in last
    assert file in last
    assert "Traceback" not in err
    assert list(engraved.rglob("*.flac")) == []


def test_a_corrupt_piece_is_skipped_and_listed(engraved, sfpipe, soundfont):
    path = engraved / "params.yaml"
    path.write_text(path.read_text().replace("[F]", f"[{soundfont}]"))
    folder = engraved / "data/engraved/toy"
    (folder / "two/score.mid").write_bytes(b"MThd no MIDI")
    (folder / "three/noteheads.csv").write_bytes(os.urandom(300))
    code, _, err = sfpipe("synthesize", "--jobs", 1)
    assert code == 0, err
    assert err.splitlines()[-1].endswith("2 skipped")
    report = json.loads((engraved / "data/audio/toy/report.json").read_text())
    assert report["done"] == ["four", "one"]
    assert set(report["skipped"]) == {"two", "three"}
    assert "two/score.mid" in report["skipped"]["two"]
    assert "three/noteheads.csv" in report["skipped"]["three"]
    code, _, err = sfpipe("spectrograms", "--jobs", 1)
    assert code == 0, err
    code, out, _ = sfpipe("inspect", SPECTROGRAMS)
    assert "2 pieces (1 test, 1 train)" in out
    assert re.search(r"skipped 2:\n    three: .*noteheads\.csv.*\n    two: .*score\.mid", out)


def test_no_process_is_no_number_of_processes(engraved, sfpipe, soundfont):
    path = engraved / "params.yaml"
    path.write_text(path.read_text().replace("[F]", f"[{soundfont}]"))
    code, _, err = sfpipe("synthesize", "--jobs", 0)
    assert code == 1
    assert err.splitlines()[-1].startswith("sfpipe: 0 processes can do nothing -> ")


def test_scheduler_that_does_not_answer(engraved, sfpipe):
    code, _, err = sfpipe("synthesize", "--scheduler", "tcp://127.0.0.1:9")
    assert code == 1
    assert "Dask" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_doctor(sfpipe):
    code, out, _ = sfpipe("doctor")
    assert ("All that is required is there." in out) == (code == 0)
    assert "PyTorch" in out


def test_pack_trains_evaluates_and_unpacks(project, sfpipe):
    code, out, err = sfpipe("pack", "--split", "train", "--split", "valid", "--split", "test")
    assert (code, out.startswith("Packed(pieces=3, performances=3")) == (0, True), err
    packed = "data/packed/toy.h5"
    whole = {name: (project / name).read_bytes() for name in (SCORES, SPECTROGRAMS)}
    for name in whole:
        (project / name).unlink()
    assert sfpipe("train", "--packed", packed)[0] == 0
    code, out, err = sfpipe("evaluate", "--packed", packed)
    assert code == 0, err
    assert "constant speed" in out
    code, out, _ = sfpipe("unpack", packed)
    assert (code, out) == (0, f"{SCORES}\n{SPECTROGRAMS}\n")
    assert sfpipe("evaluate")[0] == 0


def test_pack_over_the_limit(refuses):
    refuses("pack", "--limit", "0.01", file="data/packed/toy.h5", says="over 0.01 MiB")


def test_watch_and_page(project, sfpipe):
    code, out, err = sfpipe("watch", "--player", "optimal", "--piece", "tune1")
    assert (code, out) == (0, "watch/tune1-plain-optimal.mp4\n")
    assert err == "sfpipe: no recording of tune1-plain is here: the film is silent\n"
    assert (project / "watch/tune1-plain-optimal.mp4").stat().st_size > 1000
    code, out, _ = sfpipe("page", "--player", "optimal", "--player", "constant")
    assert (code, out) == (0, "pages/tune2-plain.html\n")
    text = (project / "pages/tune2-plain.html").read_text("utf-8")
    assert "optimal player" in text and "constant speed" in text


def test_watch_page_and_play_of_what_is_not_there(refuses):
    refuses("watch", "--player", "best", file="", says="unknown player 'best'")
    refuses("watch", "--baseline", "dtw", file="", says="unknown baseline 'dtw'")
    refuses("watch", "--agent", "a", "--player", "optimal", file="", says="shows one follower")
    refuses("watch", "--agent", "other", file="other/agent.json", says="no such file")
    refuses("page", "--piece", "tune9", file=SPECTROGRAMS, says="has no piece 'tune9'")
    refuses("page", "--performance", "plane", file=SPECTROGRAMS, says="no performance 'plane'")
    refuses("play", "--split", "all", file=SPECTROGRAMS, says="no performance in split all")
    missing = "data/real/vienna4x22/performances.h5"
    refuses("watch", "--real-performances", file=missing, says="no such file")


def test_you_play_against_the_trained_agent(project, refuses):
    (project / "models/agent/agent.json").write_text("{}")
    refuses("play", file="models/agent/agent.json", says="names no window")
