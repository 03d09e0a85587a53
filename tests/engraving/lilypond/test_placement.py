import json
from fractions import Fraction

import cv2
import mido
import numpy as np
import pytest

from sfpipe.engraving.lilypond.pages import cut_system
from sfpipe.engraving.lilypond.placement import Moment, read_placement
from sfpipe.engraving.lilypond.sound import find_heads, join, read_sound
from sfpipe.errors import SfpipeError

# Two systems on one page, as a source that forbids page breaks makes it. 101 dpi, 1 unit = 1 px.
SCALE = 25.4 / 101
STAFF = [10.0, 190.0, -24.0, 0.0, -12.0, 6.0]
HEAD = [50.0, 58.0, -12.0, -12.0, 60.0, 2, False, True, 0, 1, 0, 1, 1, 4]


def write(folder, systems=None, **changes):
    if systems is None:
        systems = [
            {"page": 1, "x": 20.0, "y": 50.0, "staves": [STAFF], "heads": [HEAD]},
            {"page": 1, "x": 20.0, "y": 150.0, "staves": [STAFF], "heads": []},
        ]
    data = {"output_scale": SCALE, "top_margin": 10.0, "start": [0, 1, 0, 1], "systems": systems}
    (folder / "score-00.json").write_text(json.dumps(data | changes))
    return folder / "score-00.json"


def page(folder):
    image = np.full((300, 250), 255, np.uint8)
    for top in (60, 160):
        for line in range(5):
            image[top + 6 * line, 30:210] = 0
    image[72 - 3 : 72 + 4, 70:78] = 0  # a head, 8 px wide
    image[110, 40:60] = 0  # a word below the first system
    cv2.imwrite(str(folder / "score-00.png"), image)


def test_systems_on_one_page_are_cut_apart_between_their_inks(tmp_path):
    page(tmp_path)
    placement = read_placement(write(tmp_path))
    first, second = (cut_system(tmp_path, "score-00", placement, s) for s in placement.systems)
    assert first.image.shape[1] == second.image.shape[1] == 180
    assert (first.image < 128).sum(axis=1).astype(bool).sum() == 5 + 6 + 1
    assert (second.image < 128).sum(axis=1).astype(bool).sum() == 5
    assert first.staff_bottom - first.staff_top == pytest.approx(24)
    x, y = first.centre(placement.systems[0].heads[0])
    ink = np.argwhere(first.image[:, 30:60] < 128)
    column = 30 + ink[np.abs(ink[:, 0] - y) < 3][:, 1]
    assert x == pytest.approx(43.5) and column.size
    assert first.staff_of(placement.systems[0].heads[0]) == 1


def test_a_head_far_below_its_staff_stays_with_its_system(tmp_path):
    page(tmp_path)
    low = [*HEAD[:2], -70.0, *HEAD[3:]]  # at row 130, nearer to the second system
    systems = [
        {"page": 1, "x": 20.0, "y": 50.0, "staves": [STAFF], "heads": [low]},
        {"page": 1, "x": 20.0, "y": 150.0, "staves": [STAFF], "heads": [HEAD]},
    ]
    placement = read_placement(write(tmp_path, systems))
    first, second = (cut_system(tmp_path, "score-00", placement, s) for s in placement.systems)
    assert first.centre(placement.systems[0].heads[0])[1] < len(first.image) - 3
    assert 0 < second.centre(placement.systems[1].heads[0])[1] < len(second.image)


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "[]",
        '{"output_scale": 1}',
        json.dumps({"output_scale": 1e999, "top_margin": 0, "start": [0, 1, 0, 1], "systems": []}),
        json.dumps({"output_scale": 1, "top_margin": 0, "start": [0, 0, 0, 1], "systems": []}),
        json.dumps({"output_scale": 1, "top_margin": 0, "start": [0, 1], "systems": []}),
    ],
)
def test_what_a_hostile_source_may_have_written_instead(tmp_path, broken):
    (tmp_path / "score-00.json").write_text(broken)
    with pytest.raises(SfpipeError, match="the note heads of score-00 were not told"):
        read_placement(tmp_path / "score-00.json")


