import json
import shutil

import mido
import numpy as np
import pytest

from sfpipe.cleaning.stage import clean
from sfpipe.datasets.index import read_index
from sfpipe.engraving.files import read_description, read_image, read_noteheads, read_systems
from sfpipe.engraving.lilypond.piece import engrave_source
from sfpipe.engraving.stage import engrave
from sfpipe.errors import SfpipeError
from sfpipe.params import CleanParams, EngraveParams, ScoresParams
from sfpipe.score.stage import scores
from sfpipe.store.reader import read_scores

# One worker runs them all (`pytest -n 2 --dist loadgroup`): the sources are engraved once.
pytestmark = pytest.mark.xdist_group("lilypond")

# The pitches struck at each quarter of tests/data/piano.ly, repeats and voltas once, in turn.
PIANO = {
    0.0: [69],
    0.5: [50, 74],
    1.5: [74],
    2.5: [45, 66, 67],
    4.5: [50],
    6.5: [50, 57, 69],
    7.5: [71],
    8.5: [50, 86],
    9.0: [66, 88],
    9.5: [50, 62],
    10.0: [62, 69],
}


def struck(folder, graces=False):
    heads = read_noteheads(folder)
    found = {}
    for i in np.flatnonzero(~heads.tied & (heads.grace == graces)):
        found.setdefault(round(float(heads.onset_quarter[i]), 2), []).append(
            int(heads.midi_pitch[i])
        )
    return {quarter: sorted(pitches) for quarter, pitches in found.items()}


def test_every_head_at_its_time_and_pitch(sources):
    folder = sources[1] / "piano"
    assert struck(folder) == PIANO
    ((quarter, pitches),) = struck(folder, graces=True).items()
    assert pitches == [76] and quarter == pytest.approx(1.5 - 0.5 * 9 / 40, abs=0.01)
    about = read_description(folder)
    assert about["tempo"]["quarters_per_minute"] == 120 and about["tempo"]["marked"]
    assert about["midi_notes"] == about["midi_notes_with_head"] == 21
    assert (about["tied_heads"], about["unheard_heads"], about["scores"]) == (2, 0, 1)


def test_heads_lie_on_ink_in_the_staff_they_are_written_in(sources):
    folder = sources[1] / "piano"
    heads = read_noteheads(folder)
    images = {s.system: read_image(folder / s.file) for s in read_systems(folder)}
    space = read_description(folder)["staff_space_px"]
    assert space == pytest.approx(6.99, abs=0.01)
    for i in np.flatnonzero(~heads.hollow):
        x, y = round(heads.x_px[i]), round(heads.y_px[i])
        image = images[heads.system[i]]
        assert image[y - 1 : y + 2, x - 1 : x + 2].mean() < 90
        ink = np.argwhere(image[y - 2 : y + 3, x - 4 : x + 5] < 128) - [2, 4]
        assert np.abs(ink.mean(axis=0)).max() < 1  # the blot is centred on the head
    cross_staff = (heads.onset_quarter == 9.0) & (heads.midi_pitch == 66)
    assert heads.staff[cross_staff] == [1] and set(heads.staff) == {1, 2}
    second = heads.x_px[(heads.onset_quarter == 2.5) & (heads.midi_pitch > 50)]
    assert space < np.ptp(second) < 1.5 * space


def test_the_midi_file_strikes_what_is_drawn(sources):
    folder = sources[1] / "piano"
    heads = read_noteheads(folder)
    drawn = {
        (round(float(t), 3), int(p))
        for t, p in zip(heads.onset_s[~heads.tied], heads.midi_pitch[~heads.tied], strict=True)
    }
    now, played = 0.0, set()
    for message in mido.MidiFile(folder / "score.mid"):
        now += message.time
        if message.type == "note_on" and message.velocity:
            played.add((round(now, 3), message.note))
    assert drawn == played and len(played) == 21


