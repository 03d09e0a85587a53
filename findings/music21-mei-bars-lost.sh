#!/bin/bash
# music21 10.5.1, MEI: bars of first and second endings are left out; bars that are signs take no time.
#
# Guess beforehand: music21 has all printed bars, in order; repeats may be left to its expandRepeats.
# Seen: of C | 1. D :| 2. E | F only C and F are left, F at 4. After a rest of three bars, a sign that
# repeats the bar, or a tremolo, the next note follows at once. No exception, no warning.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet music21==10.5.1
env/bin/python - <<'PY'
from music21 import converter

DOCUMENT = """<?xml version="1.0"?>
<mei xmlns="http://www.music-encoding.org/ns/mei" meiversion="5.0"><meiHead><fileDesc><titleStmt>
<title>x</title></titleStmt><pubStmt/></fileDesc></meiHead><music><body><mdiv><score>
<scoreDef meter.count="4" meter.unit="4"><staffGrp><staffDef n="1" lines="5" clef.shape="G"
clef.line="2"/></staffGrp></scoreDef><section>{}</section></score></mdiv></body></music></mei>"""


def bar(number, layer, attributes=""):
    staff = f'<staff n="1"><layer n="1">{layer}</layer></staff>'
    return f'<measure n="{number}" {attributes}>{staff}</measure>'


def whole(name):
    return f'<note pname="{name}" oct="5" dur="1"/>'


first = '<ending n="1">' + bar(2, whole("d"), 'right="rptend"') + "</ending>"
second = '<ending n="2">' + bar(3, whole("e")) + "</ending>"
cases = {  # name: (bars, what music21 has, where the last note is printed)
    "endings": (
        bar(1, whole("c"), 'left="rptstart"') + first + second + bar(4, whole("f")),
        [("C5", 0.0), ("F5", 4.0)],
        12,
    ),
    "rest of three bars": (
        bar(1, '<multiRest num="3"/>') + bar(4, whole("d")),
        [("D5", 0.0)],
        12,
    ),
    "repeated bar": (
        bar(1, whole("c")) + bar(2, "<mRpt/>") + bar(3, whole("e")),
        [("C5", 0.0), ("E5", 4.0)],
        8,
    ),
    "tremolo": (
        bar(1, '<bTrem unitdur="8"><note pname="c" oct="5" dur="2"/></bTrem><note pname="d" oct="5" dur="2"/>'),
        [("D5", 0.0)],
        2,
    ),
}
for name, (bars, has, printed) in cases.items():
    score = converter.parseData(DOCUMENT.format(bars), format="mei")
    notes = [(note.nameWithOctave, float(note.offset)) for note in score.flatten().notes]
    print(f"{name}: {notes}; the last is printed at {printed}")
    assert notes == has, "changed"
PY
