from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from sfpipe.datasets.index import Piece
from sfpipe.engraving.files import read_description, read_noteheads
from sfpipe.engraving.lilypond.musicxml import mark_upbeat, mend
from sfpipe.engraving.lilypond.piece import engrave_source
from sfpipe.errors import SfpipeError
from tests.alignment.conftest import ONSETS, musicxml


def test_a_short_first_bar_becomes_an_upbeat_and_others_do_not():
    def bars(xml: bytes) -> list[str | None]:
        return [m.get("implicit") for m in ElementTree.fromstring(xml).iter("measure")]

    assert bars(mark_upbeat(musicxml().encode())) == ["yes", None, None, None, None]
    whole = musicxml().replace("<beats>3<", "<beats>1<")
    assert bars(mark_upbeat(whole.encode())) == [None] * 5


def test_mended_are_names_dashes_and_long_runs_of_grace_notes():
    text = (
        r'\set PianoStaff.instrumentName = "Tiny" \grace { c8 d8 e8 <f a>8 } c4 \startTrillSpan '
        r"\acciaccatura { f8 } c4 \stopTrillSpan"
    )
    mended = mend(text, trills=False)
    assert "Tiny" not in mended and "TrillSpan" not in mended
    assert r"\grace { \scaleDurations 1/2 { c8 d8 e8 <f a>8 } }" in mended
    assert r"\acciaccatura { f8 }" in mended
    assert r"\startTrillSpan" in mend(text, trills=True)


def test_piano_music_is_set_with_two_staves_and_every_note_a_head(lilypond, tmp_path):
    (tmp_path / "tiny.musicxml").write_text(musicxml())
    piece = Piece("tiny", "Tiny", "test", "tiny.musicxml", "x", "CC0", engine="lilypond")
    engrave_source(piece, tmp_path, tmp_path / "out")
    about, heads = read_description(tmp_path / "out/tiny"), read_noteheads(tmp_path / "out/tiny")
    assert (about["engine"], about["staves"]) == ("lilypond", [2])
    wanted = sorted((q, p) for q, pitches in ONSETS for p in pitches)
    assert sorted(zip(heads.onset_quarter, heads.midi_pitch, strict=True)) == wanted
    assert not heads.tied.any() and set(heads.staff) == {1, 2}
    groups = heads.onsets()
    assert (np.diff([np.median(heads.x_px[g]) for g in groups]) > 0).all()


@pytest.mark.parametrize("content", ["<score-timewise/>", "no xml at all"])
def test_what_is_no_musicxml_is_one_line(lilypond, tmp_path, content):
    (tmp_path / "bad.musicxml").write_text(content)
    piece = Piece("bad", "Bad", "test", "bad.musicxml", "x", "CC0", engine="lilypond")
    with pytest.raises(SfpipeError, match="not readable as MusicXML"):
        engrave_source(piece, tmp_path, Path(tmp_path / "out"))
