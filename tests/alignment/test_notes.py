import subprocess
import sys

import pytest

from sfpipe.alignment.notes import import_partitura, read_match, read_score_notes
from sfpipe.errors import SfpipeError


def test_importing_partitura_leaves_fluidsynth_as_it_was():
    code = (
        "import sys; from sfpipe.alignment.notes import import_partitura;"
        "import_partitura();"
        "assert 'fluidsynth' not in sys.modules; import fluidsynth; fluidsynth.Synth;"
        "import_partitura(); assert sys.modules['fluidsynth'] is fluidsynth"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_notes_of_a_score(tiny):
    notes = read_score_notes(tiny.score).notes
    assert len(notes) == 37
    first = notes["n0"]
    assert (first.quarter, first.pitch, first.grace) == (0.0, 67, False)


def test_a_damaged_file_is_one_line(tmp_path):
    broken = tmp_path / "broken.match"
    broken.write_text("info(matchFileVersion,1.0.0).\nsnote(")
    with pytest.raises(SfpipeError, match=r"broken\.match: "):
        read_match(broken)
    with pytest.raises(SfpipeError, match="no such file"):
        read_score_notes(tmp_path / "none.musicxml")
    assert import_partitura().__name__ == "partitura"
