"""Standard MIDI files: what sounds, derived by hand from SMF 1.0."""

from fractions import Fraction
from random import Random

import mido
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.notation.midi_melody import read_midi
from sfpipe.notation.playback import TICKS, heads, sounding_notes, tempo_map, unfold
from tests.notation.midi import midi_bytes, midi_file, note


def played(content: bytes, header: str | None = None) -> list[tuple[float, float, int]]:
    """(onset in s, end in s, pitch) of all that is struck."""
    score = unfold(read_midi(content, header))
    tempo, _ = tempo_map(score, 100)
    return [
        (round(tempo.seconds(s.onset), 4), round(tempo.seconds(s.end), 4), s.midi_pitch)
        for s in sounding_notes(heads(score, tempo))
    ]


def quarters(content: bytes, header: str | None = None) -> list[float]:
    score = unfold(read_midi(content, header))
    return [s.onset / TICKS for s in sounding_notes(heads(score, tempo_map(score, 100)[0]))]


def tempo(tick: int, bpm: float) -> mido.MetaMessage:
    return mido.MetaMessage("set_tempo", tempo=round(60e6 / bpm), time=tick)


def legato(ticks: list[int], end: int) -> list[mido.Message]:
    edges = [*ticks, end]
    return [m for i, t in enumerate(ticks) for m in note(t, edges[i + 1], 60 + i % 12)]


def test_a_file_without_a_tempo_has_120_quarters_a_minute():
    assert [t for t, _, _ in played(midi_bytes([(0, 60), (480, 62), (960, 64)], 480))] == [
        0,
        0.5,
        1,
    ]


def test_a_first_tempo_behind_the_beginning_leaves_120_before_it():
    content = midi_file([tempo(960, 60), *legato([0, 480, 960, 1440], 1920)])
    assert [t for t, _, _ in played(content)] == [0, 0.5, 1, 2]


def test_tempo_changes_in_any_track_and_inside_notes():
    melody = legato([0, 960, 1920], 2880)
    content = midi_file(melody, [tempo(0, 120), tempo(480, 60)])
    assert [t for t, _, _ in played(content)] == [0, 1.5, 3.5]


def test_notes_that_are_handed_between_channels_and_tracks():
    one = [*note(0, 480, 60, 0), *note(480, 960, 60, 1), *note(960, 1440, 60, 0)]
    other = note(1440, 1920, 64, 2)
    assert [(t, p) for t, _, p in played(midi_file(one, other))] == [
        (0, 60),
        (0.5, 60),
        (1, 60),
        (1.5, 64),
    ]


def test_a_melody_that_another_track_doubles_is_there_once():
    melody = legato([0, 480, 960], 1440)
    assert len(played(midi_file(melody, melody))) == 3


def test_percussion_is_no_melody_and_a_note_struck_again_is_two():
    content = midi_file(
        [
            mido.Message("note_on", note=60, velocity=64, time=0),
            *note(240, 360, 76, channel=9),
            mido.Message("note_on", note=60, velocity=64, time=480),  # before its end
            mido.Message("note_off", note=60, time=960),
            *note(960, 1440, 64),
        ]
    )
    assert [(t, p) for t, _, p in played(content)] == [(0, 60), (0.5, 60), (1, 64)]


def test_overlapping_notes_end_where_the_next_begins():
    content = midi_file([*note(0, 700, 60), *note(480, 1000, 62), *note(960, 1440, 64)])
    assert [e for _, e, _ in played(content)] == [0.5, 1, 1.5]


def test_silence_is_kept_and_a_header_takes_it_off_an_upbeat():
    content = midi_bytes([(960, 60), (1440, 62), (2400, 64)], 480)
    assert [t for t, _, _ in played(content)] == [1, 1.5, 2.5]
    assert quarters(content, "X:1\nM:3/4\nK:C\n") == [0, 1, 3]


