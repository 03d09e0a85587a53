#!/bin/bash
# pymatchmaker 0.3.0: what `tempo` counts depends on the method and on the metre.
#
# Guess beforehand: "Initial tempo in BPM" are quarters a minute, as in <sound tempo>, whatever the
# metre.
# Seen: 48 eighths, told 60. The reference of `arzt` lasts 24 s whether the score says 3/4 or 6/8:
# quarters. `skf` expects 24 s in 3/4, but 48 s in 6/8: it counts beats of the metre, there eighths, and
# must be told 120. (On a real excerpt in 6/8, told the quarters, it was soon lost; told twice as many it
# followed.)
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet pymatchmaker==0.3.0
# Its import fetches a sound font by FTP unless one lies here; `skf` plays nothing.
assets=$(env/bin/python -c "import importlib.util as u, pathlib as p; print(p.Path(u.find_spec('partitura').origin).parent / 'assets')")
mkdir -p "$assets"
ln -sf "${SOUNDFONT:-/usr/share/sounds/sf2/TimGM6mb.sf2}" "$assets/MuseScore_General.sf3"
cat > look.py <<'PY'
import numpy as np
import soundfile
from matchmaker import Matchmaker

NOTES = 48
soundfile.write("take.wav", np.zeros(22050), 22050)


def score(beats, unit):
    bars = ""
    for bar in range(NOTES // 6):
        bars += f'<measure number="{bar + 1}">'
        if not bar:
            bars += "<attributes><divisions>2</divisions><key><fifths>0</fifths></key><time>"
            bars += f"<beats>{beats}</beats><beat-type>{unit}</beat-type></time>"
            bars += "<clef><sign>G</sign><line>2</line></clef></attributes>"
        for step in "CEGBDF":
            bars += f"<note><pitch><step>{step}</step><octave>4</octave></pitch>"
            bars += "<duration>1</duration><type>eighth</type></note>"
        bars += "</measure>"
    path = f"score-{beats}-{unit}.musicxml"
    with open(path, "w") as file:
        file.write('<score-partwise version="3.1"><part-list><score-part id="P1"><part-name>x')
        file.write(f'</part-name></score-part></part-list><part id="P1">{bars}</part>')
        file.write("</score-partwise>")
    return path


def made(metre, method):
    return Matchmaker(
        score_file=score(*metre), performance_file="take.wav", input_type="audio",
        method=method, tempo=60, unfold_score=False,
    )


lasts = {}
for metre in ((3, 4), (6, 8)):
    skf, arzt = made(metre, "skf").score_follower, made(metre, "arzt")
    lasts[metre, "skf"] = float(np.sum(skf.lengths) * skf.init_tempo)
    lasts[metre, "arzt"] = len(arzt.reference_features) / arzt.frame_rate
    for method in ("arzt", "skf"):
        print(f"{metre[0]}/{metre[1]}, {method}, told 60: {lasts[metre, method]:.0f} s")
assert lasts[(3, 4), "skf"] == 24 and lasts[(6, 8), "skf"] == 48
assert abs(lasts[(6, 8), "arzt"] - lasts[(3, 4), "arzt"]) < 1
PY
env/bin/python look.py 2> errors.txt || { tail -3 errors.txt; exit 1; }
