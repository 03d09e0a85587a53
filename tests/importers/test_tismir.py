import json
import shutil
import zipfile
from pathlib import Path

import h5py
import mido
import numpy as np
import pytest
import soundfile

from sfpipe.audio.soundfonts import DECLARED, find_soundfont
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.importers.tismir import TismirScore, import_tismir, onset_map, read_score

LES_GRACES = "Anonymous__lesgraces__lesgraces"

pytestmark = pytest.mark.skipif(
    find_soundfont(DECLARED["TimGM6mb"]) is None,
    reason="the sound font TimGM6mb is not on this machine: see `sfpipe doctor`",
)


def write_piece(folder: Path, name: str = "tune", **replaced) -> Path:
    """Two chords of two notes: heads 0, 1 at x = 30 and heads 2, 3 at x = 60."""
    (folder / "score").mkdir(parents=True, exist_ok=True)
    (folder / "performance").mkdir(exist_ok=True)
    mapping = np.empty(1, dtype=object)
    mapping[0] = {0: 1, 1: 0, 2: 3, 3: 2}
    arrays = {
        "sheet": np.full((40, 100), 255, np.uint8),
        "coords": np.array([[10, 30], [20, 31], [12, 60], [22, 61]], np.float32),
        "coord2onset": mapping,
        **replaced,
    }
    np.savez(folder / "score" / f"{name}.npz", **arrays)
    track = mido.MidiTrack()
    for first, second in ((60, 64), (62, 65)):
        track.append(mido.Message("note_on", note=first, velocity=80))
        track.append(mido.Message("note_on", note=second, velocity=80))
        track.append(mido.Message("note_off", note=first, time=480))
        track.append(mido.Message("note_off", note=second))
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    for place in ("score", "performance"):
        file.save(str(folder / place / f"{name}.mid"))
    return folder


def run(folder: Path, out: Path, **options):
    return import_tismir(
        folder,
        "toy",
        out / "scores.h5",
        out / "specs.h5",
        **{"soundfont": "TimGM6mb", "gain": 0.2, "jobs": 1, **options},
    )


def test_both_stores_by_hand(tmp_path):
    folder = write_piece(tmp_path / "in")
    report = run(folder, tmp_path, split="valid")
    assert report.done == ["tune"]
    with h5py.File(tmp_path / "scores.h5") as scores, h5py.File(tmp_path / "specs.h5") as specs:
        score, played = scores["tune"], specs["tune/TimGM6mb-x1.00"]
        assert score.attrs["split"] == specs["tune"].attrs["split"] == "valid"
        assert score.attrs["staff_space_px"] == 3.5
        assert score["strip"].shape == (40, 100)
        # Of the two heads of an onset, the first one's place.
        assert score["onset_x_px"][:].tolist() == [30, 60]
        assert score["onset_y_px"][:].tolist() == [10, 12]
        assert score["onset_quarter"][:].tolist() == [0, 1]
        assert played["onset_s"][:].tolist() == [0, 0.5]
        assert played["score_onset"][:].tolist() == [0, 1]
        audio = synthesize_midi(
            folder / "performance" / "tune.mid", find_soundfont(DECLARED["TimGM6mb"])
        )
        np.testing.assert_array_equal(played["spectrogram"][:], spectrogram(audio, 22_050))


def test_les_graces_gives_the_references_frames_and_coordinates(reference, tmp_path):
    assert run(reference / "tismir-sample", tmp_path).done == [LES_GRACES]
    golden = np.load(reference / "trajectories" / f"inputs_{LES_GRACES}.npz")
    with h5py.File(tmp_path / "scores.h5") as scores, h5py.File(tmp_path / "specs.h5") as specs:
        score, played = scores[LES_GRACES], specs[f"{LES_GRACES}/TimGM6mb-x1.00"]
        frames, first = np.unique((20 * played["onset_s"][:]).astype(int), return_index=True)
        onset = played["score_onset"][:][first]
        np.testing.assert_array_equal(frames, golden["onsets"])
        merged = np.stack([score["onset_y_px"][:], score["onset_x_px"][:]], axis=1)[onset]
        np.testing.assert_array_equal(merged, golden["coords"])
        np.testing.assert_array_equal(score["strip"], golden["sheet"])
        assert score.attrs["staff_space_px"] == 7


def test_a_recording_is_used_as_it_is(tmp_path):
    folder = write_piece(tmp_path / "in")
    noise = np.random.default_rng(0).integers(-9000, 9000, 40_000).astype(np.int16)
    soundfile.write(folder / "performance" / "tune.wav", noise, 22_050)
    for with_midi in (True, False):
        if not with_midi:  # then the onsets are the score's
            (folder / "performance" / "tune.mid").unlink()
        run(folder, tmp_path)
        with h5py.File(tmp_path / "specs.h5") as specs:
            played = specs["tune/recording"]
            np.testing.assert_array_equal(played["spectrogram"][:], spectrogram(noise, 22_050))
            assert played["onset_s"][:].tolist() == [0, 0.5]
            assert played.attrs["soundfont"] == ""