@pytest.mark.parametrize("parts", [3, 5, 6, 7, 8, 9, 12, 16])
@pytest.mark.parametrize("ppq", [480, 960, 96, 1024, 384])
def test_every_division_of_a_beat(parts, ppq):
    ticks = [round(ppq * k / parts) for k in range(parts)] + [ppq, 2 * ppq]
    content = midi_file(legato(ticks, 4 * ppq), ppq=ppq)
    wanted = [round(960 * k / parts) / 960 for k in range(parts)] + [1, 2]
    assert quarters(content) == pytest.approx(wanted, abs=1.1 / 960)


def test_triplets_that_midi_files_rounded_to_32nds_are_put_back():
    ticks = [0, 240, 320, 420, 480, 540, 640, 720]  # 1/2 2/3 7/8 | 1 + (0, 1/8, 1/3)
    wanted = [float(Fraction(x, 6)) for x in (0, 3, 4, 5, 6, 7, 8, 9)]
    assert quarters(midi_file(legato(ticks, 960))) == pytest.approx(wanted, abs=1e-3)


def test_human_timing_is_put_on_the_grid_and_the_distance_reported():
    random = Random(1)
    places = [Fraction(k, 2) for k in range(16)] + [8 + Fraction(k, 3) for k in range(6)]
    ticks = [max(0, round(480 * p + random.gauss(0, 9))) for p in places]
    content = midi_file(legato(ticks, 4800))
    assert quarters(content) == pytest.approx([float(p) for p in places], abs=1e-3)
    residual = read_midi(content).residual
    assert residual == max(abs(Fraction(t, 480) - p) for t, p in zip(ticks, places, strict=True))


def test_timing_that_follows_no_beat_is_refused():
    random = Random(2)
    ticks = [round(i * 480 * 1.137 + random.uniform(-60, 60)) + 60 for i in range(40)]
    with pytest.raises(SfpipeError, match=r"do not follow its beats .* quantise it"):
        read_midi(midi_file(legato(ticks, ticks[-1] + 480)))


def test_metres_change_and_keys_spell():
    signs = [
        mido.MetaMessage("time_signature", numerator=2, denominator=4, time=0),
        mido.MetaMessage("time_signature", numerator=6, denominator=8, time=960),
        mido.MetaMessage("key_signature", key="Dm", time=0),
    ]
    score = read_midi(midi_file([*signs, *legato([0, 480, 960], 2400)]))
    assert [(bar.metre.beats, bar.length) for bar in score.bars] == [("2", 2), ("6", 3)]
    assert score.bars[0].key.fifths == -1
    spelled = [(n.step % 7, n.alter) for _, e in score.events() for n in e.notes]
    assert spelled == [(0, 0), (0, 1), (1, 0)]  # C, C sharp (of D minor), D


def test_the_key_is_found_from_the_notes():
    score = read_midi(midi_bytes([(480 * i, p) for i, p in enumerate((62, 66, 69, 74, 73, 74))]))
    assert score.bars[0].key.fifths == 2


def test_low_melodies_stand_in_the_bass_clef():
    assert read_midi(midi_bytes([(0, 40), (480, 45)])).bars[0].clef.shape == "F"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c[:12] + b"\xe7\x28" + c[14:], "SMPTE"),
        (lambda c: c[:9] + b"\x02" + c[10:], "format 2"),
        (lambda c: c[:12] + b"\x00\x00" + c[14:], "no ticks"),
    ],
)
def test_files_that_count_otherwise_are_refused(change, why):
    with pytest.raises(SfpipeError, match=why):
        read_midi(change(midi_bytes([(0, 60), (480, 62)])))


def test_files_that_are_far_too_long_are_refused():
    with pytest.raises(SfpipeError, match="longer than"):
        read_midi(midi_bytes([(0, 60), (480 * 30_000, 62)]))
    with pytest.raises(SfpipeError, match="holds no notes"):
        read_midi(midi_file([tempo(0, 100)]))
