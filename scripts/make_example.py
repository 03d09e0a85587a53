"""The example of `sfpipe serve`: a minuet as MusicXML, and a performance of it.

The minuet in G of Anna Magdalena Bach's notebook (Christian Petzold, before 1725) is in the public
domain; the engraving and the performance are made here. It needs FluidSynth, the sound font FluidR3
and an ffmpeg, and writes into sfpipe/live/example.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

import numpy as np
import soundfile

from sfpipe.audio.decoding import find_ffmpeg
from sfpipe.audio.midi import Midi, MidiNote
from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.store.schema import SAMPLE_RATE

OUT = Path(__file__).parents[1] / "sfpipe/live/example"
# Bars of eighths: pitch and length in eighths. Sharps of the key are written out.
RIGHT = """
D5:2 G4 A4 B4 C5|D5:2 G4:2 G4:2|E5:2 C5 D5 E5 F#5|G5:2 G4:2 G4:2
C5:2 D5 C5 B4 A4|B4:2 C5 B4 A4 G4|F#4:2 G4 A4 B4 G4|A4:6
D5:2 G4 A4 B4 C5|D5:2 G4:2 G4:2|E5:2 C5 D5 E5 F#5|G5:2 G4:2 G4:2
C5:2 D5 C5 B4 A4|B4:2 C5 B4 A4 G4|A4:2 B4 A4 G4 F#4|G4:6
B5:2 G5 A5 B5 G5|A5:2 D5 E5 F#5 D5|G5:2 E5 F#5 G5 D5|C#5:2 B4 C#5 A4:2
A4 B4 C#5 D5 E5 F#5|G5:2 F#5:2 E5:2|F#5:2 A4:2 C#5:2|D5:6
D5:2 G4 F#4 G4:2|E5:2 G4 F#4 G4:2|D5:2 C5:2 B4:2|A4 G4 F#4 G4 A4:2
D4 E4 F#4 G4 A4 B4|C5:2 B4:2 A4:2|B4 D5 G4:2 F#4:2|G4:6
"""
LEFT = """
G3:4 A3:2|B3:6|C4:6|B3:6
A3:6|G3:6|D4:2 B3:2 G3:2|D4:2 D3 C4 B3 A3
B3:4 A3:2|G3:2 B3:2 G3:2|C4:6|B3:2 C4 B3 A3 G3
A3:4 F#3:2|G3:4 B3:2|C4:2 D4:2 D3:2|G3:4 G2:2
G3:6|F#3:6|E3:2 G3:2 E3:2|A3:4 A2:2
A3:6|B3:2 D4:2 C#4:2|D4:2 F#3:2 A3:2|D4:2 D3:2 C4:2
B3:4 B3:2|C4:4 C4:2|B3:2 A3:2 G3:2|D4:4 D3:2
D3:4 F#3:2|E3:2 G3:2 F#3:2|G3:2 B2:2 D3:2|G3:2 D3:2 G2:2
"""
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
TYPES = {1: ("eighth", False), 2: ("quarter", False), 4: ("half", False), 6: ("half", True)}
PER_MINUTE = 112.0  # quarters


def parse(text: str) -> list[list[tuple[str, int]]]:
    """Bars of (pitch, eighths)."""
    bars = "|".join(text.split("\n")).strip("|").split("|")
    notes = [[note.split(":") for note in bar.split()] for bar in bars]
    parsed = [[(note[0], int(note[1]) if len(note) > 1 else 1) for note in bar] for bar in notes]
    assert len(parsed) == 32 and all(sum(n for _, n in bar) == 6 for bar in parsed)
    return parsed


def musicxml(hands: list[list[list[tuple[str, int]]]]) -> bytes:
    """A part with two staves; bars of each hand one after the other."""
    root = ET.Element("score-partwise", version="4.0")
    ET.SubElement(ET.SubElement(root, "work"), "work-title").text = "Minuet in G"
    who = ET.SubElement(ET.SubElement(root, "identification"), "creator", type="composer")
    who.text = "Christian Petzold"
    part_list = ET.SubElement(ET.SubElement(root, "part-list"), "score-part", id="P1")
    ET.SubElement(part_list, "part-name").text = "Piano"
    part = ET.SubElement(root, "part", id="P1")
    for number in range(32):
        bar = ET.SubElement(part, "measure", number=str(number + 1))
        if number == 0:
            _attributes(bar)
        for hand, bars in enumerate(hands, start=1):
            if hand == 2:
                ET.SubElement(ET.SubElement(bar, "backup"), "duration").text = "6"
            _notes(bar, hand, bars[number])
        if number in (15, 31):
            line = ET.SubElement(bar, "barline", location="right")
            ET.SubElement(line, "bar-style").text = "light-heavy" if number == 31 else "light-light"
    ET.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root) + b"\n"


def _attributes(bar: ET.Element) -> None:
    attributes = ET.SubElement(bar, "attributes")
    ET.SubElement(attributes, "divisions").text = "2"
    ET.SubElement(ET.SubElement(attributes, "key"), "fifths").text = "1"
    time = ET.SubElement(attributes, "time")
    ET.SubElement(time, "beats").text = "3"
    ET.SubElement(time, "beat-type").text = "4"
    ET.SubElement(attributes, "staves").text = "2"
    for number, (sign, line) in enumerate((("G", "2"), ("F", "4")), start=1):
        clef = ET.SubElement(attributes, "clef", number=str(number))
        ET.SubElement(clef, "sign").text = sign
        ET.SubElement(clef, "line").text = line
    ET.SubElement(bar, "sound", tempo=str(PER_MINUTE))


def _notes(bar: ET.Element, hand: int, notes: list[tuple[str, int]]) -> None:
    at = 0
    beams = _beams(notes)
    for (name, length), beam in zip(notes, beams, strict=True):
        note = ET.SubElement(bar, "note")
        pitch = ET.SubElement(note, "pitch")
        ET.SubElement(pitch, "step").text = name[0]
        if "#" in name:
            ET.SubElement(pitch, "alter").text = "1"
        ET.SubElement(pitch, "octave").text = name[-1]
        ET.SubElement(note, "duration").text = str(length)
        ET.SubElement(note, "voice").text = str(hand)
        kind, dotted = TYPES[length]
        ET.SubElement(note, "type").text = kind
        if dotted:
            ET.SubElement(note, "dot")
        if name[:2] == "C#":
            ET.SubElement(note, "accidental").text = "sharp"
        ET.SubElement(note, "staff").text = str(hand)
        if beam:
            ET.SubElement(note, "beam", number="1").text = beam
        at += length


def _beams(notes: list[tuple[str, int]]) -> list[str]:
    """Eighths that follow one another share a beam."""
    short = [length == 1 for _, length in notes]
    beams = []
    for i, one in enumerate(short):
        before, after = i > 0 and short[i - 1], i + 1 < len(short) and short[i + 1]
        words = {(False, True): "begin", (True, True): "continue", (True, False): "end"}
        beams.append(words.get((before, after), "") if one else "")
    return beams


def performance(hands: list[list[list[tuple[str, int]]]]) -> Midi:
    """Played with a breath at the end of each phrase, and louder at the beginning of bars."""
    rng = np.random.default_rng(1725)
    eighth = 30 / PER_MINUTE
    bars = np.arange(33)
    # Slower towards the end of eight bars, most of all at the last.
    factor = 1 + 0.10 * (bars % 8 == 7) + 0.04 * (bars % 8 == 6) + 0.12 * (bars == 31)
    begins = 0.6 + np.concatenate([[0], np.cumsum(6 * eighth * factor)])
    notes = []
    for hand, played in enumerate(hands):
        for number, bar in enumerate(played):
            at = 0
            for name, length in bar:
                pitch = 12 * (int(name[-1]) + 1) + STEPS[name[0]] + ("#" in name)
                start = begins[number] + at * eighth * factor[number] + rng.normal(0, 0.008)
                end = start + 0.93 * length * eighth * factor[number]
                loud = (78, 60)[hand] + 8 * (at == 0) + int(rng.integers(-5, 6))
                notes.append(MidiNote(max(start, 0.0), end, 0, pitch, loud))
                at += length
    return Midi(sorted(notes, key=lambda note: note.start_s))


def main() -> None:
    """Write both files."""
    hands = [parse(RIGHT), parse(LEFT)]
    OUT.mkdir(exist_ok=True)
    (OUT / "minuet.musicxml").write_bytes(musicxml(hands))
    samples = synthesize_midi(performance(hands), resolve_soundfont("FluidR3_GM").path)
    with TemporaryDirectory() as folder:
        wav = Path(folder) / "minuet.wav"
        soundfile.write(wav, samples, SAMPLE_RATE)
        command = [find_ffmpeg(), "-v", "error", "-y", "-i", str(wav), "-b:a", "48k"]
        subprocess.run([*command, "-bitexact", str(OUT / "minuet.mp3")], check=True)


if __name__ == "__main__":
    main()
