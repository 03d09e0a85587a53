"""An independent reading of ABC: Debian's abc2midi, and how it differs from ours by reason.

    python -m tests.notation.abc2midi [COLLECTION ...]     prints the table of docs/tunes.md

Compared are the pitches and onsets (in quarters) of all struck notes. Grace notes, ornaments,
fermatas and chord symbols are left out of both, and the swing that abc2midi gives hornpipes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import mido

from sfpipe.datasets.corpus import corpus_folder
from sfpipe.errors import SfpipeError
from sfpipe.notation.abc import read_abc
from sfpipe.notation.abc_text import decode, header, split_tunes
from sfpipe.notation.playback import unfold

COLLECTIONS = {"ryan": "ryansMammoth", "oneill": "oneills1850", "aird": "airdsAirs"}
SAME = 0.03  # quarters
Notes = list[tuple[float, int]]


def tunes(collection: str) -> Iterator[tuple[str, str]]:
    """(name, text) of every tune of a collection; of Nottingham's from the mirror."""
    if collection in COLLECTIONS:
        paths = sorted(corpus_folder(COLLECTIONS[collection]).glob("*.abc"))
        books = {path.stem: path.read_bytes() for path in paths}
    else:
        mirror = Path(os.environ["SFPIPE_MIRROR"])
        with tarfile.open(mirror / "nottingham-dataset-0992bb6.tar.gz") as archive:
            members = [m for m in archive if m.name.endswith(".abc")]
            books = {Path(m.name).stem: archive.extractfile(m).read() for m in members}
    for book, content in books.items():
        for tune in split_tunes(decode(content)):
            yield f"{book} {header(tune).get('X', '').strip()}", tune


def ours(tune: str) -> Notes:
    """Struck notes as we read them."""
    struck, tied = [], {}
    at = Fraction(0)
    for bar in unfold(read_abc(tune)).bars:
        for event in bar.events:
            if event.grace or not event.notes:
                continue
            quarter = at + event.start
            starts = {}
            for note in event.notes:
                if tied.pop(note.midi, None) != quarter:
                    struck.append((float(quarter), note.midi))
                if note.tie:
                    starts[note.midi] = quarter + event.quarters
            tied |= starts
        at += bar.length
    return _clustered(struck)


def theirs(tune: str, folder: Path) -> Notes | None:
    """Struck notes as abc2midi reads them; None if it writes no file."""
    text = re.sub(r"(?m)^R:.*\n", "", re.sub(r"(?m)^X:.*", "X:1", tune, count=1))
    source, out = folder / "tune.abc", folder / "tune.mid"
    source.write_text("\n".join(_plain(line) for line in text.split("\n")))
    out.unlink(missing_ok=True)
    options = ["1", "-o", str(out), "-NGRA", "-NFER", "-NGUI"]
    subprocess.run(["abc2midi", str(source), *options], capture_output=True, check=False)
    if not out.exists():
        return None
    midi = mido.MidiFile(out)
    struck = []
    for track in midi.tracks:
        tick = 0
        for event in track:
            tick += event.time
            if event.type == "note_on" and event.velocity and event.channel != 9:
                struck.append((tick / midi.ticks_per_beat, event.note))
    return _clustered(struck)


def _plain(line: str) -> str:
    """A line of music without text, ornaments and marks."""
    if re.match(r"[A-Za-z]:(?![|:])|%", line):
        return line
    line = re.sub(r'"[^"]*"', "", line)
    line = re.sub(r"!(?!D\.|fine|segno|coda|da)[^!|]*!", "", line)
    sign = r"\[[A-Za-z]:[^\]]*\]|[~TPMJRHLSOuvk]|(?<![.|\]\[:])\.(?=[A-Ga-g^_=\[(])"
    return re.sub(sign, lambda m: m[0] if m[0][0] == "[" else "", line)


