import json
import os
import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from sfpipe.audio.decoding import find_ffmpeg
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.importers.recording_folders import survey
from sfpipe.importers.recording_onsets import music_bounds
from sfpipe.importers.recordings import import_recordings
from sfpipe.params import Params, load_params
from sfpipe.paths import Paths
from sfpipe.store.reader import read_performances, read_scores
from sfpipe.store.schema import FPS, SAMPLE_RATE
from sfpipe.viewing.select_performance import Selection, select_performance, sound_of
from tests.pipeline.conftest import ROOT


@pytest.fixture(scope="module")
def params(soundfont) -> Params:
    """The shipped parameters, with the tests' sound font."""
    shipped = load_params(ROOT / "params.yaml")
    train = shipped.synthesize.train.model_copy(update={"soundfonts": [str(soundfont)]})
    synthesize = shipped.synthesize.model_copy(update={"train": train})
    return shipped.model_copy(update={"synthesize": synthesize})


def touch(folder, *names) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"?")


def test_every_file_of_a_folder_is_one_thing_or_left_out_with_a_reason(tmp_path):
    touch(tmp_path, "notes.txt")
    touch(
        tmp_path / "a",
        *("a.MusicXML", "a.ly", "Take.WAV", "take.opus", "take-ROOM.m4a", "TAKE.Match", "take.mid"),
        *("other.MID", ".hidden.wav", "a.jpg"),
    )
    touch(tmp_path / "a" / "old", "x.wav", "y.wav")
    touch(tmp_path / "b", "b.abc")
    touch(tmp_path / "c", "c.wav", "c.mid")
    touch(tmp_path / "d", "score.MIDI", "d.webm", "d.midi")
    touch(tmp_path / ".git", "config")
    pieces, left_out = survey(tmp_path)
    assert [(p.name, p.score.name) for p in pieces] == [("a", "a.MusicXML"), ("d", "score.MIDI")]
    assert {t.path.name: t.performance for t in pieces[0].takes} == {
        "Take.WAV": "Take-recording",
        "a.jpg": "a-recording",
        "take-ROOM.m4a": "take-room",
        "take.opus": "take_opus-recording",
    }
    assert {
        t.path.name: (t.match and t.match.name, t.midi and t.midi.name) for t in pieces[0].takes
    }["take-ROOM.m4a"] == ("TAKE.Match", "take.mid")
    assert pieces[1].takes[0].midi.name == "d.midi"
    assert pieces[0].left_out == {
        ".hidden.wav": "a hidden file",
        "a.ly": "a.MusicXML is the score",
        "old": "a folder within that of a piece (2 files)",
        "other.MID": "no recording beside it is called other",
    }
    assert left_out["notes.txt"] == "it is in no folder of a piece"
    assert left_out["b"] == "no recording in it (1 file)"
    assert left_out["c"].startswith("no score in it") and left_out["c"].endswith("(2 files)")
    assert "cannot be the name" in left_out[".git"]


def test_names_and_links_that_cannot_be_used_are_left_out(tmp_path):
    long, lines = "y" * 240 + ".wav", "two\nlines.wav"
    touch(tmp_path / "a", "a.abc", "take.wav", long, lines)
    (tmp_path / "a" / "gone.wav").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "a" / "pipe.wav")
    [piece], _ = survey(tmp_path)
    assert [take.path.name for take in piece.takes] == ["take.wav"]
    assert piece.left_out["gone.wav"] == "a link to nothing"
    assert piece.left_out["pipe.wav"] == "no file"
    for name in (long, lines):
        assert "cannot be the name of a file or folder" in piece.left_out[name]


@pytest.fixture(scope="module")
def imported(tiny, soundfont, params, tmp_path_factory):
    """A folder of one's own, imported: (paths, the lines that were told)."""
    root = tmp_path_factory.mktemp("own")
    piece = root / "in" / "tiny"
    piece.mkdir(parents=True)
    shutil.copy(tiny.score, piece)
    shutil.copy(tiny.midi, piece / "with.MIDI")
    samples = synthesize_midi(tiny.midi, soundfont)
    soundfile.write(piece / "with-room.wav", samples, SAMPLE_RATE)
    soundfile.write(piece / "without.flac", samples, SAMPLE_RATE)
    convert = [find_ffmpeg(), "-v", "error", "-i", piece / "with-room.wav"]
    subprocess.run([*convert, piece / "phone.M4A"], check=True)
    subprocess.run([*convert, "-f", "wv", piece / "recorder.take"], check=True)
    shutil.copy(tiny.match, piece / "phone.match")
    soundfile.write(piece / "silent.wav", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 6 * SAMPLE_RATE)
    soundfile.write(piece / "noise.wav", noise, SAMPLE_RATE)
    (piece / "notes.pdf").write_bytes(b"?")
    (piece / "broken.wav").write_bytes(b"RIFF")
    touch(root / "in" / "bad", "bad.musicxml", "a.wav", "b.wav")
    (root / "in" / "unheard").mkdir()
    (root / "in" / "unheard" / "tune.abc").write_text(ABC)
    shutil.copy(piece / "silent.wav", root / "in" / "unheard")
    (root / "in" / "notes.txt").write_text("no piece")
    paths, told = Paths("mine", root / "data"), []
    import_recordings(root / "in", params, paths, tell=told.append)
    return paths, told


