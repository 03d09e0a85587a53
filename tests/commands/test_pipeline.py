"""The pipeline's commands: what is missing or damaged before them."""

import json
import os
import re
from pathlib import Path

import pytest

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