def test_unusable_pieces_are_listed_with_their_reasons(tmp_path):
    folder = write_piece(tmp_path / "in")
    mapping = np.empty(1, dtype=object)
    mapping[0] = {0: 99}
    write_piece(folder, "too_far", coord2onset=mapping)
    write_piece(folder, "floats", sheet=np.zeros((40, 100)))
    write_piece(folder, "no_dict", coord2onset=np.array([3], dtype=object))
    write_piece(folder, "no_heads", coords=np.zeros((0, 2), np.float32))
    beyond = np.load(folder / "score" / "tune.npz")["coords"].copy()
    beyond[:, 1] = 1e4
    write_piece(folder, "beyond", coords=beyond)
    for name in ("silent", "bad_midi", "bad_wav", "short"):
        write_piece(folder, name)
    (folder / "performance" / "silent.mid").unlink()
    (folder / "performance" / "bad_midi.mid").write_bytes(b"MThd")
    (folder / "performance" / "bad_wav.wav").write_bytes(b"RIFF")
    soundfile.write(folder / "performance" / "short.wav", np.zeros(500), 22_050)
    (folder / "score" / "cut.npz").write_bytes((folder / "score" / "tune.npz").read_bytes()[:300])
    (folder / "score" / "empty.npz").write_bytes(b"")
    report = run(folder, tmp_path)
    assert report.done == ["tune"]
    for name, reason in {
        "too_far": "refers to note 99",
        "floats": "expected sheet uint8",
        "no_dict": "no dict",
        "no_heads": "not there",
        "beyond": "an onset lies outside the strip",
        "silent": "no performance",
        "bad_midi": "not a readable MIDI file",
        "bad_wav": "cannot be read as audio",
        "short": "behind the end",
        "cut": "not a score of the 2019 layout",
        "empty": "not a score of the 2019 layout",
    }.items():
        assert reason in report.skipped[name], name
    for store in ("scores.h5", "specs.h5"):
        with h5py.File(tmp_path / store) as file:
            assert list(file) == ["tune"]
            assert json.loads(file.attrs["skipped"]) == report.skipped


def test_a_pickle_that_runs_a_program_is_refused(tmp_path):
    path = write_piece(tmp_path) / "score" / "tune.npz"
    evil = tmp_path / "evil.npz"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(evil, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "coord2onset.npy":
                header = content[: content.index(b"\n") + 1]
                content = header + f"cos\nsystem\n(S'touch {tmp_path}/ran'\ntR.".encode()
            new.writestr(name, content)
    with pytest.raises(SfpipeError, match=r"refers to (os|posix)\.system"):
        read_score(evil)
    assert not (tmp_path / "ran").exists()


def test_not_this_layout(tmp_path):
    with pytest.raises(SfpipeError, match=r"expected score/<piece>\.npz"):
        run(tmp_path, tmp_path)
    folder = write_piece(tmp_path / "in")
    shutil.rmtree(folder / "performance")
    with pytest.raises(SfpipeError, match="expected"):
        run(folder, tmp_path)


def test_nothing_usable_leaves_no_store(tmp_path):
    folder = write_piece(tmp_path / "in")
    (folder / "score" / "tune.npz").write_bytes(b"")
    with pytest.raises(SfpipeError, match=r"not one piece is usable .* -> give the folder as"):
        run(folder, tmp_path)
    assert not list(tmp_path.glob("*.h5"))


def test_onset_map_takes_the_first_head_of_each_onset():
    coords = np.array([[5, 10], [6, 11], [7, 20]], np.float32)
    score = TismirScore(np.zeros((8, 30), np.uint8), coords, np.arange(3), np.array([1, 0, 2]))
    found = onset_map(score, np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 2.0]))
    assert found.onset_s.tolist() == [0, 1]
    assert (found.x_px.tolist(), found.y_px.tolist()) == ([10, 20], [5, 7])
    assert found.quarter.tolist() == [0, 2]


def test_human_performances_under_named_conditions(tmp_path):
    folder = write_piece(tmp_path / "in")
    slow = mido.MidiFile(str(folder / "performance/tune.mid"))
    slow.ticks_per_beat = 240
    for condition in ("direct", "room"):
        (folder / f"performance_{condition}").mkdir()
        slow.save(str(folder / f"performance_{condition}" / "tune.mid"))
    samples = np.full(3 * 22050, 100, np.int16)
    soundfile.write(folder / "performance_room/tune.wav", samples, 22050)
    run(folder, tmp_path)
    with h5py.File(tmp_path / "specs.h5") as specs:
        assert set(specs["tune"]) == {
            "TimGM6mb-x1.00",
            "TimGM6mb-x1.00-direct",
            "recording-room",
        }
        assert "condition" not in specs["tune/TimGM6mb-x1.00"].attrs
        room = specs["tune/recording-room"]
        assert (room.attrs["condition"], room.attrs["simulated"]) == ("room", False)
        assert room["onset_s"][()] == pytest.approx([0, 1.0])
        assert room["score_onset"][()].tolist() == [0, 1]
