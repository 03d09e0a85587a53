import json

import cv2
import mido
import numpy as np
import pytest

from sfpipe.cleaning.checks import read_evidence
from sfpipe.cleaning.polyphony import check_polyphony
from sfpipe.engraving.files import NOTEHEADS
from sfpipe.params import CleanParams
from tests.cleaning.test_checks import edit_heads

PARAMS = CleanParams(min_onsets=4)
SPACE, TICKS = 7.0, 384


@pytest.fixture
def folder(tmp_path):
    """Two systems of two staves with four chords each, drawn by hand: an engraved piece."""
    rows, systems = [], []
    midi = mido.MidiFile(ticks_per_beat=TICKS)
    track = mido.MidiTrack()
    midi.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=500_000))
    for system in (1, 2):
        image = np.full((260, 200), 255, np.uint8)
        for line in range(5):
            image[[90 + 7 * line, 160 + 7 * line]] = 0
        for i in range(4):
            onset = 4 * (system - 1) + i
            for staff, y, pitch in ((1, 104, 72 + i), (2, 174, 48 + i)):
                x = 40 + 35 * i
                cv2.ellipse(image, (x, y), (4, 3), 0, 0, 360, 0, -1)
                rows.append((system, x, y, staff, pitch, onset / 2, onset, 0, 0, 0))
                track.append(mido.Message("note_on", note=pitch, velocity=80))
            for j, pitch in enumerate((72 + i, 48 + i)):
                track.append(mido.Message("note_off", note=pitch, time=0 if j else TICKS))
        cv2.imwrite(str(tmp_path / f"system-00{system}.png"), image)
        systems.append((system, f"system-00{system}.png", 200 * (system - 1), 200, 260, 90, 188))
    midi.save(str(tmp_path / "score.mid"))
    for name, head, table in (
        ("noteheads", (*NOTEHEADS, "hollow"), rows),
        (
            "systems",
            ["system", "file", "x_px", "width_px", "height_px", "staff_top_px", "staff_bottom_px"],
            systems,
        ),
    ):
        text = "\n".join(",".join(map(str, row)) for row in (head, *table))
        (tmp_path / f"{name}.csv").write_text(text + "\n")
    about = {"piece": "p", "title": "P", "split": "test", "engine": "lilypond", "staves": [2]}
    about |= {"staff_space_px": SPACE, "px_per_cm": 28.35}
    (tmp_path / "engraving.json").write_text(json.dumps({**about, "duration_s": 4.0}))
    return tmp_path


def verdict(folder, params=PARAMS):
    evidence = read_evidence(folder)
    return check_polyphony(evidence, params), evidence.numbers


def about(folder, **changes):
    path = folder / "engraving.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_good_piece_and_its_numbers(folder):
    reason, numbers = verdict(folder)
    assert reason is None
    assert numbers["onsets_matched"] == numbers["notes_matched"] == numbers["dark_share"] == 1
    assert numbers["control_dark_share"] == numbers["backward"] == numbers["ink_lost"] == 0
    assert (numbers["midi_onsets"], numbers["systems"], numbers["systems_moved"]) == (8, 2, 0)


def test_heads_of_another_pitch_than_is_heard(folder):
    def other(rows):
        rows[0][4], rows[1][4] = "98", "99"
        return rows

    edit_heads(folder, other)
    reason, numbers = verdict(folder)
    assert reason == "only 87.5% of the onsets have a note head of a right pitch"
    assert numbers["onsets_matched"] == 0.875
    reason, numbers = verdict(folder, CleanParams(min_onsets=4, min_matched_share=0.8))
    assert reason == "2 heads are listed as struck, but nothing is heard"


def test_notes_that_the_score_hides_are_not_missed_but_printed_ones_are(folder):
    """The second chord is hidden, as the notes of a written-out trill are."""
    edit_heads(folder, lambda rows: [*rows[:2], *rows[4:]])
    assert verdict(folder)[0] == "only 87.5% of the onsets have a note head of a right pitch"
    about(folder, n_onsets=7, heads=14, heads_placed=14)
    reason, numbers = verdict(folder)
    assert reason is None
    assert (numbers["midi_onsets"], numbers["onsets_matched"], numbers["heads_placed"]) == (7, 1, 1)
    about(folder, heads=16)
    assert verdict(folder)[0] == "only 87.5% of the printed notes have a head"


def test_one_matching_head_is_enough_for_an_onset_and_unisons_may_be_drawn_twice(folder):
    edit_heads(folder, lambda rows: [rows[0], *rows[2:]])
    reason, numbers = verdict(folder)
    assert reason is None and numbers["notes_matched"] == pytest.approx(15 / 16, abs=1e-4)
    edit_heads(folder, lambda rows: [rows[0], *rows])
    assert verdict(folder)[0] is None


def test_onsets_that_go_back_in_a_system_but_not_over_the_systems_end(folder):
    def shift(rows):
        for row in rows[4:6]:
            row[1] = "20"
        return rows

    edit_heads(folder, shift)
    reason, numbers = verdict(folder)
    assert "1 onsets lie left of the onset before, by up to 7.9 staff spaces" in reason
    assert numbers["backward"] == 1

    def swap_systems(rows):
        for row in rows:
            row[0] = str(3 - int(row[0]))
        return rows

    edit_heads(folder, swap_systems)
    assert "out of the systems' order" in verdict(folder)[0]


def test_heads_beside_the_ink_and_ink_everywhere(folder):
    edit_heads(folder, lambda rows: [[*r[:2], str(float(r[2]) + 16), *r[3:]] for r in rows])
    assert "only 0% of the note heads have ink" in verdict(folder)[0]
    edit_heads(folder, lambda rows: [[*r[:2], str(float(r[2]) - 16), *r[3:]] for r in rows])
    for name in ("system-001.png", "system-002.png"):
        image = cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE)
        image[100:108], image[170:178] = 0, 0
        cv2.imwrite(str(folder / name), image)
    assert "of the points beside the heads are dark, too" in verdict(folder)[0]


def test_too_many_staves_and_another_length(folder):
    about(folder, staves=[2, 7])
    assert "a system has 7 staves" in verdict(folder)[0]
    about(folder, staves=[2], duration_s=3.5)
    assert "0.50 s longer or shorter" in verdict(folder)[0]
    about(folder, duration_s=4.4)  # a staccato at the end
    assert verdict(folder)[0] is None


def test_what_the_window_does_not_show(folder, monkeypatch):
    for name in ("system-001.png", "system-002.png"):
        image = cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE)
        image = np.vstack([image, np.full((140, 200), 255, np.uint8)])
        cv2.ellipse(image, (180, 380), (4, 3), 0, 0, 360, 0, -1)
        cv2.imwrite(str(folder / name), image)
    text = (folder / "systems.csv").read_text().replace(",260,", ",400,")
    (folder / "systems.csv").write_text(text)
    reason, numbers = verdict(folder)
    assert reason is None and 0 < numbers["ink_lost"] < 0.03
    edit_heads(
        folder,
        lambda rows: [
            r if i not in (6, 7) else [r[0], "180", "380", *r[3:]] for i, r in enumerate(rows)
        ],
    )
    reason, numbers = verdict(folder)
    assert "1 onsets lie above or below the window of 160 px" in reason
    assert numbers["heads_hidden"] == 2
    # Few onsets may be hidden by the window; the strip is higher and must hold all.
    monkeypatch.setattr("sfpipe.cleaning.polyphony.HIDDEN_SHARE", 0.2)
    reason, numbers = verdict(folder)
    assert reason == "1 onsets lie above or below the strip of 200 px"
    assert numbers["onsets_beyond"] == 1
