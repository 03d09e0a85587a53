import shutil
import subprocess
import sys

import numpy as np
import pytest

from sfpipe.engraving.files import read_description, read_image, read_noteheads, read_systems
from sfpipe.errors import SfpipeError


@pytest.fixture
def folder(toy, tmp_path):
    shutil.copytree(toy[1] / "chords", tmp_path / "piece")
    return tmp_path / "piece"


def test_heads_of_a_chord_are_one_onset(folder):
    heads = read_noteheads(folder)
    onsets = heads.onsets()
    assert [len(group) for group in onsets[:4]] == [2, 1, 2, 1]
    assert sum(len(group) for group in onsets) == np.sum(~heads.tied)
    assert (np.diff([heads.onset_s[group[0]] for group in onsets]) > 0).all()


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("noteheads.csv", read_noteheads),
        ("systems.csv", read_systems),
        ("engraving.json", read_description),
        ("system-001.png", lambda folder: read_image(folder / "system-001.png")),
    ],
)
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "cut"])
def test_missing_and_damaged_files_are_named(folder, name, read, damage):
    path = folder / name
    if damage == "missing":
        path.unlink()
    elif damage == "cut" and name.endswith("csv"):
        path.write_text(path.read_text().rstrip()[:-9].rsplit(",", 1)[0])
    else:
        path.write_bytes({"empty": b"", "garbage": b"\x00\x01nonsense", "cut": b"{"}[damage])
    with pytest.raises(SfpipeError, match=rf"{name}: .*-> run: sfpipe engrave"):
        read(folder)


READERS = (
    "engraving.files",
    "engraving.geometry",
    "cleaning.stage",
    "score.stage",
    "omr.truth",
    "alignment.onsets",
    "viewing.system_layout",
)


def test_readers_of_engraved_pieces_import_no_engraver():
    code = f"""
import sys
from importlib import import_module
for reader in {READERS}:
    import_module(f"sfpipe.{{reader}}")
    engravers = {{"verovio", "music21", "resvg_py", "sfpipe.engraving.lilypond"}}
    print(*sorted(engravers & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [""] * len(READERS)
