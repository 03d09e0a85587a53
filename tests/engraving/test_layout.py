import pytest

from sfpipe.engraving.layout import STAFF_SPACE, check_heads, engrave
from sfpipe.engraving.piece import read_melody
from sfpipe.errors import SfpipeError
from sfpipe.params import EngraveParams
from tests.tunes import CHORDS, RICH


def engraved(tmp_path, text, **params):
    path = tmp_path / "tune.abc"
    path.write_text(text)
    melody = read_melody(path, None, EngraveParams(**params))
    return melody, engrave(melody.score, EngraveParams(**params))


@pytest.mark.parametrize("text", [RICH, CHORDS])
def test_every_head_has_a_place_in_reading_order(tmp_path, text):
    melody, layout = engraved(tmp_path, text)
    places: dict[int, set[float]] = {}
    for head in melody.heads:
        places.setdefault(head.onset, set()).add(round(layout.heads[head.id][0]))
    order = [min(places[onset]) for onset in sorted(places)]
    assert order == sorted(order) and len(set(order)) == len(order)


def test_no_text_is_drawn(tmp_path):
    text = (
        'X:1\nT:Title\nC:Author\nM:2/4\nL:1/8\nQ:"Fast" 1/4=120\nK:C\n"Am"C4|"^dolce"D4|\nw:la la\n'
    )
    _, layout = engraved(tmp_path, text)
    drawn = layout.svg.split("</defs>")[1]
    assert "<text" not in drawn


def test_a_signature_is_not_drawn_again_when_a_repeat_is_unfolded(tmp_path):
    _, layout = engraved(tmp_path, RICH)
    assert layout.svg.count('class="meterSig"') == 1
    assert layout.svg.count('class="clef"') == 1


def test_spacing_options_reach_the_engine(tmp_path):
    narrow = engraved(tmp_path, RICH, spacing_linear=0.15)[1]
    wide = engraved(tmp_path, RICH, spacing_linear=0.4)[1]
    assert wide.width > 1.2 * narrow.width


def test_an_image_and_a_score_that_disagree_are_noticed(tmp_path):
    melody, layout = engraved(tmp_path, RICH)
    note = melody.heads[5].id
    place = layout.heads.pop(note)  # the table, not the picture
    with pytest.raises(SfpipeError, match=r"1 of \d+ notes have no head"):
        check_heads(melody.score, layout)
    layout.heads[note] = (place[0], place[1] + STAFF_SPACE / 2)
    with pytest.raises(SfpipeError, match=r"1 of \d+ heads are drawn for another pitch"):
        check_heads(melody.score, layout)
