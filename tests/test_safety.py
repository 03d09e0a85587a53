"""Names that were read from files stay inside the data folder; only what sfpipe made is removed."""

import ast
import json
import re
import shutil
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from sfpipe import params
from sfpipe.alignment.notes import read_match, read_score_notes
from sfpipe.audio.midi import read_midi
from sfpipe.audio.onset_files import read_onsets
from sfpipe.audio.performances import made_files
from sfpipe.audio.stage import spectrograms, synthesize
from sfpipe.cleaning.checks import _read_midi as read_score_midi
from sfpipe.cleaning.stage import clean
from sfpipe.datasets.folder import folder_tunes
from sfpipe.datasets.index import read_index, validate
from sfpipe.datasets.stage import download
from sfpipe.engraving.files import read_image, read_images, read_noteheads, read_systems
from sfpipe.engraving.lilypond.placement import read_placement
from sfpipe.engraving.stage import engrave
from sfpipe.errors import SfpipeError
from sfpipe.files import plain_name, plain_path, read_json, remove_made, replacing
from sfpipe.omr.musicxml import read_musicxml
from sfpipe.pages.read import read_pages
from sfpipe.publishing import publish
from sfpipe.real_performances.stage import performances
from sfpipe.score.stage import scores
from sfpipe.store.reader import read_performances, read_scores
from sfpipe.store.writer import write_scores, write_spectrograms
from tests.pipeline.closure import ROOT
from tests.tunes import PLAIN, TUNES, WALTZ, engrave_toy, write_raw

OUTSIDE = [
    "..",
    "../..",
    "../../canary",
    "a/../../../canary",
    ".hidden",
    "",
    "a\x00b",
    "a\nb",
    7,
    None,
]


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """(raw, engraved) folders of four small tunes; read-only for the tests."""
    return engrave_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def project(tmp_path) -> Path:
    """A folder with a `canary` beside the `data`, which no stage may touch."""
    (tmp_path / "canary").mkdir()
    for name in ("keep.txt", "engraving.json", "a.json", "a.flac", "a.csv", "system-001.png"):
        (tmp_path / "canary" / name).write_text("{}" if name.endswith("json") else name)
    (tmp_path / "data").mkdir()
    yield tmp_path
    assert len(list((tmp_path / "canary").iterdir())) == 6


def refused(caught, file: Path) -> None:
    line = str(caught.value)
    assert line.startswith(f"{file}: ") and " -> " in line
    assert "\n" not in line and "\x00" not in line


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_plain_name_is_one_component(name):
    with pytest.raises(ValueError, match="name"):
        plain_name(name)


def test_plain_names_and_paths():
    for name in ("ryan-1", "BWV 999", "Für_Elise", "a.b", "x" * 200):
        assert plain_name(name) == name
    assert plain_path("pieces/a/b.ly") == "pieces/a/b.ly"
    for name in ("x" * 201, "é" * 101, "a\\b", "C:\\x"):
        with pytest.raises(ValueError, match="cannot be the name"):
            plain_name(name)
    for name in ("/etc/passwd", "a/../b", "a//b", "a/", "../a", "a/.git"):
        with pytest.raises(ValueError, match="cannot be the name"):
            plain_path(name)


@pytest.mark.parametrize("field", ["id", "source", "header", "includes", "performances"])
@pytest.mark.parametrize("name", ["..", "../../canary", "ABSOLUTE", "../../canary/a.json", 7])
def test_an_index_that_leaves_its_folder(project, field, name):
    raw = write_raw(project / "data/raw", {"plain": PLAIN, "waltz": WALTZ})
    data = json.loads((raw / "index.json").read_text())
    name = str(project / "canary") if name == "ABSOLUTE" else name
    data["pieces"][0][field] = {name: "0"} if field in ("includes", "performances") else name
    (raw / "index.json").write_text(json.dumps(data))
    for stage in (
        lambda: engrave(params.EngraveParams(), raw, project / "data/engraved", jobs=1),
        lambda: validate(raw),
    ):
        if field in ("includes", "performances") and name == 7:
            continue  # JSON has no other keys than text
        with pytest.raises(SfpipeError, match="is not what sfpipe writes") as caught:
            stage()
        refused(caught, raw / "index.json")


