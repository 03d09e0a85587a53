import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sfpipe.datasets.index import Index, Piece, write_index
from sfpipe.engraving.files import NOTEHEADS, write_rows
from sfpipe.errors import SfpipeError
from sfpipe.params import RealPerformancesParams
from sfpipe.real_performances.stage import performances
from sfpipe.store.reader import read_performances
from sfpipe.store.schema import SAMPLE_RATE
from tests.alignment.conftest import ONSETS
from tests.audio.conftest import write_midi

SECONDS = 0.6  # of a quarter in the score's MIDI


def project(tiny, root: Path) -> dict[str, Path]:
    """What download, engrave and clean leave of the tiny piece."""
    raw, engraved, clean = root / "raw", root / "engraved", root / "clean.json"
    (raw / "match").mkdir(parents=True)
    (raw / "midi").mkdir()
    shutil.copy(tiny.score, raw / "tiny.musicxml")
    shutil.copy(tiny.match, raw / "match" / "tiny_p01.match")
    shutil.copy(tiny.midi, raw / "midi" / "tiny_p01.mid")
    (raw / "match" / "tiny_p02.match").write_text("damaged")
    shutil.copy(tiny.midi, raw / "midi" / "tiny_p02.mid")
    played = {
        str(p.relative_to(raw)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(raw.glob("m*/*"))
    }
    piece = Piece("tiny", "Tiny", "test", "tiny.musicxml", "", "CC0", performances=played)
    write_index(raw, Index("toy", "CC0", "nobody", [piece]))
    clean.write_text(json.dumps({"accepted": {"train": [], "valid": [], "test": ["tiny"]}}))
    (engraved / "tiny").mkdir(parents=True)
    notes = [(q * SECONDS, q * SECONDS + 0.5, p) for q, pitches in ONSETS for p in pitches]
    write_midi(engraved / "tiny" / "score.mid", notes)
    rows = [
        (1, 50 + 20 * q, 20, 1, p, round(q * SECONDS, 6), q, 0, 0)
        for q, pitches in ONSETS
        for p in pitches
    ]
    write_rows(engraved / "tiny" / "noteheads.csv", NOTEHEADS, rows)
    return {"raw": raw, "engraved": engraved, "clean": clean, "out": root / "real"}


def run(paths, params, tell=print):
    return performances(params, **paths, dataset="toy", gain=0.2, seed=1, jobs=1, tell=tell)


@pytest.fixture(scope="module")
def made(tiny, soundfont, tmp_path_factory):
    paths = project(tiny, tmp_path_factory.mktemp("project"))
    params = RealPerformancesParams(soundfont=str(soundfont), direct_soundfont=str(soundfont))
    return paths, params, run(paths, params)


def test_four_conditions_of_every_performance(made, tiny):
    paths, _, report = made
    assert report.done == ["tiny/p01"]
    assert "tiny_p02.match" in report.skipped["tiny/p02"]
    records = {r.condition: r for r in read_performances(paths["out"] / "performances.h5")}
    assert set(records) == {"score", "performance", "direct", "room"}
    assert {c: r.simulated for c, r in records.items()} == {
        "score": False,
        "performance": False,
        "direct": True,
        "room": True,
    }
    for condition in ("performance", "direct", "room"):
        record = records[condition]
        assert np.abs(record.onset_s - tiny.onset_s).max() < 0.003
        assert record.performance == f"p01-{condition}"
        # The sound grows where the onsets are: the frame after against the frame before.
        energy = record.spectrogram.sum(axis=0)
        at = (record.onset_s * 20).astype(int)
        grown = [energy[a : a + 3].max() > 1.02 * energy[a - 1] for a in at]
        assert np.mean(grown) > 0.9, condition
    score = records["score"]
    span = score.onset_s[-1] - score.onset_s[0]
    assert span == pytest.approx(tiny.onset_s[-1] - tiny.onset_s[0], abs=0.003)
    assert np.diff(score.onset_s) == pytest.approx(span / 12, abs=2e-6)


def test_the_report_counts_and_says_what_is_simulated(made):
    told = json.loads((made[0]["out"] / "report.json").read_text())
    assert told["totals"]["performances"] == 1
    assert told["alignment"]["tiny/p01"]["missing"] == 1
    assert told["conditions"]["room"].startswith("simulated: ")
    assert "20 dB SNR" in told["conditions"]["room"]


def test_what_is_there_is_kept_and_recordings_replace_the_simulation(made, tiny, tmp_path):
    paths, params, _ = made
    stamps = {p: p.stat().st_mtime_ns for p in paths["out"].rglob("*.flac")}
    rng = np.random.default_rng(0)
    noise = rng.integers(-3000, 3000, round((tiny.onset_s[-1] + 1) * SAMPLE_RATE)).astype(np.int16)
    soundfile.write(tmp_path / "tiny_p01.wav", noise, SAMPLE_RATE)
    run(paths, params.model_copy(update={"recordings": {"room": str(tmp_path)}}))
    changed = {p.name for p, s in stamps.items() if p.stat().st_mtime_ns != s}
    assert changed == {"p01-room.flac"}
    records = {r.condition: r for r in read_performances(paths["out"] / "performances.h5")}
    assert (records["room"].simulated, records["direct"].simulated) == (False, True)
    assert records["room"].soundfont == ""
    told = json.loads((paths["out"] / "report.json").read_text())
    assert told["conditions"]["room"] == f"1 of 1 recordings in {tmp_path}"
    # Of a performance without a recording in it, the folder makes nothing real.
    (tmp_path / "tiny_p01.wav").unlink()
    run(paths, params.model_copy(update={"recordings": {"room": str(tmp_path)}}))
    told = json.loads((paths["out"] / "report.json").read_text())["conditions"]["room"]
    assert told.startswith(f"0 of 1 recordings in {tmp_path}, the others simulated: as direct, in")
    assert simulated_of(paths["out"] / "tiny")["p01-room"] is True


def simulated_of(folder: Path) -> dict[str, bool]:
    """What the descriptions beside the recordings say."""
    made = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    assert all(name.endswith(about["condition"]) for name, about in made.items())
    return {name: about["simulated"] for name, about in made.items()}


def test_each_recording_says_whether_it_is_simulated(made):
    assert simulated_of(made[0]["out"] / "tiny") == {
        "p01-score": False,
        "p01-performance": False,
        "p01-direct": True,
        "p01-room": True,
    }


def test_every_file_of_a_folder_of_recordings_is_used_or_named(made, tiny, tmp_path):
    paths, params, _ = made
    folder = tmp_path / "room"
    (folder / "more").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(-3000, 3000, 9 * SAMPLE_RATE).astype(np.int16)
    soundfile.write(folder / "TINY_p01.WAV", noise, SAMPLE_RATE)
    shutil.copy(folder / "TINY_p01.WAV", folder / "tiny_p01.ogg")
    for name in ("tiny_p01.txt", "tiny_p1.aif", ".tiny_p01.wav", "cover.png"):
        (folder / name).write_bytes(b"not sound")
    told: list[str] = []
    run(paths, params.model_copy(update={"recordings": {"room": str(folder)}}), tell=told.append)
    assert simulated_of(paths["out"] / "tiny")["p01-room"] is False
    for name, reason in {
        "tiny_p01.ogg": "TINY_p01.WAV is taken for tiny_p01",
        "tiny_p01.txt": "TINY_p01.WAV is taken for tiny_p01",
        "tiny_p1.aif": "no performance is called so; the nearest is tiny_p01",
        "cover.png": "no performance is called so",
        ".tiny_p01.wav": "a hidden file",
        "more": "a folder",
    }.items():
        assert [t for t in told if t.startswith(f"{folder / name}: not used: {reason}")], name
    # Of p02 there is no recording, and it is left out for another reason: both are told.
    assert any("1 of 2 performances have a recording" in t and "simulated" in t for t in told)
    assert any(t.startswith("tiny/p02: left out: ") and "tiny_p02.match" in t for t in told)
    assert len(told) == 8


def test_a_recording_that_cannot_be_read_is_told_and_not_simulated(made, tmp_path):
    paths, params, _ = made
    (tmp_path / "tiny_p01.m4a").write_bytes(b"not sound")
    told: list[str] = []
    again = paths | {"out": tmp_path / "out"}
    with pytest.raises(SfpipeError, match=r"tiny_p01.m4a: cannot be read as audio"):
        run(again, params.model_copy(update={"recordings": {"room": str(tmp_path)}}), told.append)
    assert any(t.startswith("tiny/p01: left out: ") and "tiny_p01.m4a" in t for t in told)


def test_a_missing_folder_of_recordings_is_one_line(made, tmp_path):
    paths, params, _ = made
    missing = params.model_copy(update={"recordings": {"room": str(tmp_path / "none")}})
    with pytest.raises(
        SfpipeError, match=r"none: no such folder, but recordings of condition room"
    ):
        run(paths, missing)


def test_a_data_set_without_performances_is_one_line(made, tmp_path):
    paths, params, _ = made
    piece = Piece("tiny", "Tiny", "test", "tiny.musicxml", "", "CC0")
    write_index(tmp_path, Index("toy", "CC0", "nobody", [piece]))
    with pytest.raises(SfpipeError, match="no accepted pieces with human performances"):
        run(paths | {"raw": tmp_path, "out": tmp_path / "out"}, params)


def test_not_one_usable_performance_is_one_line_and_leaves_no_store(made, tmp_path, tiny):
    _, params, _ = made
    paths = project(tiny, tmp_path)
    for path in (paths["raw"] / "match").glob("*.match"):
        path.write_text("damaged")
    with pytest.raises(SfpipeError, match=r"not one performance is usable .* -> give a match file"):
        run(paths, params)
    assert not (paths["out"] / "performances.h5").exists()
