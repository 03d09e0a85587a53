"""Files with random mistakes: each is read or refused with a reason, and neither takes long."""

import copy
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mido
import pytest

from sfpipe.engraving.piece import read_melody
from sfpipe.errors import SfpipeError
from sfpipe.params import EngraveParams
from tests.notation.midi import midi_file, note
from tests.notation.test_musicxml import ATTRIBUTES, TEMPO, document, notes

LIMIT_S = 2
TUNES = (
    "X:1\nT:reel\nM:C|\nL:1/8\nQ:1/2=90\nK:Ador\n"
    "|:eAAB cBAB|1 cdec d2cd:|2 cded cAA2||\n|:a2ab [M:3/4]^ged|(3efg d2 {c}B2:|[K:D]F4-|F4|]\n",
    "X:2\nT:parts\nP:(AB)2A\nM:6/8\nL:1/8\nm:~n2=no/n/n\nK:Bb clef=bass\n"
    "P:A\n|:B,2D ~F2B|[1,3z3 A,2>B,2:|[2 Z2:|]\nP:B\n!segno!D,3 E,3|!fine!F,6|G,6!D.S.!|]\n",
    "X:3\nT:old\nM:none\nK:D exp _b ^f\nV:1\n"
    "defg'|\\\nw: a-b c\n[I:MIDI program 1]a,,4//b//|c16::d16|]\n",
)
MEASURES = (
    '<barline location="left"><repeat direction="forward"/></barline>'
    + notes("C4", "F#4", "G4", "C5")
    + "<forward><duration>2</duration></forward>"
    + notes("C4"),
    '<barline location="left"><ending number="1" type="start"/></barline>'
    + notes("D4", "E4", "F4")
    + '<barline location="right"><ending number="1" type="stop"/><repeat direction="backward"/>'
    "</barline>",
    '<direction><sound segno="a" tempo="90"/></direction>'
    + notes("Bb4", "A4")
    + "<backup><duration>4</duration></backup>"
    + notes("D4", "D4"),
    "<attributes><transpose><chromatic>-2</chromatic></transpose>"
    "<clef><sign>F</sign><line>4</line></clef></attributes>" + notes("C4", "E4", "G4"),
)
TRACK = [
    mido.MetaMessage("set_tempo", tempo=400_000, time=0),
    mido.MetaMessage("time_signature", numerator=3, denominator=4, time=0),
    mido.MetaMessage("key_signature", key="Bb", time=0),
    *(m for i in range(12) for m in note(240 * i, 240 * i + 200, 60 + 5 * i % 12)),
    mido.MetaMessage("set_tempo", tempo=600_000, time=1440),
    mido.MetaMessage("time_signature", numerator=6, denominator=8, time=1440),
]


def edited(items: list, dice: random.Random) -> list:
    """Some items deleted, doubled, swapped, or inserted from elsewhere."""
    items = list(items)
    for _ in range(dice.choice((1, 1, 2, 4, 12)) if items else 0):
        i, j = dice.randrange(len(items)), dice.randrange(len(items))
        many = dice.choice((1, 1, 2, 5))
        match dice.randrange(4):
            case 0 if len(items) > many:
                del items[i : i + many]
            case 1:
                items[i:i] = items[i : i + many]
            case 2:
                items[i], items[j] = items[j], items[i]
            case _:
                items[i:i] = [dice.choice(items) for _ in range(many)]
    return items


def edited_abc(dice: random.Random) -> bytes:
    return "".join(edited(list(dice.choice(TUNES)), dice)).encode()


def edited_xml(dice: random.Random) -> bytes:
    """Elements in other places, and other numbers in them."""
    root = ElementTree.fromstring(document(ATTRIBUTES + TEMPO + MEASURES[0], *MEASURES[1:]))
    for _ in range(dice.choice((1, 2, 5))):
        element = dice.choice(list(root.iter()))
        if len(element):
            element[:] = [copy.deepcopy(e) for e in edited(list(element), dice)]
        elif element.text:
            element.text = "".join(edited([*element.text, *"123"], dice))[:2].strip()
        for name in element.attrib:
            element.set(name, "".join(edited(list(element.attrib[name]), dice)))
    return ElementTree.tostring(root)


def edited_midi(dice: random.Random) -> bytes:
    """Other messages, times and numbers; every second file has other bytes too."""
    content = midi_file(edited(TRACK, dice), ppq=dice.choice((1, 96, 480, 32767)))
    if dice.random() < 0.5:
        return content
    body = bytearray(content)
    for _ in range(dice.choice((1, 3))):
        body[dice.randrange(14, len(body))] = dice.randrange(256)
    return bytes(body)


KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "abc": edited_abc,
    "musicxml": edited_xml,
    "mid": edited_midi,
}


def _stop(*_: Any) -> None:
    raise TimeoutError(f"took more than {LIMIT_S} s")


def read_edited(suffix: str, count: int, seed: int, folder: Path) -> int:
    """How many of the edited files are read; the others are refused."""
    dice, read = random.Random(seed), 0
    before = signal.signal(signal.SIGALRM, _stop)
    try:
        for number in range(count):
            path = folder / f"{seed}-{number}.{suffix}"
            path.write_bytes(KINDS[suffix](dice))
            signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
            try:
                read_melody(path, None, EngraveParams())
                read += 1
            except SfpipeError as error:
                assert "TimeoutError" not in error.what, path.read_bytes()
                assert error.what and error.remedy, path.read_bytes()
            except Exception as error:
                error.add_note(repr(path.read_bytes()))
                raise
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    return read


@pytest.mark.parametrize("suffix", KINDS)
def test_random_edits_are_read_or_refused(suffix, tmp_path):
    read = read_edited(suffix, 100, 1, tmp_path)
    assert 10 <= read <= 95, "the edits shall be neither without effect nor mere noise"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
@pytest.mark.parametrize("suffix", KINDS)
def test_many_random_edits_are_read_or_refused(suffix, seed, tmp_path):
    assert read_edited(suffix, 1000, seed, tmp_path)


def test_macros_that_call_for_gigabytes_are_refused(tmp_path):
    """Each makes the line a thousand times longer than the one before."""
    macros = "".join(f"m:{a}={b * 1000}\n" for a, b in zip("hij", "ijA", strict=True))
    path = tmp_path / "bomb.abc"
    path.write_text(f"X:1\nT:t\nM:4/4\nL:1/8\n{macros}K:C\nh|]\n")
    with pytest.raises(SfpipeError, match="macros make more than 200,000 characters"):
        read_melody(path, None, EngraveParams())


@pytest.mark.parametrize("metre", [(0, 4), (4, 1 << 20), (255, 4)])
def test_metres_whose_bars_take_no_time_are_refused(metre, tmp_path):
    numerator, denominator = metre
    sign = mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator, time=0)
    path = tmp_path / "metre.mid"
    path.write_bytes(midi_file([sign, *note(0, 48_000, 60)]))
    with pytest.raises(SfpipeError, match="has a metre of"):
        read_melody(path, None, EngraveParams())
    xml = tmp_path / "metre.musicxml"
    time = f"<time><beats>{numerator}</beats><beat-type>{denominator}</beat-type></time>"
    xml.write_bytes(
        document(f"<attributes><divisions>1</divisions>{time}</attributes>{notes('C4')}")
    )
    with pytest.raises(SfpipeError, match="has a metre of"):
        read_melody(xml, None, EngraveParams())
