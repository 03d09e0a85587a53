#!/bin/bash
# muspy 0.5.0: a cue note of a MusicXML file is left out together with its time.
#
# Guess beforehand: a cue note is silent or it sounds; what follows it in the bar stays in its place.
# Seen: cue half note D, then half note E: E begins at 0, and not at 4 (divisions, two a quarter).
# All later bars are early by as much: F, in the next bar, begins at 4 and not at 8. A rest in the
# cue's place takes its time.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet muspy==0.5.0
bar() {
cat <<XML
<?xml version="1.0"?>
<score-partwise version="4.0"><part-list><score-part id="P1"><part-name>x</part-name></score-part></part-list>
<part id="P1"><measure number="1"><attributes><divisions>2</divisions><time><beats>4</beats><beat-type>4</beat-type></time>
<clef><sign>G</sign><line>2</line></clef></attributes>
<note>$1<duration>4</duration><type>half</type></note>
<note><pitch><step>E</step><octave>5</octave></pitch><duration>4</duration><type>half</type></note></measure>
<measure number="2"><note><pitch><step>F</step><octave>5</octave></pitch><duration>8</duration><type>whole</type></note></measure>
</part></score-partwise>
XML
}
bar '<cue/><pitch><step>D</step><octave>5</octave></pitch>' > cue.musicxml
bar '<rest/>' > rest.musicxml
env/bin/python - <<'PY'
import muspy

seen = {}
for name in ("cue", "rest"):
    notes = muspy.read_musicxml(f"{name}.musicxml").tracks[0].notes
    seen[name] = [(note.pitch, note.time) for note in notes]
    print(f"{name}: pitch and time {seen[name]}")
assert seen == {"cue": [(76, 0), (77, 4)], "rest": [(76, 4), (77, 8)]}, "changed"
PY