@pytest.mark.parametrize(
    "change",
    [
        {"split": "training"},
        {"title": 3},
        {"pieces": {"a": 1}},
        {"includes": ["a"]},
    ],
)
def test_an_index_of_another_shape(tmp_path, change):
    raw = write_raw(tmp_path / "raw", {"plain": PLAIN})
    data = json.loads((raw / "index.json").read_text())
    if "pieces" in change:
        data |= change
    else:
        data["pieces"][0] |= change
    (raw / "index.json").write_text(json.dumps(data))
    with pytest.raises(SfpipeError, match="is not what sfpipe writes") as caught:
        read_index(raw)
    refused(caught, raw / "index.json")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a": ' * 50_000,
        "1" * 5000,
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        "[1, NaN",
    ],
)
def test_json_that_is_too_deep_or_none(tmp_path, text):
    (tmp_path / "a.json").write_text(text, "latin-1")
    if text.startswith("1"):
        with pytest.raises(SfpipeError, match="not valid JSON"):
            read_json(tmp_path / "a.json", remedy="again", schema=dict)
        return
    with pytest.raises(SfpipeError, match="not valid JSON") as caught:
        read_json(tmp_path / "a.json", remedy="again", schema=dict)
    refused(caught, tmp_path / "a.json")


@pytest.mark.parametrize("name", ["..", "../../canary", "../canary/x", 3, ["a"]])
def test_reports_that_leave_the_folder(project, name):
    engraved = project / "data/engraved"
    engraved.mkdir()
    (engraved / "report.json").write_text(json.dumps({"done": [name], "skipped": {}}))
    with pytest.raises(SfpipeError, match="not what sfpipe writes") as caught:
        clean(params.CleanParams(), engraved, project / "data/clean.json")
    refused(caught, engraved / "report.json")
    verdict = project / "data/clean.json"
    verdict.write_text(json.dumps({"accepted": {"test": [name]}}))
    out = project / "data/audio"
    raw = write_raw(project / "data/raw", {"plain": PLAIN})
    for stage in (
        lambda: synthesize(params.SynthesizeParams(), verdict, engraved, out, seed=1, jobs=1),
        lambda: spectrograms(
            params.SpectrogramsParams(), out, verdict, out / "a.h5", dataset="a", jobs=1
        ),
        lambda: scores(
            params.ScoresParams(), verdict, engraved, project / "data/s.h5", dataset="a"
        ),
        lambda: performances(
            params.RealPerformancesParams(),
            raw,
            engraved,
            verdict,
            project / "data/real",
            dataset="a",
            gain=0.2,
            seed=1,
            jobs=1,
        ),
    ):
        with pytest.raises(SfpipeError, match="not what sfpipe writes") as caught:
            stage()
        refused(caught, verdict)


@pytest.mark.parametrize(
    "report", [{"skipped": {"a": 3}}, {"skipped": ["a"]}, {"fluidsynth": 7}, {"augment": 2}, [1]]
)
def test_a_report_of_another_shape(tmp_path, report):
    audio = tmp_path / "audio"
    audio.mkdir()
    (tmp_path / "clean.json").write_text(json.dumps({"accepted": {"test": ["a"]}}))
    (audio / "report.json").write_text(json.dumps(report))
    with pytest.raises(SfpipeError, match="not what sfpipe writes") as caught:
        spectrograms(
            params.SpectrogramsParams(),
            audio,
            tmp_path / "clean.json",
            tmp_path / "s.h5",
            dataset="a",
        )
    refused(caught, audio / "report.json")


