import os
import subprocess
import sys

import pytest

from sfpipe.doctor import Check, checks, exit_code, render

NAMES = ("Python", "PyTorch", "FluidSynth", "sound font FluidR3_GM", "Verovio", "DVC", "git")


@pytest.fixture(scope="module")
def found():
    return checks()


def test_lists_everything_with_a_remedy_for_what_is_missing(found):
    by_name = {check.name: check for check in found}
    assert set(NAMES) | {"music21 corpus", "ffmpeg", "LilyPond", "Audiveris", "disk space"} <= set(
        by_name
    )
    assert all(check.version for check in found)
    assert all(check.remedy for check in found if not check.ok)
    assert by_name["Python"].version.startswith(".".join(map(str, sys.version_info[:3])))


def test_what_these_tests_run_on_is_found(found):
    by_name = {check.name: check for check in found}
    assert all(by_name[name].ok for name in ("Python", "PyTorch", "Verovio", "DVC"))
    assert "1059 tunes" in by_name["music21 corpus"].version


def test_render_names_what_is_missing():
    there = Check("Python", "3.11", True)
    optional = Check("ffmpeg", "not there", False, "install it", required=False)
    gone = Check("FluidSynth", "cannot be loaded", False, "apt-get install libfluidsynth3")
    assert exit_code([there, optional]) == 0
    assert "All that is required is there." in render([there, optional])
    text = render([there, optional, gone])
    assert exit_code([there, optional, gone]) == 1
    assert "Missing: FluidSynth" in text
    assert "-> apt-get install libfluidsynth3" in text


def doctor_with(path, **variables) -> tuple[str, int]:
    code = (
        "import sys; from sfpipe.doctor import checks, exit_code, render; "
        "found = checks(); print(render(found)); sys.exit(exit_code(found))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{os.getcwd()}", **variables}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    return done.stdout, done.returncode


def test_survives_a_machine_without_anything(tmp_path):
    # Loaded by Python at start: hides the library and the packages as if they were not installed.
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes.util, sys\n"
        "ctypes.util.find_library = lambda name: None\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('torch', 'verovio', 'music21'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    text, code = doctor_with(tmp_path, PATH=str(tmp_path), HOME=str(tmp_path))
    assert code == 1
    missing = next(line for line in text.splitlines() if line.startswith("Missing"))
    for name in ("PyTorch", "FluidSynth", "Verovio", "music21 corpus", "git"):
        assert name in missing
    assert "apt-get install libfluidsynth3" in text


def test_sees_through_the_wrong_package_and_another_edition(tmp_path):
    (tmp_path / "fluidsynth.py").write_text("class FluidSynth: pass\n")
    (tmp_path / "TimGM6mb.sf2").write_bytes(b"another edition")
    text, code = doctor_with(tmp_path, SFPIPE_SOUNDFONTS=str(tmp_path))
    assert code == 1
    assert "pip uninstall -y fluidsynth" in text
    assert "not the edition of TimGM6mb" in text
