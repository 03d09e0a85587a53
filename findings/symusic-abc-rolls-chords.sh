#!/bin/bash
# symusic 0.6.0: a chord of an ABC tune is rolled; its notes begin 10 ticks after one another.
#
# Guess beforehand: the notes of [CEG] begin together, as printed, at 480 ticks a quarter, at tick 0.
# Seen: 1, 11 and 21. So one printed onset becomes three, 10 ms apart at 120 quarters a minute and
# more where it is slower. symusic reads ABC by abc2midi's code, which rolls chords "to avoid the heavy
# attack" (so does abc2midi 4.84, Debian 12). %%MIDI chordattack 0 in the tune makes them 1, 1, 1.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet symusic==0.6.0
printf '%s\n' X:1 T:chord M:4/4 L:1/4 Q:1/4=120 K:C '[CEG]4|' > rolled.abc
printf '%s\n' X:1 T:chord M:4/4 L:1/4 Q:1/4=120 '%%MIDI chordattack 0' K:C '[CEG]4|' > together.abc
env/bin/python - <<'PY'
from symusic import Score

onsets = {}
for name in ("rolled", "together"):
    score = Score(f"{name}.abc")
    onsets[name] = sorted(note.time for track in score.tracks for note in track.notes)
    print(f"{name}: {onsets[name]} of {score.ticks_per_quarter} ticks a quarter")
assert onsets == {"rolled": [1, 11, 21], "together": [1, 1, 1]}, "changed"
PY
