import csv
import json
import shutil
from pathlib import Path

import pretty_midi
import pytest

from sfpipe.datasets.index import read_index
from sfpipe.engraving.files import NOTEHEADS, SYSTEMS, read_image, read_noteheads, read_systems
from sfpipe.engraving.piece import engrave_piece, hash_inputs, is_done
from sfpipe.engraving.stage import engrave
from sfpipe.errors import SfpipeError
from sfpipe.params import EngraveParams
from tests.tunes import PLAIN, TUNES, WALTZ, write_raw


def stamps(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*.png")}


def test_the_files_are_what_the_contract_says(toy):
    _, engraved = toy
    for piece in TUNES:
        names = sorted(p.name for p in (engraved / piece).iterdir())
        assert names == sorted(
            [
                "engraving.json",
                "noteheads.csv",
                "score.mid",
                "system-001.png",
                "system-001.svg",
                "systems.csv",
            ]
        )
    with open(engraved / "rich" / "noteheads.csv") as file:
        assert next(csv.reader(file)) == list(NOTEHEADS)
    with open(engraved / "rich" / "systems.csv") as file:
        assert next(csv.reader(file)) == list(SYSTEMS)
    about = json.loads((engraved / "rich" / "engraving.json").read_text())
    assert about["engine"] == "verovio" and about["split"] == "train"
    assert about["staff_space_px"] == 3.5
    assert about["px_per_cm"] == pytest.approx(1 / 0.035277778, abs=1e-4)
    assert about["params"] == EngraveParams().model_dump(exclude={"piano"})
    report = json.loads((engraved / "report.json").read_text())
    assert report["done"] == sorted(TUNES) and report["skipped"] == {}


def test_note_list_image_and_midi_tell_the_same_story(toy):
    _, engraved = toy
    for piece in TUNES:
        heads = read_noteheads(engraved / piece)
        midi = pretty_midi.PrettyMIDI(str(engraved / piece / "score.mid"))
        notes = sorted((round(n.start, 4), n.pitch) for n in midi.instruments[0].notes)
        struck = ~heads.tied
        drawn = zip(heads.onset_s[struck].round(4), heads.midi_pitch[struck], strict=True)
        assert notes == sorted((t, p) for t, p in drawn)
        system = read_systems(engraved / piece)[0]
        assert read_image(engraved / piece / system.file).shape == (
            system.height_px,
            system.width_px,
        )
        assert system.staff_bottom_px - system.staff_top_px == pytest.approx(14, abs=0.01)


def test_a_second_run_does_nothing_and_a_changed_parameter_everything(toy, tmp_path):
    raw, engraved = toy
    out = tmp_path / "out"
    shutil.copytree(engraved, out)
    before = stamps(out)
    assert sorted(engrave(EngraveParams(), raw, out, jobs=1).done) == sorted(TUNES)
    assert stamps(out) == before
    engrave(EngraveParams(spacing_linear=0.3), raw, out, jobs=1)
    assert all(stamps(out)[name] != before[name] for name in before)


def test_only_the_changed_piece_is_made_again_and_dropped_ones_go(toy, tmp_path):
    _, engraved = toy
    out = tmp_path / "out"
    shutil.copytree(engraved, out)
    changed = {"rich": TUNES["rich"], "plain": PLAIN.replace("CDEF", "CEEF"), "waltz": WALTZ}
    raw = write_raw(tmp_path / "raw", changed)
    before = stamps(out)
    engrave(EngraveParams(), raw, out, jobs=1)
    after = stamps(out)
    assert set(after) == set(before) - {"chords/system-001.png"}
    assert [name for name in after if after[name] != before[name]] == ["plain/system-001.png"]


def test_a_bad_piece_is_skipped_with_its_reason(tmp_path):
    raw = write_raw(tmp_path / "raw", {"plain": PLAIN, "empty": "X:1\nK:C\n", "gone": WALTZ})
    (raw / "gone.abc").unlink()
    report = engrave(EngraveParams(), raw, tmp_path / "out", jobs=1)
    assert report.done == ["plain"]
    assert "gone.abc: no such file" in report.skipped["gone"]
    assert json.loads((tmp_path / "out" / "report.json").read_text())["n_skipped"] == 2
    assert not (tmp_path / "out" / "empty").exists()


def test_nothing_engraved_is_an_error(tmp_path):
    raw = write_raw(tmp_path / "raw", {"empty": "X:1\nK:C\n"})
    with pytest.raises(SfpipeError, match=r"not one piece could be engraved .*report\.json$"):
        engrave(EngraveParams(), raw, tmp_path / "out", jobs=1)


def test_two_processes_do_the_same(toy, tmp_path):
    raw, engraved = toy
    engrave(EngraveParams(), raw, tmp_path / "out", jobs=2)
    for path in engraved.rglob("*.*"):
        assert (tmp_path / "out" / path.relative_to(engraved)).read_bytes() == path.read_bytes()


def test_an_interrupted_piece_leaves_no_half_folder(toy, tmp_path, monkeypatch):
    raw, _ = toy
    piece = read_index(raw).pieces[0]

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("sfpipe.engraving.piece.write_midi", interrupt)
    with pytest.raises(KeyboardInterrupt):
        engrave_piece(piece, EngraveParams(), raw, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not is_done(tmp_path / piece.id, hash_inputs(piece, EngraveParams()))


def test_no_raw_data_and_an_output_that_cannot_be_written(toy, tmp_path):
    with pytest.raises(SfpipeError, match="run: sfpipe download"):
        engrave(EngraveParams(), tmp_path, tmp_path / "out")
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.raises(SfpipeError, match="cannot be written"):
        engrave(EngraveParams(), toy[0], tmp_path / "file" / "out")
