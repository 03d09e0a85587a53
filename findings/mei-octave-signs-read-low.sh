#!/bin/bash
# music21 10.5.1, partitura 1.9.0: notes under an octave sign (8va) of an MEI file are an octave low.
#
# Guess beforehand: Verovio's MEI of a MusicXML file sounds as the file does in every reader.
# Seen: Verovio 6.4.1 writes the printed octave (oct) and beside it the sounding one (oct.ges), as MEI
# says. music21 and partitura read oct alone, and pass over <octave>: C6 D6 become C5 D5. The same
# file in MusicXML, whose pitches are those that sound, is right in both.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet verovio==6.4.1 music21==10.5.1 partitura==1.9.0
cat > 8va.musicxml <<'XML'
<?xml version="1.0"?>
<score-partwise version="4.0"><part-list><score-part id="P1"><part-name>x</part-name></score-part></part-list>
<part id="P1"><measure number="1"><attributes><divisions>2</divisions><time><beats>4</beats><beat-type>4</beat-type></time>
<clef><sign>G</sign><line>2</line></clef></attributes>
<direction><direction-type><octave-shift type="down" size="8"/></direction-type></direction>
<note><pitch><step>C</step><octave>6</octave></pitch><duration>4</duration><type>half</type></note>
<note><pitch><step>D</step><octave>6</octave></pitch><duration>4</duration><type>half</type></note>
<direction><direction-type><octave-shift type="stop" size="8"/></direction-type></direction></measure>
<measure number="2"><note><pitch><step>E</step><octave>5</octave></pitch><duration>8</duration><type>whole</type></note></measure>
</part></score-partwise>
XML
env/bin/python - <<'PY'
import re
import sys

sys.modules["fluidsynth"] = None  # else partitura fetches a sound font when it is imported
import partitura
import verovio
from music21 import converter

toolkit = verovio.toolkit()
toolkit.loadFile("8va.musicxml")
mei = toolkit.getMEI()
with open("8va.mei", "w") as file:
    file.write(mei)
print(re.findall(r'oct="\d"|oct\.ges="\d"', mei))


def by_music21(name, kind):
    notes = converter.parse(name, format=kind).toSoundingPitch().flatten().notes
    return [pitch.midi for note in notes for pitch in note.pitches]


def by_partitura(read, name):
    return [int(pitch) for pitch in read(name)[0].note_array()["pitch"]]


seen = {
    "music21, MusicXML": by_music21("8va.musicxml", "musicxml"),
    "music21, MEI": by_music21("8va.mei", "mei"),
    "partitura, MusicXML": by_partitura(partitura.load_musicxml, "8va.musicxml"),
    "partitura, MEI": by_partitura(partitura.load_mei, "8va.mei"),
}
for name, pitches in seen.items():
    print(f"{name}: {pitches}")
    assert pitches == ([72, 74, 76] if "MEI" in name else [84, 86, 76]), "changed"
PY
