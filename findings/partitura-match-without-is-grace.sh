#!/bin/bash
# partitura 1.9.0, parangonar 3.4.0: a score read from a match file has no field is_grace.
#
# Guess beforehand: the note array of a score part tells grace notes, so any matcher takes it.
# Seen: Part.note_array() has no is_grace unless include_grace_notes=True is asked for, and
# parangonar's DualDTWNoteMatcher then ends with "no field of name is_grace". With
# include_grace_notes=True it matches both notes.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet partitura==1.9.0 parangonar==3.4.0 tqdm
cat > take.match <<'MATCH'
info(matchFileVersion,1.0.0).
info(piece,test).
info(scoreFileName,test.musicxml).
info(midiFileName,test.mid).
info(composer,none).
info(performer,none).
info(midiClockUnits,480).
info(midiClockRate,500000).
scoreprop(keySignature,C,1:1,0,0.0000).
scoreprop(timeSignature,4/4,1:1,0,0.0000).
snote(n1,[C,n],4,1:1,0,1/4,0.0000,1.0000,[v1,staff1])-note(n0,60,0,400,64,0,0).
snote(n2,[D,n],4,1:2,0,1/4,1.0000,2.0000,[v1,staff1])-note(n1,62,480,900,64,0,0).
MATCH
env/bin/python - <<'PY'
import sys

sys.modules["fluidsynth"] = None  # else partitura fetches a sound font when it is imported
import partitura
from parangonar import DualDTWNoteMatcher

performance, alignment, score = partitura.load_match("take.match", create_score=True)
plain = score[0].note_array()
full = score[0].note_array(include_grace_notes=True)
played = performance.note_array()
print("fields without:", "is_grace" in plain.dtype.names, " with:", "is_grace" in full.dtype.names)
assert "is_grace" not in plain.dtype.names and "is_grace" in full.dtype.names
try:
    DualDTWNoteMatcher()(plain, played)
except ValueError as error:
    print("without:", error)
    assert "is_grace" in str(error)
else:
    raise SystemExit("changed: it no longer fails")
found = DualDTWNoteMatcher()(full, played)
print("with:", [row["label"] for row in found])
assert [row["label"] for row in found] == ["match", "match"]
PY
