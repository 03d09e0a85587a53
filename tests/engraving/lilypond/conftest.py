import hashlib
import shutil
from pathlib import Path

import pytest

from sfpipe.datasets.index import Index, Piece, write_index
from sfpipe.engraving.stage import engrave
from sfpipe.params import EngraveParams

DATA = Path(__file__).parents[2] / "data"
BROKEN = r'\version "2.24.0" \score { { c4 d \layout {} }'


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_raw(folder: Path) -> Path:
    """A data set of LilyPond sources, as `download` leaves it; ``broken`` is none."""
    (folder / "a").mkdir(parents=True)
    for name in ("piano.ly", "old.ly", "tempo.ily"):
        shutil.copy(DATA / name, folder / "a" / name)
    (folder / "a" / "broken.ly").write_text(BROKEN)
    pieces = [
        Piece(
            id=name,
            title=name,
            split=split,
            source=f"a/{name}.ly",
            sha256=sha(folder / "a" / f"{name}.ly"),
            licence="CC0",
            includes={"a/tempo.ily": sha(DATA / "tempo.ily")} if name == "piano" else {},
        )
        for name, split in (("piano", "train"), ("old", "test"), ("broken", "valid"))
    ]
    write_index(folder, Index("sources", "CC0", "nobody", pieces))
    return folder


@pytest.fixture(scope="session")
def sources(lilypond, tmp_path_factory):
    """(raw, engraved, report) of three LilyPond sources; read-only for the tests."""
    folder = tmp_path_factory.mktemp("sources")
    raw = write_raw(folder / "raw")
    report = engrave(EngraveParams(), raw, folder / "engraved", jobs=1)
    return raw, folder / "engraved", report