@pytest.mark.parametrize("name", [b"..", b".a", b"a\\b", b"a\nb"])
def test_names_in_stores(tmp_path, name):
    """Names of pieces, performances and conditions become names of films, pages and pictures."""
    one = {"strip": np.zeros((40, 9), np.uint8), "onset_x_px": [1.0], "onset_y_px": [1.0]}
    one |= {"onset_quarter": [0.0], "staff_space_px": 3.5, "px_per_cm": 28.0}
    heard = {"spectrogram": np.zeros((78, 9)), "onset_s": [0.1], "score_onset": [0]}
    about = {"dataset": "toy", "params": {}, "tools": {}}
    with write_scores(tmp_path / "s.h5", **about) as store:
        store.add("a", split="test", **one)
        with pytest.raises(SfpipeError, match="cannot be the name"):
            store.add(name.decode(), split="test", **one)
    for i, (old, new) in enumerate([(b"a", name), (b"a/p", b"a/" + name)]):
        file = tmp_path / f"{i}.h5"
        with write_spectrograms(file, **about) as store:
            store.add("a", "p", split="test", condition="room", **heard)
            if i:
                with pytest.raises(SfpipeError, match="cannot be the name"):
                    store.add("a", name.decode(), split="test", **heard)
        with h5py.File(file, "a") as store:
            store.move(old, new)
        with pytest.raises(SfpipeError, match="cannot be the name") as caught:
            read_performances(file)
        refused(caught, file)
    with h5py.File(tmp_path / "s.h5", "a") as store:
        store.move(b"a", name)
    with pytest.raises(SfpipeError, match="cannot be the name") as caught:
        read_scores(tmp_path / "s.h5")
    refused(caught, tmp_path / "s.h5")
    with write_spectrograms(tmp_path / "c.h5", **about) as store:
        store.add("a", "p", split="test", condition=name.decode(), **heard)
    with pytest.raises(SfpipeError, match="cannot be the name"):
        read_performances(tmp_path / "c.h5")


def test_publishing_names_no_other_folder(project):
    agent = project / "agent"
    agent.mkdir()
    for name in ("agent.json", "weights.safetensors", "eval.json"):
        shutil.copy(ROOT / "models/pretrained/nottingham-ppo" / name, agent)
    with pytest.raises(SfpipeError, match="cannot be the name"):
        publish("../canary", agent, agent / "eval.json", project / "data")


def test_what_engrave_did_not_make_stays(toy, project):
    _, engraved = toy
    out = project / "data/engraved"
    shutil.copytree(engraved, out)
    (out / "mine").mkdir()
    (out / "mine/system-001.png").write_text("a picture of mine")
    (out / "chords/notes.txt").write_text("my notes")
    (out / "link").symlink_to(project / "canary")
    smaller = write_raw(project / "data/raw", {n: TUNES[n] for n in ("rich", "plain")})
    engrave(params.EngraveParams(), smaller, out, jobs=1)
    assert (out / "mine/system-001.png").is_file()
    assert [p.name for p in (out / "chords").iterdir()] == ["notes.txt"]
    assert not (out / "waltz").exists() and (out / "link").is_symlink()


def test_a_folder_of_the_users_is_not_replaced_by_a_piece(project):
    raw = write_raw(project / "data/raw", {"plain": PLAIN, "waltz": WALTZ})
    mine = project / "data/engraved/plain"
    mine.mkdir(parents=True)
    (mine / "take1.wav").write_text("a recording")
    report = engrave(params.EngraveParams(), raw, project / "data/engraved", jobs=1)
    assert report.done == ["waltz"]
    assert "is a folder that sfpipe did not make" in report.skipped["plain"]
    assert [p.name for p in mine.iterdir()] == ["take1.wav"]


