"""The pipeline's commands: what is missing or damaged before them."""

import json
import os
import random
import re
from pathlib import Path

import pytest

from sfpipe.store.reader import read_performances, read_scores
from tests.audio.conftest import write_piece
from tests.commands.conftest import PARAMS, SPECTROGRAMS


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


def tune(seed: int) -> str:
    notes = random.Random(seed).choices("CDEFGABcdefg", k=24)
    bars = ["".join(notes[i : i + 4]) for i in range(0, 24, 4)]
    return f"X:1\nT:tune{seed}\nM:4/4\nL:1/4\nQ:1/4=160\nK:C\n{'|'.join(bars)}|]\n"


def test_a_few_named_pieces(project, sfpipe, soundfont):
    fonts = "synthesize: {train: {soundfonts: [TimGM6mb]}, test: {soundfonts: [TimGM6mb]}}\n"
    text = PARAMS + "download: {folders: {toy: {path: tunes}}}\n" + fonts
    (project / "params.yaml").write_text(text)
    (project / "tunes").mkdir()
    for seed in range(4):
        (project / "tunes" / f"tune{seed}.abc").write_text(tune(seed))
    named = ("--piece", "tune2", "--piece", "tune0")
    for stage in ("download", "engrave", "clean", "synthesize", "spectrograms", "scores"):
        code, _, err = sfpipe(stage, *named)
        assert code == 0, (stage, err)
    assert sorted(read_scores("data/scores/toy.h5")) == ["tune0", "tune2"]
    assert {r.piece for r in read_performances("data/spectrograms/toy.h5")} == {"tune0", "tune2"}
    # One more: what is there stays, reports and stores list what was asked for.
    for stage in ("download", "engrave", "clean", "synthesize", "scores"):
        assert sfpipe(stage, "--piece", "tune1")[0] == 0, stage
    assert sorted(p.name for p in (project / "data/audio/toy").iterdir() if p.is_dir()) == [
        "tune0",
        "tune1",
        "tune2",
    ]
    assert list(read_scores("data/scores/toy.h5")) == ["tune1"]
    # A name that is not there: the nearest, or the reason.
    (project / "tunes" / "tune4.abc").write_text("X:1\nK:C\n[CE]C|]\n")
    for stage, name, says in (
        ("download", "tune9", "toy: has no piece 'tune9' -> did you mean 'tune"),
        ("download", "tune4", "toy: piece 'tune4' is left out: not a melody of one voice"),
        ("engrave", "tune3", "data/raw/toy/index.json: has no piece 'tune3' -> did you mean"),
        ("clean", "tune3", "data/engraved/toy/report.json: has no piece 'tune3'"),
        ("scores", "tune3", "data/clean/toy.json: has no piece 'tune3'"),
    ):
        code, _, err = sfpipe(stage, "--piece", name)
        assert code == 1 and says in err, err