def _clustered(struck: Notes) -> Notes:
    """Notes by onset and pitch; abc2midi strikes the notes of some chords ticks apart."""
    found: Notes = []
    first = 0.0
    for at, pitch in sorted(struck):
        if not found or at - first > 0.07:
            first = at
        found.append((first, pitch))
    return sorted(found)


def equal(a: Notes, b: Notes) -> bool:
    """Whether all pitches and onsets are the same."""
    return len(a) == len(b) and all(
        p == q and abs(s - t) < SAME for (s, p), (t, q) in zip(a, b, strict=True)
    )


def without_repeats(tune: str) -> str:
    """The tune with plain bar lines: what is compared where the order of the bars differs."""
    lines = []
    for line in tune.split("\n"):
        if not re.match(r"[A-Za-z]:(?![|:])|%", line):
            line = re.sub(r'"[^"]*"', "", line)
            line = re.sub(
                r"[|:\[\]]*(?:\||::)(?:[|:\]]|\[(?![A-Za-z^_=(]))*(\d+(?:[,-]\d+)*)?", "|", line
            )
            line = re.sub(r"\[\d[\d,-]*|(?<!\S)\d+(?=\s|[A-Ga-g(])|:|![^!]*!", "", line)
        elif line.startswith("P:"):
            continue
        lines.append(line)
    return "\n".join(lines)


def compare(tune: str, folder: Path) -> str:
    """ "equal", or the reason why not."""
    try:
        mine = ours(tune)
    except SfpipeError as error:
        return f"refused: {re.sub(r'^bar [0-9]+: ', '', error.what)}"
    other = theirs(tune, folder)
    if other is None:
        return "abc2midi writes nothing"
    if equal(mine, other):
        return "equal"
    try:
        bare = without_repeats(tune)
        same = equal(ours(bare), theirs(bare, folder) or [])
    except SfpipeError:
        same = False
    return _order(tune) if same else _notes(tune)


def _order(tune: str) -> str:
    """Why the order of the bars differs: all notes are the same."""
    text = re.sub(r'"[^"]*"', "", tune)
    if re.search(r"D\.C|D\.S|fine|coda", text, re.IGNORECASE):
        return "order: D.C. or D.S., which abc2midi does not follow"
    if re.search(r"(\[|\|)2[^|]*(\|[^|:\]]*)*:\|", text):
        return "order: a last ending closed by :|, which abc2midi repeats once more"
    if re.search(r"\|\]|\[\||\|\||(?m:^P:)", text):
        return "order: a section without |: after a double bar line or part"
    return "order: a section without |:"


def _notes(tune: str) -> str:
    text = re.sub(r'"[^"]*"', "", tune)
    if re.search(r"[A-Ga-g][,']*[\d/]+[<>]|[<>][.uv(]*[\^_=]*[A-Ga-g][,']*[\d/]+", text):
        return "notes: broken rhythm between unequal lengths, which the standard leaves open"
    if re.search(r"(?m)^M: *3/[24]", text) and re.search(r"\([579](?!:)", text):
        return "notes: (5, (7 or (9 in 3/4, which abc2midi takes for a compound metre"
    if re.search(r"[<>][^|\s]{1,3}[<>]|\s[<>]", text):
        return "notes: chains of broken rhythm, or a space before its sign"
    if re.search(r"\{[^}]*[\^_=]", text):
        return "notes: an accidental of a grace note, which we let hold"
    return "notes: other"


def table(collection: str) -> Counter[str]:
    """How many tunes are equal or differ for each reason."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for name, tune in tunes(collection):
            reason = compare(tune, Path(folder))
            found[reason] += 1
            if reason != "equal" and os.environ.get("NAMES"):
                print(f"{collection} {name}: {reason}", file=sys.stderr)
    return found


if __name__ == "__main__":
    for asked in sys.argv[1:] or [*COLLECTIONS, "nottingham"]:
        result = table(asked)
        print(asked, result.total())
        for why, number in result.most_common():
            print(f"  {number:5d}  {why}")
