#!/bin/bash
# python-ly 0.9.10: in its MusicXML of LilyPond, scaled lengths last 0 and a pickup has no bar of its own.
#
# Guess beforehand: it says what it cannot read (so it does of \transpose and \fixed), and what it
# reads without a word has the right length and bar.
# Seen: c'4*2/3 lasts 0 divisions, since only tuplets count for them; \tuplet 3/2 { c'4 } is right.
# \partial 4 g'4 | c''1 | d''1 has two bars, of 5 and 4 quarters. No warning of either.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet python-ly==0.9.10
cat > seen.py <<'PY'
import io
import xml.etree.ElementTree as ElementTree

import ly.musicxml


def bars(source):
    writer = ly.musicxml.writer()
    writer.parse_text(source)
    written = io.BytesIO()
    writer.musicxml().write(written)
    score = ElementTree.fromstring(written.getvalue())
    per_quarter = int(score.find(".//divisions").text)
    return [
        [round(int(note.findtext("duration")) / per_quarter, 3) for note in bar.iter("note")]
        for bar in score.iter("measure")
    ]


expected = {
    r"{ c'4*2/3 d'4*2/3 e'4*2/3 }": [[0.0, 0.0, 0.0]],
    r"{ \tuplet 3/2 { c'4 d'4 e'4 } }": [[0.667, 0.667, 0.667]],
    r"{ \partial 4 g'4 | c''1 | d''1 }": [[1.0, 4.0], [4.0]],
}
for source, right in expected.items():
    seen = bars(source)
    print(source, "in quarters, by bars:", seen)
    assert seen == right, "changed"
PY
env/bin/python seen.py 2>&1 | tee printed
if grep -qi warning printed; then echo "changed: it warns"; exit 1; fi
