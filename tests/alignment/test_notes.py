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


# A repeated note, one that is left out and one that is in no score; 480 ticks to half a second.
VERSIONS = {
    "1.0.0": (
        "info(midiClockUnits,480).\ninfo(midiClockRate,500000).\n"
        "snote(n1-1,[C,n],4,1:1,0,1/4,0.0000,1.0000,[v1,staff1])-note(n0,60,480,900,64,0,0).\n"
        "snote(n1-2,[C,n],4,2:1,0,1/4,4.0000,5.0000,[v1,staff1])-note(n1,60,2400,2800,64,0,0).\n"
        "snote(n2-1,[D,n],4,1:2,0,1/4,1.0000,2.0000,[v1,staff1])-deletion.\n"
        "insertion-note(n2,70,3360,3400,64,0,0).\n"
    ),
    "5.0": (
        "info(midiClockUnits,480).\ninfo(midiClockRate,500000).\n"
        "snote(n1-1,[C,n],4,1:1,0,1/4,0.0,1.0,[])-note(n0,[C,n],4,480,900,900,64).\n"
        "snote(n1-2,[C,n],4,2:1,0,1/4,4.0,5.0,[])-note(n1,[C,n],4,2400,2800,2800,64).\n"
        "snote(n2-1,[D,n],4,1:2,0,1/4,1.0,2.0,[])-deletion.\n"
        "insertion-note(n2,[B,b],4,3360,3400,3400,64).\n"
    ),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_match_files_of_both_versions(version, tmp_path):
    path = tmp_path / "take.match"
    path.write_text(f"info(matchFileVersion,{version}).\n{VERSIONS[version]}")
    match = read_match(path)
    assert match.pairs == [("n1-1", "n0"), ("n1-2", "n1")]
    assert (match.missing, match.extra) == (["n2-1"], ["n2"])
    onsets = {name: (note.onset_s, note.pitch) for name, note in match.played.items()}
    assert onsets == {
        "n0": (pytest.approx(0.5, abs=1e-6), 60),
        "n1": (pytest.approx(2.5, abs=1e-6), 60),
        "n2": (pytest.approx(3.5, abs=1e-6), 70),
    }
