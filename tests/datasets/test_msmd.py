import csv
from collections import Counter
from pathlib import PurePosixPath

import pytest

from sfpipe.datasets.catalogue import MSMD
from sfpipe.datasets.fetch import read_hashes
from sfpipe.datasets.index import read_index, validate
from sfpipe.datasets.msmd import SPLIT, included, licence_of, title_of
from sfpipe.datasets.split import read_split
from sfpipe.datasets.stage import download
from sfpipe.params import DownloadParams


def test_the_split_is_msmds_and_every_source_is_in_the_index():
    rows = read_split(SPLIT)
    assert Counter(row["split"] for row in rows) == {"train": 354, "valid": 19, "test": 94}
    assert len({row["piece"] for row in rows}) == len({row["source"] for row in rows}) == 467
    index = read_hashes(MSMD)
    assert {row["source"] for row in rows} <= set(index)
    assert all(len(digest) == 64 for digest in index.values())
    assert all(PurePosixPath(path).suffix in (".ly", ".ily", ".lyi") for path in index)


def test_includes_are_followed_beside_the_including_file_and_the_main_one():
    files = {
        "a/main.ly": b'\\include "notes.ily" \\include "english.ly"\n\\include "../b/defs.ily"',
        "a/notes.ily": b'\\include "main.ly"',
        "b/defs.ily": b'\\include "more.ily"\n\\include   "notes.ily"',
        "b/more.ily": b"",
        "a/unused.ily": b"",
    }
    assert included("a/main.ly", files) == ["a/notes.ily", "b/defs.ily", "b/more.ily"]


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ('license = "Public Domain"', "Public Domain"),
        ('  copyright\t= "Creative Commons Attribution-ShareAlike 3.0"', "CC BY-SA 3.0"),
        ('copyright = "Creative Commons Attribution 2.5"', "CC BY 2.5"),
        ('licence = #"cc by-nc-sa 4.0"', "CC BY-NC-SA 4.0"),
        (
            r'copyright = \markup \with-url "http://creativecommons.org/licenses/by-sa/4.0/" x',
            "CC BY-SA 4.0",
        ),
        (
            r'copyright = \markup { "Placed in the " \with-url #"x" "public domain" }',
            "Public Domain",
        ),
        ('% license = "Public Domain"', "unknown"),
        ('copyright = "me"', "unknown"),
        ('copyright = "Public Domain"\nlicense = "Creative Commons Attribution 4.0"', "CC BY 4.0"),
    ],
)
def test_licences_are_read_from_headers(text, licence):
    assert licence_of(["", f"\\header {{\n{text}\n}}"]) == licence


def test_titles():
    assert title_of('\\header {\n  title = "A Tune"\n}', "x") == "A Tune"
    assert title_of('\\header {\n  title = \\markup { "A" }\n}', "x") == "x"


def test_msmd_from_the_mirror(mirror, tmp_path):
    out = tmp_path / "msmd"
    report = download("msmd", DownloadParams(max_pieces="auto"), 3, out, mirror=str(mirror))
    assert len(report.done) == 467 and not report.skipped
    index = read_index(out)
    assert Counter(p.split for p in index.pieces) == {"train": 354, "valid": 19, "test": 94}
    assert "unknown" not in {p.licence for p in index.pieces}
    assert validate(out)
    with_includes = next(p for p in index.pieces if p.includes)
    (out / next(iter(with_includes.includes))).write_text("changed")
    assert validate(out).invalid == [next(iter(with_includes.includes))]
    download("msmd", DownloadParams(max_pieces=6), 3, out, mirror=str(mirror))
    assert len(read_index(out).pieces) == 6


def test_the_committed_tables_have_unix_line_ends():
    from importlib import resources

    for name in ("msmd_split.csv", "msmd_index.csv"):
        content = resources.files("sfpipe.datasets").joinpath(name).read_bytes()
        assert b"\r" not in content
        assert len(list(csv.reader(content.decode().splitlines()))) > 467
