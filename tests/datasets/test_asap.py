import functools
import http.server
import threading
from collections import Counter, defaultdict
from pathlib import PurePosixPath

import pytest

from sfpipe.datasets.asap import SPLIT, asap_pieces
from sfpipe.datasets.catalogue import ASAP
from sfpipe.datasets.fetch import read_hashes
from sfpipe.datasets.index import read_index, validate
from sfpipe.datasets.split import read_split
from sfpipe.datasets.stage import download
from sfpipe.params import DownloadParams


@pytest.fixture(scope="module")
def split() -> dict[str, str]:
    """Piece -> split, of the committed table."""
    return {row["piece"]: row["split"] for row in read_split(SPLIT)}


def test_every_piece_is_in_the_index_with_all_its_performances():
    pieces = asap_pieces(read_split(SPLIT), dict.fromkeys(read_hashes(ASAP), b""), "x")
    assert Counter(p.split for p in pieces) == {"train": 100, "valid": 20, "test": 23}
    suffixes = Counter(PurePosixPath(n).suffix for p in pieces for n in p.performances or {})
    assert suffixes == {".match": 339, ".mid": 339}
    for piece in pieces:
        stems = Counter(PurePosixPath(name).with_suffix("") for name in piece.performances or {})
        assert set(stems.values()) == {2}, piece.id


def test_variants_of_a_piece_are_on_one_side(split):
    sides = defaultdict(set)
    for piece, side in split.items():
        sides[piece.removesuffix("_repeat").removesuffix("_no").removesuffix("_no_2")].add(side)
    assert len(sides) == 135 and all(len(side) == 1 for side in sides.values())


# Of msmd_split.csv's Bach, Beethoven, Chopin and Schubert, what both have.
IN_MSMD = {
    "train": [
        *(f"Bach__Fugue__bwv_{n}" for n in (846, 860, 862, 865, 870)),
        *(f"Bach__Prelude__bwv_{n}" for n in (848, 856, 860, 862, 865, 875)),
        *(f"Beethoven__Piano_Sonatas__{n}" for n in ("5-1", "8-1", "8-3", "27-1", "27-2")),
        "Beethoven__Piano_Sonatas__24-1_no_2_repeat",
        *(f"Chopin__Etudes_op_10__{n}" for n in (5, 12)),
        "Schubert__Impromptu_op.90_D.899__3",
    ],
    "test": ["Bach__Fugue__bwv_856"],
}


def test_what_msmd_has_too_is_in_its_split_there(split):
    for side, pieces in IN_MSMD.items():
        assert {split[piece] for piece in pieces} == {side}


@pytest.fixture
def server(mirror):
    """Address of a server of the mirror's files."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Silent, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_asap_from_a_server_and_from_the_mirror(server, mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "asap"
    report = download("asap", DownloadParams(), 1, out, mirror=server)
    assert len(report.done) == 143 and validate(out)
    index = read_index(out)
    assert (index.licence, len(index.files())) == ("CC BY-NC-SA 4.0", 821)
    titles = {piece.id: piece.title for piece in index.pieces}
    assert titles["Bach__Fugue__bwv_846"] == "Bach: Fugue bwv 846"
    download("asap", DownloadParams(max_pieces=6), 1, out, mirror=str(mirror))
    assert len(read_index(out).pieces) == 6
