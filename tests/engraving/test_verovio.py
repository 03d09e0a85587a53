"""Whole scores drawn by Verovio: heads by the file's ids, at the times of the score."""

import hashlib
import itertools
import re
from xml.etree.ElementTree import tostring

import numpy as np
import pytest

from sfpipe.audio.midi import read_midi
from sfpipe.cleaning.checks import read_evidence
from sfpipe.cleaning.polyphony import check_polyphony
from sfpipe.datasets.index import Piece
from sfpipe.engraving.files import read_description, read_image, read_noteheads, read_systems
from sfpipe.engraving.verovio.draw import draw_document, draw_systems
from sfpipe.engraving.verovio.mend import mend
from sfpipe.engraving.verovio.piece import engrave_score
from sfpipe.engraving.verovio.toolkit import FONTS, STAFF_SPACE, toolkit
from sfpipe.errors import SfpipeError
from sfpipe.notation.musicxml import parse, read_document
from sfpipe.params import CleanParams, EngraveParams, PianoParams

DIRECTION = "<direction><direction-type>{}</direction-type>{}</direction>"
TEMPO = DIRECTION.format("<words>Andante</words>", '<sound tempo="60"/>')
CLEFS = (
    '<clef number="1"><sign>G</sign><line>2</line></clef>'
    '<clef number="2"><sign>F</sign><line>4</line></clef>'
)
ATTRIBUTES = (
    "<attributes><divisions>2</divisions><key><fifths>0</fifths></key>"
    f"<time><beats>4</beats><beat-type>4</beat-type></time>{{}}{CLEFS}</attributes>"
)
STAVES = "<staves>2</staves>"
KINDS = {1: "eighth", 2: "quarter", 4: "half", 8: "whole"}


def note(name, duration, staff=1, voice=None, front="", more="", hidden=False, length=None):
    pitch = f"<pitch><step>{name[0]}</step><octave>{name[-1]}</octave></pitch>"
    shown = ' print-object="no"' if hidden else ""
    took = "" if "<grace" in front else f"<duration>{duration}</duration>"
    return (
        f'<note id="{name.lower()}{staff}{duration}"{shown}>{front}{pitch}{took}'
        f"<voice>{voice or 4 * staff - 3}</voice><type>{length or KINDS[duration]}</type>"
        f"<staff>{staff}</staff>{more}</note>"
    )


def score(*measures, staves=STAVES):
    first, *others = measures
    measures = [ATTRIBUTES.format(staves) + TEMPO + first, *others]
    body = "".join(f'<measure number="{n}">{m}</measure>' for n, m in enumerate(measures, 1))
    return (
        '<score-partwise version="4.0"><part-list><score-part id="P1"><part-name>Piano</part-name>'
        f'</score-part></part-list><part id="P1">{body}</part></score-partwise>'
    )


RIGHT = "".join(note(name, 1) for name in ("C5", "D5", "E5", "F5", "G5", "A5", "B5", "C6"))
LEFT = "<backup><duration>8</duration></backup>" + note("C3", 4, 2) + note("G3", 4, 2)


def draw(text, **params):
    """(places by id, lines of each staff from the top) of the first system, in staff spaces."""
    root = parse(text.encode())
    layout = draw_systems(root, read_document(root), PianoParams(**params))[0]
    places = {name: (x / STAFF_SPACE, y / STAFF_SPACE) for name, (x, y) in layout.heads.items()}
    return places, np.array(layout.lines) / STAFF_SPACE, layout


def engraved(tmp_path, text, name="piece", suffix=".musicxml"):
    (tmp_path / "raw").mkdir(exist_ok=True)
    source = tmp_path / "raw" / f"{name}{suffix}"
    source.write_text(text, "utf-8")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    piece = Piece(name, name, "test", source.name, digest, "own", engine="verovio")
    engrave_score(piece, EngraveParams(), tmp_path / "raw", tmp_path / "out")
    return tmp_path / "out" / name


@pytest.mark.parametrize("staves", [STAVES, ""])
@pytest.mark.parametrize("font", FONTS)
def test_heads_lie_on_the_lines_of_their_pitches(staves, font):
    places, lines, _ = draw(score(RIGHT + LEFT, staves=staves), font=font)
    assert len(lines) == 10
    treble, bass = lines[4], lines[9]  # the bottom lines: E4 and G2
    assert places["e511"][1] == pytest.approx(treble - 3.5, abs=0.03)
    assert places["c611"][1] == pytest.approx(treble - 6, abs=0.03)
    assert places["c324"][1] == pytest.approx(bass - 1.5, abs=0.03)
    x = [places[f"{name}11"][0] for name in ("c5", "d5", "e5", "f5", "g5", "a5", "b5", "c6")]
    assert np.all(np.diff(x) > 0.5)
    assert places["c324"][0] == pytest.approx(x[0], abs=0.1)
    assert places["g324"][0] == pytest.approx(x[4], abs=0.1)


def test_the_engraved_piece_passes_the_checks_of_piano_music(tmp_path):
    folder = engraved(tmp_path, score(*[RIGHT + LEFT] * 12))
    heads = read_noteheads(folder)
    assert len(heads) == 120 and not heads.tied.any()
    assert heads.onset_s[:3].tolist() == [0, 0, 0.5]
    assert {"c511", "c324"} == set(heads.id[:2]) and set(heads.midi_pitch[:2]) == {48, 72}
    assert heads.hollow[heads.staff == 2].all()
    systems = read_systems(folder)
    assert len(systems) > 1
    image = read_image(folder / systems[0].file)
    assert image.shape == (systems[0].height_px, systems[0].width_px)
    assert check_polyphony(read_evidence(folder), CleanParams()) is None
    midi = read_midi(folder / "score.mid")
    assert len(midi.notes) == 120
    about = read_description(folder)
    assert about["heads_placed"] == 120 and about["tempo"]["quarters_per_minute"] == 60


