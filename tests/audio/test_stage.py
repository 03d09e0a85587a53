import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile

from sfpipe.audio.stage import accepted_pieces, spectrograms, synthesize
from sfpipe.errors import SfpipeError
from sfpipe.files import sha256
from sfpipe.params import SpectrogramsParams, SynthesizeParams, VariantParams
from sfpipe.store.reader import augmentation
from tests.audio.conftest import write_piece

PARAMS = SynthesizeParams(
    train=VariantParams(soundfonts=["TimGM6mb"], tempo_factors=[0.8, 1.0, 1.25], per_piece=2),
    test=VariantParams(soundfonts=["TimGM6mb"]),
)


def run(root: Path, params=PARAMS, *, seed=1, jobs=1):
    return synthesize(
        params, root / "clean.json", root / "engraved", root / "audio", seed=seed, jobs=jobs
    )


def store(root: Path, jobs=1):
    return spectrograms(
        SpectrogramsParams(),
        root / "audio",
        root / "clean.json",
        root / "spec.h5",
        dataset="toy",
        jobs=jobs,
    )


def hashes(folder: Path) -> dict[str, str]:
    return {str(f.relative_to(folder)): sha256(f) for f in folder.rglob("*") if f.is_file()}


@pytest.fixture
def made(pieces, soundfont):
    root = pieces(train=["a", "b"], valid=["c"], test=["d"])
    report = run(root)
    assert sorted(report.done) == ["a", "b", "c", "d"]
    return root


def test_what_is_written(made):
    audio = made / "audio"
    assert sorted(f.name for f in (audio / "d").iterdir()) == [
        f"TimGM6mb-x1.00.{kind}" for kind in ("csv", "flac", "json")
    ]
    assert len(list((audio / "a").glob("*.flac"))) == 2
    info = soundfile.info(audio / "d" / "TimGM6mb-x1.00.flac")
    assert (info.samplerate, info.channels, info.subtype) == (22_050, 1, "PCM_16")
    recipe = json.loads((audio / "d" / "TimGM6mb-x1.00.json").read_text())
    assert (recipe["gain"], recipe["tempo_factor"]) == (0.2, 1.0)
    assert len(recipe["soundfont"]["sha256"]) == 64
    report = json.loads((audio / "report.json").read_text())
    assert report["n_done"] == 4
    assert report["fluidsynth"]


def test_the_store_says_how_performances_were_varied(made):
    store(made)
    assert augmentation(made / "spec.h5") == PARAMS.augment.model_dump(mode="json")
    # Stores from before it was recorded, and of audio from before, do not say.
    report = json.loads((made / "audio/report.json").read_text())
    del report["augment"]
    (made / "audio/report.json").write_text(json.dumps(report))
    store(made)
    assert augmentation(made / "spec.h5") is None
    with h5py.File(made / "spec.h5", "a") as file:
        file.attrs["params"] = "{}"
    assert augmentation(made / "spec.h5") is None


def test_onsets_are_divided_by_the_tempo_factor(made):
    for path in (made / "audio" / "a").glob("*.csv"):
        factor = float(path.stem.split("-x")[1])
        header, *rows = path.read_text().splitlines()
        assert header == "onset_s,score_onset"
        times = [float(row.split(",")[0]) for row in rows]
        np.testing.assert_allclose(times, np.arange(4) * 0.4 / factor, atol=1e-6)
        assert [row.split(",")[1] for row in rows] == ["0", "1", "2", "3"]


def test_parallel_gives_the_same_bits(made):
    before = hashes(made / "audio")
    for flac in (made / "audio").rglob("*.flac"):
        flac.unlink()
    run(made, jobs=2)
    assert hashes(made / "audio") == before


def test_a_second_run_makes_nothing_and_a_changed_source_makes_that_piece(made):
    def times():
        return {f: f.stat().st_mtime_ns for f in (made / "audio").rglob("*.flac")}

    before = times()
    run(made)
    assert times() == before
    write_piece(made / "engraved" / "c", shift=7)
    run(made)
    assert {f.parent.name for f, t in times().items() if t != before[f]} == {"c"}


def test_what_is_no_longer_asked_for_goes(made):
    (made / "audio" / "a" / ".TimGM6mb-x3.00.99999.tmp.flac").write_text("")  # of a killed run
    (made / "clean.json").write_text(json.dumps({"accepted": {"train": ["a"]}}))
    run(made, SynthesizeParams(train=PARAMS.test, test=PARAMS.test))
    assert sorted(f.name for f in (made / "audio").iterdir()) == ["a", "report.json"]
    assert len(list((made / "audio" / "a").iterdir())) == 3