def test_only_performances_with_a_recipe_are_removed(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    for name in ("font-x1.00", "mine"):
        for suffix in (".flac", ".csv", ".json"):
            (folder / f"{name}{suffix}").write_text("{}")
    (folder / "font-x1.00.json").write_text('{"tempo_factor": 1.0}')
    (folder / "deep.json").write_text("[" * 100_000)
    made = sorted(made_files(folder))
    assert [p.name for p in made] == [f"font-x1.00{s}" for s in (".csv", ".flac", ".json")]
    remove_made(folder, made)
    assert len(list(folder.iterdir())) == 4
    link = tmp_path / "link"
    link.symlink_to(folder)
    remove_made(link, [link / "mine.flac"])
    assert (folder / "mine.flac").is_file() and link.is_symlink()
    remove_made(folder, list(folder.iterdir()))
    assert not folder.exists()


def test_download_does_not_replace_what_it_did_not_write(tmp_path):
    tunes = tmp_path / "data/raw/mine"
    tunes.mkdir(parents=True)
    for i, name in enumerate(("a", "b", "c", "d")):
        notes = " ".join("CDEFGAB"[(i * 2 + k * (i + 1)) % 7] for k in range(24))
        (tunes / f"{name}.abc").write_text(f"X:1\nT:{name}\nL:1/8\nM:4/4\nK:C\n{notes}|\n")
    here = params.DownloadParams(folders={"mine": {"path": str(tunes)}})
    with pytest.raises(SfpipeError, match="did not make"):
        download("mine", here, 1, tunes)
    out = tmp_path / "data/raw/other"
    download("mine", here, 1, out)
    assert len(list(tunes.iterdir())) == 4


def test_a_marked_folder_is_replaced_and_no_other(tmp_path):
    for name in ("ours", "theirs", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "ours/mark").touch()
    (tmp_path / "theirs/file").touch()
    for name in ("ours", "empty", "new"):
        with replacing(tmp_path / name, marker="mark") as folder:
            folder.mkdir()
            (folder / "made").touch()
        assert [p.name for p in (tmp_path / name).iterdir()] == ["made"]
    with (
        pytest.raises(SfpipeError, match="did not make"),
        replacing(tmp_path / "theirs", marker="mark"),
    ):
        pass
    assert (tmp_path / "theirs/file").is_file()


def too_large(path: Path, start: bytes = b"") -> Path:
    """A file of zeros that takes no room on the disk."""
    with open(path, "wb") as file:
        file.write(start)
        file.truncate((64 << 20) + 1)
    return path


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.musicxml", read_score_notes),
        ("a.musicxml", lambda path: read_musicxml([path], (0, 100))),
        ("a.musicxml", read_pages),
        ("a.mei", read_pages),
        ("a.abc", read_pages),
        ("a.mid", read_pages),
        ("a.mid", read_midi),
        ("a.match", read_match),
        ("a.json", lambda path: read_json(path, remedy="again", schema=dict)),
        ("a.json", read_placement),
        ("noteheads.csv", lambda path: read_noteheads(path.parent)),
        ("a.csv", read_onsets),
        ("a.png", read_image),
        ("score.mid", read_score_midi),
    ],
)
def test_a_file_that_is_too_large_is_not_read(tmp_path, name, read):
    path = too_large(tmp_path / name, b"\x89PNG" if name.endswith("png") else b"")
    began = time.process_time()
    with pytest.raises(SfpipeError, match=r"more than|bytes") as caught:
        read(path)
    assert "\n" not in str(caught.value) and name in str(caught.value)
    assert time.process_time() - began < 5


def test_a_tune_that_is_too_large_is_left_out(tmp_path):
    (tmp_path / "a.abc").write_text(PLAIN)
    too_large(tmp_path / "b.abc")
    tunes, unreadable = folder_tunes(tmp_path)
    assert [tune.id for tune in tunes] == ["a"]
    assert unreadable == {"b.abc": "has more than 16 MiB"}


def test_images_of_a_piece_are_limited_together(toy, monkeypatch):
    piece = toy[1] / "plain"
    [size] = [image.size for image in read_images(piece, read_systems(piece))]
    monkeypatch.setattr("sfpipe.engraving.files.MOST_PIXELS", 2 * size)
    assert len(read_images(piece, read_systems(piece) * 2)) == 2
    with pytest.raises(SfpipeError, match=r"systems\.csv: lists images of more than"):
        read_images(piece, read_systems(piece) * 3)


def test_no_message_advises_to_delete_a_file():
    advised = []
    for path in sorted((ROOT / "sfpipe").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            told = node.value if isinstance(node, ast.keyword) and node.arg == "remedy" else None
            if isinstance(node, ast.Assign) and "REMEDY" in ast.unparse(node.targets[0]).upper():
                told = node.value
            if told and re.search(r"\b(delete|remove|erase|rm)\b", ast.unparse(told), re.I):
                advised.append(f"{path.name}: {ast.unparse(told)}")
    assert not advised