def line_of(told, name: str) -> str:
    found = [line for line in told if line.startswith(f"{name}: ")]
    assert len(found) == 1, told
    return found[0]


def test_a_folder_of_ones_own(imported, tiny):
    paths, told = imported
    matched = "36 of 37 notes matched"
    assert f"{matched} (with.MIDI), 1 others; 13 of 13 onsets" in line_of(
        told, "tiny/with-room.wav"
    )
    assert f"{matched} (phone.match)" in line_of(told, "tiny/phone.M4A")
    assert "13 onsets estimated from the sound" in line_of(told, "tiny/without.flac")
    assert "13 onsets estimated from the sound" in line_of(told, "tiny/recorder.take")
    assert "only coverage can be reported" in line_of(told, "tiny/noise.wav")
    assert "does not sound like its score" in line_of(told, "tiny/noise.wav")
    assert "left out: is silent" in line_of(told, "tiny/silent.wav")
    assert "left out: " in line_of(told, "tiny/broken.wav")
    assert "neither a recording nor" in line_of(told, "tiny/notes.pdf")
    assert line_of(told, "bad").startswith("bad: left out with 2 recordings: ")
    assert "it is in no folder of a piece" in line_of(told, "notes.txt")
    assert told[-1] == (
        "5 of 10 recordings imported, of 1 of 3 pieces; other files and folders left out: 2"
    )
    scores = read_scores(paths.scores)
    assert set(scores) == {"tiny"}  # nobody plays the others
    score = scores["tiny"]
    assert score.strip.shape[0] == 200 and len(score.onset_x_px) == 13
    records = {r.performance: r for r in read_performances(paths.performances)}
    aligned, other = records["with-room"], records["without-recording"]
    assert (aligned.condition, aligned.aligned, aligned.simulated) == ("room", True, False)
    assert (aligned.estimated, aligned.confidence) == (False, 1.0)
    assert np.abs(aligned.onset_s - tiny.onset_s).max() < 0.003
    assert np.abs(records["phone-recording"].onset_s - tiny.onset_s).max() < 0.003
    assert (other.condition, other.aligned, other.estimated) == ("recording", True, True)
    assert other.score_onset.tolist() == list(range(13))
    # To two frames of 20 ms, but for the chord that is spread over 0.4 s.
    errors = np.delete(np.abs(other.onset_s - tiny.onset_s), 5)
    assert errors.max() < 0.05 and other.confidence > 0.9
    noise = records["noise-recording"]
    assert (noise.aligned, noise.score_onset.tolist()) == (False, [0, 12])


def test_the_sound_is_kept_for_pages_and_films(imported, tiny, soundfont, params):
    paths, _ = imported
    shown = select_performance(paths, Selection(piece="tiny", performance="with-room", real=True))
    samples = sound_of(shown, params.synthesize)
    np.testing.assert_array_equal(samples, synthesize_midi(tiny.midi, soundfont))
    estimated = Selection(piece="tiny", performance="without-recording", real=True)
    assert "onsets estimated (confidence " in select_performance(paths, estimated).condition_label
    unknown = Selection(piece="tiny", performance="noise-recording", real=True)
    assert select_performance(paths, unknown).condition_label == "recording, onsets unknown"


def test_recordings_of_an_engraved_piece(imported, tiny, params, tmp_path, soundfont):
    paths, _ = imported
    samples = synthesize_midi(tiny.midi, soundfont)
    soundfile.write(tmp_path / "second.wav", samples, SAMPLE_RATE)
    (tmp_path / "third.mp3").write_bytes(b"?")
    before = paths.scores.read_bytes()
    told: list[str] = []
    import_recordings(tmp_path, params, paths, pieces=["tiny"], tell=told.append)
    assert "13 onsets estimated" in line_of(told, "tiny/second.wav")
    assert "left out" in line_of(told, "tiny/third.mp3")
    assert paths.scores.read_bytes() == before
    records = {r.performance: r for r in read_performances(paths.performances)}
    # What was there stays; so does its sound.
    assert {"with-room", "second-recording", "noise-recording"} <= set(records)
    assert (paths.real / "tiny" / "with-room.flac").is_file()
    assert json.loads((paths.real / "tiny" / "second-recording.json").read_text())["estimated"]
    with pytest.raises(SfpipeError, match=r"has no engraved piece 'other' .*sfpipe \$s --dataset"):
        import_recordings(tmp_path, params, paths, pieces=["other"])


