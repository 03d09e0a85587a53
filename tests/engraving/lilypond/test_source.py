import pytest

from sfpipe.datasets.index import Piece
from sfpipe.engraving.lilypond.source import decode, prepare, version_of
from sfpipe.errors import SfpipeError
from sfpipe.sandbox.jail import private_folder


def piece(source, **includes):
    return Piece("x", "X", "train", source, "", "CC0", includes={n: "" for n in includes.values()})


def test_old_encodings_and_line_ends():
    assert decode("stück\r\nzwei\rdrei".encode("latin-1")) == "stück\nzwei\ndrei"
    assert decode("\ufeffstück".encode()) == "stück"


def test_versions():
    assert version_of('%{ x %} \\version "2.18.2"') == "2.18.2"
    assert version_of('\\version  " 2.8.5 "') == "2.8.5"
    assert version_of("no version") is None


def test_a_source_and_its_includes_are_brought_up_to_date(lilypond, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "main.ly").write_text(
        '\\version "2.10.0"\n\\include "defs.ily"\n'
        '{ \\context Voice = "one"\n \\override Stem #\'thickness = #2\n'
        " \\once \\override NoteHead #'X-offset = #-2.0 c'4 }\n"
    )
    (tmp_path / "a" / "defs.ily").write_bytes(
        "% für alle\nup = #(set-octavation 1)\n".encode("latin-1")
    )
    with private_folder() as folder:
        path = prepare(piece("a/main.ly", defs="a/defs.ily"), tmp_path, folder, lilypond)
        assert str(path) == "a/main.ly"
        main = (folder / "a/main.ly").read_text("utf-8")
        assert '\\version "2.24.0"' in main
        assert '\\context Voice = "one"\n { \\override Stem.thickness = #2 }\n  c\'4 }' in main
        included = (folder / "a/defs.ily").read_text("utf-8")
        assert included.endswith("% für alle\nup = \\ottava #1\n")


@pytest.mark.parametrize("name", ["../secret.ly", "/etc/passwd", "a/../../b.ly"])
def test_files_outside_of_the_data_set(tmp_path, name):
    with pytest.raises(SfpipeError, match="outside of the data set"):
        prepare(piece(name), tmp_path, tmp_path / "out", None)
    with pytest.raises(SfpipeError, match="no such file"):
        prepare(piece("none.ly"), tmp_path, tmp_path / "out", None)
