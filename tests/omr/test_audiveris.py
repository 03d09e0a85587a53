"""Audiveris as a reader: its export as we expect it, and the program itself where it is."""

import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.omr.audiveris import COMMANDS, enlarge, find_audiveris, staff_extent
from sfpipe.omr.musicxml import declare_prefix, read_musicxml
from sfpipe.omr.readers import find_reader
from sfpipe.omr.staves import find_staves
from sfpipe.params import OmrParams

# Three bars of piano music, written by hand in the layout of Audiveris' exports (with a prefix
# that they use and do not declare): 220 + 160 + 120 tenths wide.
EXPORT = Path(__file__).parents[1] / "data" / "audiveris.musicxml"
# (onset, duration, pitch, tenths from the system's left edge); the tied a'' counts once.
NOTES = [
    (0, 2, 50, 95),
    (0, 2, 54, 95),
    (0, 2, 74, 95),
    (2, 1, 78, 160),
    (3, 1, 57, 190),
    (3, 1, 81, 190),
    (4, 4, 45, 237),
    (5, 0.5, 79, 280),
    (5.5, 0.5, 76, 305),
    (6, 2, 74, 330),
    (8, 4, 50, 410),
    (8, 4, 74, 410),
]


def plain(notes):
    return [(n.onset, n.duration, n.midi_pitch, n.x_px) for n in notes]


def test_notes_lie_between_the_ends_of_the_staves():
    notes = read_musicxml([EXPORT], (30.0, 1030.0))
    wanted = [(a, d, p, pytest.approx(30 + 2 * x)) for a, d, p, x in NOTES]
    assert plain(notes) == wanted
    assert all(np.isnan(n.y_px) for n in notes)


def test_movements_follow_one_another_and_may_be_compressed(tmp_path):
    packed = tmp_path / "strip.mvt2.mxl"
    container = (
        '<?xml version="1.0" encoding="UTF-8"?><container><rootfiles>'
        '<rootfile full-path="strip.xml"/></rootfiles></container>'
    )
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("META-INF/container.xml", container)
        file.write(EXPORT, "strip.xml")
    notes = read_musicxml([EXPORT, packed], (0.0, 500.0))
    assert sorted(n.onset for n in notes)[-1] == 12 + 8
    assert len(notes) == 2 * len(NOTES)


def test_a_prefix_is_declared_only_where_it_is_missing(tmp_path):
    content = EXPORT.read_bytes()
    declared = declare_prefix(content)
    assert b"xsi:type" in content and b"xmlns:xsi" not in content
    assert declared.count(b"xmlns:xsi") == 1 and declare_prefix(declared) == declared
    (tmp_path / "strip.xml").write_bytes(declared)
    assert plain(read_musicxml([tmp_path / "strip.xml"], (0, 500))) == plain(
        read_musicxml([EXPORT], (0, 500))
    )
    without = content.replace(b' xsi:type="formatted-text"', b"")
    assert declare_prefix(without) == without


def test_what_is_no_musicxml(tmp_path):
    path = tmp_path / "strip.xml"
    path.write_text("<score-partwise><part-list/></score-partwise>")
    with pytest.raises(SfpipeError, match="MusicXML"):
        read_musicxml([path], (0, 1))


def staff(space=5, width=300):
    strip = np.full((60, width), 255, np.uint8)
    for line in range(5):
        strip[20 + line * space, 7:290] = 0
    return strip


def test_the_image_is_larger_with_paper_around_it():
    strip = staff()
    large, zoom, margin = enlarge(strip, 5.0)
    assert margin == 20 and zoom == pytest.approx(4, abs=0.01)
    assert large.shape == (400, 1360) and (large[:79] == 255).all() and (large[:, :79] == 255).all()
    assert staff_extent(strip, find_staves(strip)) == (7, 289)
    _, zoom, _ = enlarge(np.full((200, 40_000), 255, np.uint8), 7.0)
    assert zoom < 20 / 7  # or it would have more pixels than Audiveris reads


def program(folder: Path, script: str) -> str:
    path = folder / "Audiveris"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return os.pathsep.join([str(folder), os.environ["PATH"]])


def test_its_export_is_found_and_put_back_onto_the_strip(tmp_path, monkeypatch):
    # Takes the options that Audiveris documents, and writes where it writes.
    script = (
        'test "$1 $2 $3 $5" = "-batch -export -output --" && test -s "$6" || exit 2\n'
        f'mkdir "$4/strip" && cp "{EXPORT}" "$4/strip/strip.xml"\n'
    )
    monkeypatch.setenv("PATH", program(tmp_path, script))
    notes = find_reader(OmrParams(reader="audiveris"))(staff())
    assert [n.midi_pitch for n in notes] == [p for _, _, p, _ in NOTES]
    wanted = [7 + x * (289 - 7) / 500 for *_, x in NOTES]
    assert [n.x_px for n in notes] == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(
    ("script", "says"),
    [("exit 0", "read nothing"), ("echo 'no staff found' >&2; exit 1", "no staff found")],
)
def test_it_fails_in_one_line(tmp_path, monkeypatch, script, says):
    monkeypatch.setenv("PATH", program(tmp_path, script))
    with pytest.raises(SfpipeError, match=says):
        find_reader(OmrParams(reader="audiveris"))(staff())


def test_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SfpipeError, match="Audiveris is not installed") as error:
        find_reader(OmrParams(reader="audiveris"))
    assert "baselines.omr.reader: builtin" in str(error.value.remedy)


def test_the_program_itself_reads_a_melody(tmp_path):
    try:
        find_audiveris()
    except SfpipeError:
        pytest.skip(f"none of {', '.join(COMMANDS)} is on the PATH of this machine")
    from sfpipe.engraving.stage import engrave
    from sfpipe.omr.accuracy import accuracy
    from sfpipe.omr.truth import strip_truth
    from sfpipe.params import EngraveParams
    from sfpipe.score.stage import unroll_piece
    from tests.tunes import PLAIN, write_raw

    raw = write_raw(tmp_path / "raw", {"plain": PLAIN})
    engrave(EngraveParams(), raw, tmp_path / "engraved", jobs=1)
    folder = tmp_path / "engraved" / "plain"
    notes = find_reader(OmrParams(reader="audiveris"))(unroll_piece(folder, None)[0].image)
    assert accuracy(notes, strip_truth(folder), 3.5).shares()["recall"] > 0.8
