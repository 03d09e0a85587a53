import json
import shutil

import cv2
import mido
import numpy as np
import pytest

from sfpipe.cleaning.checks import check_melody, read_evidence
from sfpipe.errors import SfpipeError
from sfpipe.params import CleanParams

PARAMS = CleanParams(min_onsets=8)


@pytest.fixture
def folder(toy, tmp_path):
    shutil.copytree(toy[1] / "rich", tmp_path / "piece")
    return tmp_path / "piece"


def edit_heads(folder, edit):
    """Apply `edit` to the rows (lists of strings) of noteheads.csv."""
    head, *rows = (folder / "noteheads.csv").read_text().splitlines()
    rows = edit([row.split(",") for row in rows])
    (folder / "noteheads.csv").write_text("\n".join([head, *(",".join(r) for r in rows)]) + "\n")


def verdict(folder, params=PARAMS):
    evidence = read_evidence(folder)
    return check_melody(evidence, params), evidence.numbers


@pytest.mark.parametrize("piece", ["rich", "plain", "waltz", "chords"])
def test_what_engrave_makes_is_accepted(toy, piece):
    reason, numbers = verdict(toy[1] / piece)
    assert reason is None
    assert numbers["dark_share"] == 1.0 and numbers["midi_onset_error_s"] < 1e-3
    assert numbers["positions_not_increasing"] == numbers["double_heads"] == 0


def test_too_few_and_too_many_onsets(folder):
    assert "at least 99" in verdict(folder, CleanParams(min_onsets=99))[0]
    assert "at most 10" in verdict(folder, CleanParams(min_onsets=2, max_onsets=10))[0]


def test_an_image_that_is_too_wide(folder):
    reason, numbers = verdict(folder, CleanParams(min_onsets=2, max_width_px=200))
    assert "px wide, at most 200 px" in reason and numbers["width_px"] > 200


@pytest.mark.parametrize(("grey", "share"), [(255, 0.0), (0, 1.0)])
def test_a_blank_and_a_black_image(folder, grey, share):
    image = cv2.imread(str(folder / "system-001.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(folder / "system-001.png"), np.full_like(image, grey))
    reason, numbers = verdict(folder)
    assert "blank or blotted" in reason and numbers["ink_share"] == share


def test_an_image_of_another_size_than_listed(folder):
    image = cv2.imread(str(folder / "system-001.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(folder / "system-001.png"), image[:, 1:])
    assert "listed as" in verdict(folder)[0]


def test_heads_that_are_not_where_the_ink_is(folder):
    def shift(rows):
        return [[r[0], str(float(r[1]) + 4), *r[2:]] for r in rows]

    edit_heads(folder, shift)
    reason, numbers = verdict(folder)
    assert "have ink under them" in reason and numbers["dark_share"] < 0.5


def test_a_head_outside_the_image(folder):
    edit_heads(
        folder, lambda rows: [[r[0], r[1], "-5.0", *r[3:]] if r is rows[3] else r for r in rows]
    )
    reason, numbers = verdict(folder)
    assert reason == "1 note heads lie outside the image" and numbers["heads_outside"] == 1


def test_positions_that_go_back(folder):
    def swap(rows):
        rows[3][1], rows[4][1] = rows[4][1], rows[3][1]
        return rows

    edit_heads(folder, swap)
    assert "1 onsets are not to the right" in verdict(folder)[0]


def test_two_heads_of_one_pitch_and_heads_in_two_places(folder):
    edit_heads(folder, lambda rows: [rows[0], *rows])
    assert "repeat a pitch" in verdict(folder)[0]

    def chord_far_apart(rows):
        other = [*rows[1]]
        other[1], other[4] = str(float(other[1]) + 7), "90"
        return [rows[1], other, *rows[2:]]

    edit_heads(folder, chord_far_apart)
    assert "different places" in verdict(folder)[0]


def test_a_midi_file_that_plays_something_else(folder):
    midi = mido.MidiFile(folder / "score.mid")
    for message in midi.tracks[0]:
        if message.type in ("note_on", "note_off") and message.note == 67:
            message.note = 68
    midi.save(str(folder / "score.mid"))
    assert "image and MIDI differ in" in verdict(folder)[0]


def test_a_midi_file_that_is_late(folder):
    midi = mido.MidiFile(folder / "score.mid")
    first = next(i for i, m in enumerate(midi.tracks[0]) if m.type == "note_on")
    midi.tracks[0][first].time += 96
    midi.save(str(folder / "score.mid"))
    assert "image and MIDI differ by" in verdict(folder)[0]


def test_a_score_longer_than_its_midi(folder):
    about = json.loads((folder / "engraving.json").read_text())
    about["duration_s"] += 0.5
    (folder / "engraving.json").write_text(json.dumps(about))
    assert "0.50 s longer or shorter" in verdict(folder)[0]


@pytest.mark.parametrize("content", [None, b"", b"MThd"])
def test_a_missing_or_damaged_midi_file(folder, content):
    (folder / "score.mid").unlink()
    if content is not None:
        (folder / "score.mid").write_bytes(content)
    with pytest.raises(SfpipeError, match=r"score\.mid"):
        read_evidence(folder)