def test_mei_of_the_same_piece_gives_the_same_heads_at_the_same_times(tmp_path):
    numbers = itertools.count()
    text = score(*[RIGHT + LEFT] * 6)
    text = re.sub(r'<note id="\w+"', lambda _: f'<note id="n{next(numbers)}"', text)
    heads = read_noteheads(engraved(tmp_path, text))
    program = toolkit()
    program.loadData(text)
    mei = program.getMEI({"removeIds": False})
    assert "<label" in mei
    other = read_noteheads(engraved(tmp_path, mei, "other", ".mei"))
    for name in ("system", "onset_s", "midi_pitch", "staff", "hollow", "id"):
        assert np.array_equal(getattr(heads, name), getattr(other, name)), name
    assert np.abs(heads.x_px - other.x_px).max() < 0.01
    assert np.abs(heads.y_px - other.y_px).max() < 0.01


def test_notes_of_a_bar_are_drawn_once_however_often_it_is_played(tmp_path):
    repeat = '<barline location="right"><repeat direction="backward"/></barline>'
    folder = engraved(tmp_path, score(RIGHT + LEFT + repeat, RIGHT.replace('11"', '9"') + LEFT))
    heads = read_noteheads(folder)
    assert len(heads) == 20 and heads.onset_s.max() == 7.5


def test_hidden_notes_are_heard_and_not_among_the_heads(tmp_path):
    hidden = note("C5", 2, hidden=True) + note("D5", 2) + note("E5", 4)
    folder = engraved(tmp_path, score(hidden + LEFT))
    assert "c512" not in read_noteheads(folder).id.tolist()
    assert (0.0, 72) in {(n.start_s, n.pitch) for n in read_midi(folder / "score.mid").notes}


def test_an_ottava_is_drawn_an_octave_lower_than_it_sounds(tmp_path):
    line = (
        '<direction><direction-type><octave-shift type="{}" size="8"/></direction-type></direction>'
    )
    text = score(line.format("down") + note("C6", 4) + line.format("stop") + note("D5", 4) + LEFT)
    places, lines, _ = draw(text)
    assert places["c614"][1] == pytest.approx(lines[4] - 2.5, abs=0.03)  # as C5 is
    heads = read_noteheads(engraved(tmp_path, text))
    assert heads.midi_pitch[heads.id == "c614"].tolist() == [84]


def test_cross_staff_notes_lie_on_the_other_staff():
    text = score(note("E4", 4) + note("C3", 4, 2, voice=1) + LEFT.replace("c324", "x"))
    places, lines, _ = draw(text)
    assert places["c324"][1] == pytest.approx(lines[9] - 1.5, abs=0.03)


def test_grace_notes_lie_before_their_note_and_sound_before_the_beat(tmp_path):
    grace = note("B4", 0, front='<grace slash="yes"/>', length="eighth")
    folder = engraved(tmp_path, score(note("C5", 8) + LEFT, grace + note("D5", 8) + LEFT))
    heads = read_noteheads(folder)
    at = heads.id.tolist().index("b410")
    main = heads.id.tolist().index("d518")
    assert heads.grace[at] and heads.x_px[at] < heads.x_px[main]
    assert 3.9 < heads.onset_s[at] < heads.onset_s[main] == 4


def test_notes_without_beams_are_beamed_by_the_beat():
    _, _, layout = draw(score(RIGHT + LEFT))
    assert layout.svg.count('class="beam"') == 4
    given = RIGHT.replace("</note>", '<beam number="1">begin</beam></note>', 1)
    given = given[:-7] + '<beam number="1">end</beam></note>'
    _, _, layout = draw(score(given + LEFT))
    assert layout.svg.count('class="beam"') <= 1


def test_the_distance_of_staves_can_be_chosen():
    def gap(spaces):
        _, lines, _ = draw(score(RIGHT + LEFT), staff_gap_spaces=spaces)
        return lines[5] - lines[4]

    assert gap(8) - gap(6) == pytest.approx(2, abs=0.05)


def test_pages_show_the_systems_of_the_strip():
    text = score(*[RIGHT + LEFT] * 60)
    printed = parse(text.encode())
    mend(printed, read_document(printed))
    pages = draw_document(tostring(printed, encoding="unicode"), PianoParams())
    assert len(pages) > 1
    systems = [system for page in pages for system in page.systems]
    root = parse(text.encode())
    strips = draw_systems(root, read_document(root), PianoParams())
    assert [set(system.heads) for system in systems] == [set(strip.heads) for strip in strips]
    for page in pages:
        assert page.height / page.width < 1.5
        assert f'viewBox="0 0 {page.width:.0f} {page.height:.0f}"' in page.svg
    system, strip = systems[1], strips[1]
    assert system.right - system.left == pytest.approx(110 * pages[0].staff_space, rel=0.03)
    for name, (x, y) in strip.heads.items():
        assert 10 * (system.heads[name][0] - system.left) == pytest.approx(x - strip.left, abs=2)
        lines = sorted(system.lines)
        assert 10 * (system.heads[name][1] - lines[0]) == pytest.approx(y - strip.staff_top, abs=60)


def test_a_file_that_is_no_score_is_named(tmp_path):
    with pytest.raises(SfpipeError, match="expected <score-partwise>"):
        engraved(tmp_path, "<html/>")
    assert not (tmp_path / "out" / "piece").exists()