def test_killed_and_started_again_is_as_if_nothing_had_happened(pieces, soundfont):
    root = pieces(train=[f"p{i}" for i in range(12)])
    code = "import sys; from tests.audio.test_stage import run, Path; run(Path(sys.argv[1]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root)], cwd=Path(__file__).parents[2], env=os.environ
    )
    deadline = time.monotonic() + 60
    while not list(root.glob("audio/p3/*.flac")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (root / "audio" / "report.json").exists()
    run(root)
    resumed = hashes(root / "audio")
    (root / "audio").rename(root / "resumed")
    run(root)
    assert hashes(root / "audio") == resumed


def test_a_bad_piece_is_left_out_with_its_reason(pieces, soundfont):
    root = pieces(train=["a", "b", "c", "d"])
    (root / "engraved" / "b" / "score.mid").write_bytes(b"MThd damaged")
    (root / "engraved" / "c" / "noteheads.csv").write_text("x\n1\n")
    (root / "engraved" / "d" / "score.mid").unlink()
    report = run(root)
    assert report.done == ["a"]
    assert "not a readable MIDI file" in report.skipped["b"]
    assert "is damaged" in report.skipped["c"]
    assert set(report.skipped) == {"b", "c", "d"}
    assert json.loads((root / "audio" / "report.json").read_text())["n_skipped"] == 3
    assert store(root).skipped == report.skipped


def test_no_piece_left_and_no_sound_font(pieces, soundfont):
    root = pieces(train=["a"])
    (root / "engraved" / "a" / "score.mid").write_bytes(b"")
    with pytest.raises(SfpipeError, match="not one piece could be synthesised"):
        run(root)
    missing = SynthesizeParams(train=VariantParams(soundfonts=["nowhere.sf2"]))
    with pytest.raises(SfpipeError, match="no such sound font"):
        run(root, missing)


def test_store_holds_what_was_heard(made):
    report = store(made)
    assert sorted(report.done) == ["a", "b", "c", "d"]
    with h5py.File(made / "spec.h5") as file:
        assert file.attrs["kind"] == "spectrograms"
        assert {name: file[name].attrs["split"] for name in file} == {
            **{"a": "train", "b": "train"},
            **{"c": "valid", "d": "test"},
        }
        played = file["d/TimGM6mb-x1.00"]
        assert played.attrs["soundfont"] == "TimGM6mb"
        np.testing.assert_allclose(played["onset_s"][:], [0, 0.4, 0.8, 1.2])
        frames = played["spectrogram"].shape[1]
        assert frames == int(np.ceil(played.attrs["duration_s"] * 20))
        loudness = played["spectrogram"][:].sum(axis=0)
        assert loudness[8] > loudness[6]  # an onset at 0.4 s belongs to frame 8


def test_stores_are_equal_however_many_processes(made):
    store(made, jobs=1)
    with h5py.File(made / "spec.h5") as file:
        one = {name: file[f"{name}/spectrogram"][:] for name in ("a/TimGM6mb-x1.00",)}
    store(made, jobs=2)
    with h5py.File(made / "spec.h5") as file:
        for name, values in one.items():
            np.testing.assert_array_equal(file[f"{name}/spectrogram"][:], values)


def test_damaged_recordings_are_left_out_with_their_reason(pieces, soundfont):
    root = pieces(train=["good", "cut", "rate", "nan", "gone", "late", "recipe", "none"])
    run(root, SynthesizeParams(train=PARAMS.test))
    audio = {f.parent.name: f for f in (root / "audio").rglob("*.flac")}
    audio["cut"].write_bytes(audio["cut"].read_bytes()[:5000])
    soundfile.write(audio["rate"], np.zeros(44_100), 44_100)
    # A WAV file with a NaN, under the name of the FLAC: libsndfile goes by content.
    soundfile.write(audio["nan"], np.full(90_000, np.nan), 22_050, format="WAV", subtype="FLOAT")
    audio["gone"].unlink()
    audio["late"].with_suffix(".csv").write_text("onset_s,score_onset\n99.0,0\n")
    audio["recipe"].with_suffix(".json").write_text("{}")
    for file in audio["none"].parent.iterdir():
        file.unlink()
    report = store(root)
    assert report.done == ["good"]
    for piece, reason in {
        "cut": "audio",
        "rate": "44100 Hz",
        "nan": "NaN",
        "gone": "no such file",
        "late": "behind the end",
        "recipe": "is not what sfpipe writes",
        "none": "no recordings",
    }.items():
        assert reason in report.skipped[piece], piece
    with h5py.File(root / "spec.h5") as file:
        assert list(file) == ["good"]
        assert json.loads(file.attrs["skipped"]) == report.skipped


def test_a_failed_run_leaves_the_old_store_alone(made):
    store(made)
    before = sha256(made / "spec.h5")
    for flac in (made / "audio").rglob("*.flac"):
        flac.write_bytes(b"")
    with pytest.raises(SfpipeError, match="not one piece"):
        store(made)
    assert sha256(made / "spec.h5") == before
    assert not list(made.glob(".*"))


@pytest.mark.parametrize("text", ["{", "[]", '{"accepted": ["a"]}', '{"accepted": {"dev": []}}'])
def test_clean_list_of_another_kind(tmp_path, text):
    (tmp_path / "clean.json").write_text(text)
    with pytest.raises(SfpipeError, match=r"not valid JSON|not what sfpipe writes"):
        accepted_pieces(tmp_path / "clean.json")


def test_missing_inputs(tmp_path, pieces):
    with pytest.raises(SfpipeError, match="no such file"):
        accepted_pieces(tmp_path / "clean.json")
    root = pieces(train=["a"])
    with pytest.raises(SfpipeError) as error:
        store(root)
    assert "synthesize" in error.value.remedy


def test_two_sound_fonts_of_one_name(pieces, soundfont, tmp_path):
    root = pieces(train=["a"])
    paths = []
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "piano.sf2").symlink_to(soundfont)
        paths.append(str(tmp_path / folder / "piano.sf2"))
    with pytest.raises(SfpipeError, match="two sound fonts are called piano"):
        run(root, SynthesizeParams(train=VariantParams(soundfonts=paths)))