def test_old_sources_several_scores_and_a_twin_that_is_only_heard(sources):
    folder = sources[1] / "old"
    about = read_description(folder)
    assert about["scores"] == 2 and about["tempo"]["quarters_per_minute"] == 150
    assert about["midi_notes"] == about["midi_notes_with_head"]
    found = struck(folder)
    assert found[0.0] == [48, 60] and found[4.0] == [48] and found[2.0] == [43, 67]
    # The second score, a tone higher, after a pause of a quarter, at its own tempo.
    later = [q for q in found if q >= 6]
    assert [found[q][0] for q in later] == [62, 64, 66, 67, 69, 69]
    heads = read_noteheads(folder)
    times = {
        round(float(q), 2): float(s)
        for q, s in zip(heads.onset_quarter, heads.onset_s, strict=True)
    }
    assert times[0.5] - times[0.0] == pytest.approx(0.2, abs=1e-3)
    assert times[later[1]] - times[later[0]] == pytest.approx(0.4, abs=1e-3)


def test_what_cannot_be_set_is_skipped_with_its_reason(sources):
    _, engraved, report = sources
    assert sorted(report.done) == ["old", "piano"]
    assert "LilyPond made no score (broken.ly:1:" in report.skipped["broken"]
    assert not (engraved / "broken").exists()


def test_a_second_run_does_nothing_and_a_changed_include_everything(sources, tmp_path):
    raw, engraved, _ = sources
    shutil.copytree(raw, tmp_path / "raw")
    shutil.copytree(engraved, tmp_path / "out")
    index = json.loads((raw / "index.json").read_text())
    index["pieces"] = [p for p in index["pieces"] if p["id"] == "piano"]
    (tmp_path / "raw" / "index.json").write_text(json.dumps(index))
    before = (tmp_path / "out" / "piano" / "score.mid").stat().st_mtime_ns
    engrave(EngraveParams(staff_space_px=5), tmp_path / "raw", tmp_path / "out", jobs=1)
    assert (tmp_path / "out" / "piano" / "score.mid").stat().st_mtime_ns == before
    assert not (tmp_path / "out" / "old").exists()
    index["pieces"][0]["includes"]["a/tempo.ily"] = "0" * 64
    (tmp_path / "raw" / "index.json").write_text(json.dumps(index))
    (tmp_path / "raw" / "a" / "tempo.ily").write_text("mark = \\tempo 4 = 60\n")
    engrave(EngraveParams(), tmp_path / "raw", tmp_path / "out", jobs=1)
    about = read_description(tmp_path / "out" / "piano")
    assert about["tempo"]["quarters_per_minute"] == 60


def test_where_nothing_can_be_confined_no_source_is_run(sources, tmp_path, monkeypatch):
    raw, engraved, _ = sources
    monkeypatch.setattr("sfpipe.sandbox.jail.walls", lambda: ("limits",))
    with pytest.raises(SfpipeError, match="cannot confine LilyPond sources"):
        engrave(EngraveParams(), raw, tmp_path / "out", jobs=1)
    assert not (tmp_path / "out").exists()
    piece = read_index(raw).pieces[0]
    with pytest.raises(SfpipeError, match="cannot confine LilyPond sources"):
        engrave_source(piece, raw, tmp_path / "out")
    # Pieces are the same whether they were trusted or not: nothing is done again.
    shutil.copytree(engraved, tmp_path / "out")
    trusted = EngraveParams(allow_unconfined=True)
    assert sorted(engrave(trusted, raw, tmp_path / "out", jobs=1).done) == ["old", "piano"]
    before = (engraved / "piano" / "engraving.json").read_text()
    assert (tmp_path / "out" / "piano" / "engraving.json").read_text() == before
    assert EngraveParams(allow_unconfined=True).model_dump() == EngraveParams().model_dump()


def test_clean_and_scores_take_them(sources, tmp_path):
    _, engraved, _ = sources
    verdict = clean(CleanParams(min_onsets=8), engraved, tmp_path / "clean.json")
    assert verdict["accepted"] == {"train": ["piano"], "valid": [], "test": ["old"]}
    assert verdict["totals"]["onsets_matched"] == verdict["totals"]["mean_dark_share"] == 1
    assert "not engraved: LilyPond made no score" in verdict["rejected"]["broken"]["reason"]
    scores(ScoresParams(), tmp_path / "clean.json", engraved, tmp_path / "s.h5", dataset="x")
    record = read_scores(tmp_path / "s.h5")["piano"]
    assert record.strip.shape[0] == 200 and len(record.onset_x_px) == len(PIANO) + 1
    staff = 255 - np.median(record.strip, axis=1)
    assert np.average(np.arange(200), weights=staff) == pytest.approx(100, abs=1)