def test_pages_that_are_none_and_systems_off_the_page(tmp_path):
    placement = read_placement(write(tmp_path))
    with pytest.raises(SfpipeError, match=r"score-00\.png was not made"):
        cut_system(tmp_path, "score-00", placement, placement.systems[0])
    (tmp_path / "score-00.png").write_bytes(b"\x89PNG")
    with pytest.raises(SfpipeError, match="not a readable page"):
        cut_system(tmp_path, "score-00", placement, placement.systems[0])
    page(tmp_path)
    far = {"page": 1, "x": 20.0, "y": 9000.0, "staves": [STAFF], "heads": []}
    placement = read_placement(
        write(tmp_path, [far, {**far, "y": 0.0, "staves": [], "heads": [HEAD]}])
    )
    with pytest.raises(SfpipeError, match="outside of its page"):
        cut_system(tmp_path, "score-00", placement, placement.systems[0])
    with pytest.raises(SfpipeError, match="has no staves"):
        cut_system(tmp_path, "score-00", placement, placement.systems[1])
    assert read_placement(write(tmp_path, [{**far, "staves": []}])).systems == ()


def test_moments_become_lilyponds_ticks():
    start = Moment(Fraction(0), Fraction(-1, 8))  # the piece begins with a grace note
    assert start.ticks_after(start) == 0
    assert Moment(Fraction(0), Fraction(0)).ticks_after(start) == int(1536 / 8 * 9 / 40)
    triplet = Moment(Fraction(1, 12), Fraction(0))
    assert triplet.ticks_after(Moment(Fraction(0), Fraction(0))) == 128


def midi(path, notes, tempo=500_000, ticks=384):
    file = mido.MidiFile(ticks_per_beat=ticks)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=tempo)])
    for pitch in notes:
        track.append(mido.Message("note_on", note=pitch, velocity=80))
        track.append(mido.Message("note_off", note=pitch, time=ticks))
    file.tracks.append(track)
    file.save(str(path))
    return path


def test_scores_sound_one_after_the_other_each_at_its_tempo(tmp_path):
    one = read_sound(midi(tmp_path / "a.midi", [60, 62]))
    two = read_sound(midi(tmp_path / "b.midi", [64], tempo=1_000_000))
    joined = join([one, two])
    assert joined.starts == [0, 3 * 384]
    assert joined.seconds(384) == 0.5 and joined.seconds(3 * 384) == 1.5
    assert joined.seconds(4 * 384) == 2.5


def test_a_head_is_struck_if_its_pitch_begins_there(tmp_path):
    sound = read_sound(midi(tmp_path / "a.midi", [60, 62]))
    heads = [
        HEAD,
        [*HEAD[:4], 61.0, *HEAD[5:]],  # another pitch
        [*HEAD[:4], 62.0, 2, True, True, 1, 4, 0, 1, 1, 4],  # tied
        [*HEAD[:4], 62.0, 2, False, False, 1, 4, 0, 1, 1, 4],  # not printed
    ]
    system = {"page": 1, "x": 0.0, "y": 0.0, "staves": [STAFF], "heads": heads}
    ((first, second, third),) = find_heads(read_placement(write(tmp_path, [system])), sound)
    assert (first.struck, second.struck, third.struck) == (True, False, False)
    assert (first.tick, third.tick) == (0, 384)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b"MThd"), "not readable as MIDI"),
        (lambda path: midi(path, [60], ticks=480), "counts 480 ticks"),
        (lambda path: midi(path, []), "has no notes"),
        (lambda path: None, "was not made"),
    ],
)
def test_midi_files_that_cannot_be_used(tmp_path, make, reason):
    make(tmp_path / "a.midi")
    with pytest.raises(SfpipeError, match=reason):
        read_sound(tmp_path / "a.midi")
