"""Small tunes for the tests of download, engrave, clean and scores."""

import hashlib
from pathlib import Path

from sfpipe.datasets.index import Index, Piece, write_index

# An upbeat, a repeat with two endings, a tie over the bar line, a triplet, a grace note.
RICH = """X:1
T:A Rich Tune
M:4/4
L:1/8
K:G
D2|G2 (3ABc d2 B2|{e}d4 c2 A2-|A2 F2 D4|1 G6:|2 G4 z2|]
"""
PLAIN = """X:2
T:Plain Scale
M:2/4
L:1/8
K:C
CDEF|GABc|cBAG|FEDC|C2E2|G2c2|c2G2|E2C2|]
"""
WALTZ = """X:3
T:Little Waltz
M:3/4
L:1/4
Q:1/4=90
K:F
FAc|f2c|dBG|A3|FAc|e2d|cGE|F3|]
"""
CHORDS = """X:4
T:Drone
M:2/4
L:1/8
K:D
[DA]F [DA]F|[Fd]A [Fd]A|d2 [Af]2|[DAd]4|ABcd|efga|fdec|[Fd]4|]
"""
TUNES = {"rich": RICH, "plain": PLAIN, "waltz": WALTZ, "chords": CHORDS}


def write_raw(folder: Path, tunes: dict[str, str]) -> Path:
    """A raw data set of ABC tunes, as `download` leaves it."""
    folder.mkdir(parents=True)
    splits = ("train", "valid", "test")
    pieces = []
    for i, (name, text) in enumerate(tunes.items()):
        (folder / f"{name}.abc").write_text(text, "utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        pieces.append(Piece(name, name.title(), splits[i % 3], f"{name}.abc", digest, "free"))
    write_index(folder, Index("toy", "free", "nobody", pieces))
    return folder


def engrave_toy(folder: Path) -> tuple[Path, Path]:
    """(raw, engraved) folders of `TUNES`."""
    from sfpipe.engraving.stage import engrave
    from sfpipe.params import EngraveParams

    raw = write_raw(folder / "raw", TUNES)
    engrave(EngraveParams(), raw, folder / "engraved", jobs=1)
    return raw, folder / "engraved"
