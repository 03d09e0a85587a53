import pytest

from sfpipe.datasets.catalogue import VIENNA
from sfpipe.datasets.fetch import read_hashes
from sfpipe.datasets.index import read_index, validate
from sfpipe.datasets.stage import download
from sfpipe.datasets.vienna import vienna_pieces
from sfpipe.params import DownloadParams


def test_the_index_has_four_scores_and_88_performances():
    pieces = vienna_pieces({path: b"" for path in read_hashes(VIENNA)}, "free")
    assert [len(p.performances or {}) for p in pieces] == [44] * 4
    assert {p.split for p in pieces} == {"test"} and {p.engine for p in pieces} == {"lilypond"}
    for piece in pieces:
        names = [n for n in piece.performances or {} if n.endswith(".match")]
        assert all(
            n.replace("match/", "midi/").replace(".match", ".mid") in piece.performances
            for n in names
        )


def test_from_the_mirror(mirror, tmp_path):
    report = download(
        "vienna4x22", DownloadParams(max_pieces=6), 1, tmp_path / "v", mirror=str(mirror)
    )
    assert len(report.done) == 4
    assert validate(tmp_path / "v")
    (piece, *_) = read_index(tmp_path / "v").pieces
    first = next(iter(piece.performances or {}))
    (tmp_path / "v" / first).write_bytes(b"changed")
    assert validate(tmp_path / "v").invalid == [first]


@pytest.mark.parametrize("name", ["Chopin_op38", "Mozart_K331_1st-mov"])
def test_pieces_have_titles(name):
    pieces = {p.id: p for p in vienna_pieces({f"musicxml/{name}.musicxml": b"x"}, "free")}
    assert pieces[name].title != name