@pytest.mark.parametrize("name", ["msmd", "raw"])
def test_a_data_set_with_pieces_of_its_own_is_not_overwritten(tmp_path, params, name):
    paths = Paths(name, tmp_path)
    if name == "raw":
        paths.raw.mkdir(parents=True)
        (paths.raw / "index.json").write_text("{}")
    with pytest.raises(SfpipeError, match=f"'{name}' has pieces of its own -> .* --piece NAME"):
        import_recordings(tmp_path, params, paths)


LILYPOND = """\\version "2.24.0"
\\score {
  \\new PianoStaff << \\new Staff { c'4 d' e' f' } \\new Staff { \\clef bass c4 d e f } >>
  \\layout { } \\midi { }
}
"""
ABC = "X:1\nT:tune\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|cBAG|FEDC|\n"


MEI = """<mei xmlns="http://www.music-encoding.org/ns/mei"><music><body><mdiv><score>
<scoreDef meter.count="4" meter.unit="4" midi.bpm="120"><staffGrp><staffDef n="1" lines="5"
clef.shape="G" clef.line="2"><label>Piano</label></staffDef></staffGrp></scoreDef><section>"""
MEI += "".join(
    f'<measure><staff n="1"><layer>{notes}</layer></staff></measure>'
    for notes in (
        "".join(f'<note pname="{name}" oct="{octave}" dur="4"/>' for name in order)
        for order, octave in (("cdef", 4), ("gabg", 4), ("ceag", 5), ("fedc", 4))
    )
)
MEI += "</section></score></mdiv></body></music></mei>"


@pytest.mark.parametrize(
    ("name", "content"), [("tune.abc", ABC), ("tune.ly", LILYPOND), ("tune.mei", MEI)]
)
def test_scores_of_other_kinds(tmp_path, params, soundfont, lilypond, name, content):
    piece = tmp_path / "in" / "tune"
    piece.mkdir(parents=True)
    (piece / name).write_text(content)
    paths, told = Paths("mine", tmp_path / "data"), []
    soundfile.write(piece / "take.wav", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    with pytest.raises(SfpipeError, match="not one of 1 recordings is usable"):
        import_recordings(tmp_path / "in", params, paths, tell=told.append)
    assert "is silent" in line_of(told, "tune/take.wav")
    midi = paths.engraved / "tune" / "score.mid"
    soundfile.write(piece / "take.wav", synthesize_midi(midi, soundfont), SAMPLE_RATE)
    told.clear()
    import_recordings(tmp_path / "in", params, paths, tell=told.append)
    record = read_performances(paths.performances)[0]
    heads = (paths.engraved / "tune" / "noteheads.csv").read_text().splitlines()[1:]
    onsets = sorted({float(row.split(",")[5]) for row in heads if row.split(",")[7] == "0"})
    assert record.estimated and record.confidence > 0.8
    assert np.abs(record.onset_s - np.array(onsets)).max() < 0.03


def test_bounds_are_the_first_sound_and_the_last_stroke():
    spec = np.zeros((78, 100), np.float32)
    for start in (20, 40, 60):
        spec[30, start : start + 15] = np.linspace(1, 0.2, 15)
    assert music_bounds(spec) == (20 / FPS, 60 / FPS)
    with pytest.raises(SfpipeError, match="is silent"):
        music_bounds(np.zeros((78, 10), np.float32))


def test_an_empty_folder_is_one_line(tmp_path, params):
    (tmp_path / "x").mkdir()
    told: list[str] = []
    with pytest.raises(SfpipeError, match="expected <piece>/ with a score"):
        import_recordings(tmp_path, params, Paths("mine", tmp_path / "data"), tell=told.append)
    assert line_of(told, "x").startswith("x: left out: no score in it")
    with pytest.raises(SfpipeError, match="No such file or directory -> give the folder"):
        import_recordings(tmp_path / "none", params, Paths("mine", tmp_path / "data"))


def test_not_one_usable_recording_names_every_reason_and_leaves_no_store(tmp_path, params):
    for name in ("x", "y"):
        touch(tmp_path / "in" / name, f"{name}.musicxml", "a.wav")
    paths, told = Paths("mine", tmp_path / "data"), []
    with pytest.raises(SfpipeError, match=r"not one of 2 recordings is usable -> mend what"):
        import_recordings(tmp_path / "in", params, paths, melody=True, tell=told.append)
    assert [line.partition(":")[0] for line in told] == ["x", "y"]
    assert not list(tmp_path.rglob("*.h5"))


def test_piano_music_is_not_engraved_where_nothing_confines_it(tmp_path, monkeypatch, params):
    monkeypatch.setattr("sfpipe.sandbox.jail.walls", lambda: ("limits",))
    touch(tmp_path / "in" / "x", "x.ly", "a.wav")
    paths = Paths("mine", tmp_path / "data")
    with pytest.raises(SfpipeError, match="cannot confine LilyPond sources"):
        import_recordings(tmp_path / "in", params, paths)
    allowed = params.engrave.model_copy(update={"allow_unconfined": True})
    with pytest.raises(SfpipeError, match="not one of 1 recordings is usable"):
        import_recordings(tmp_path / "in", params.model_copy(update={"engrave": allowed}), paths)
