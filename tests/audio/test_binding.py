"""What a user sees when FluidSynth is missing, tried in processes where it is."""

import os
import subprocess
import sys
from pathlib import Path

from sfpipe.audio import binding

SAY = """
import sys
from sfpipe.audio import binding
from sfpipe.errors import SfpipeError
try:
    binding.load_fluidsynth()
except SfpipeError as error:
    print(error)
"""
# Loaded by Python at start: hides the library as if it were not installed.
HIDE_LIBRARY = """
import ctypes.util
ctypes.util.find_library = lambda name: None
"""


def run(code: str, path: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{os.getcwd()}"}
    environment.pop("HOMEBREW_PREFIX", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_missing_library(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(HIDE_LIBRARY)
    said = run(SAY, tmp_path)
    assert "the FluidSynth library cannot be loaded" in said
    assert "apt-get install libfluidsynth3" in said


def test_the_wrong_package_in_its_place(tmp_path):
    (tmp_path / "fluidsynth.py").write_text("class FluidSynth: pass\n")
    said = run(SAY, tmp_path)
    assert "is not pyfluidsynth" in said
    assert "pip uninstall -y fluidsynth" in said


def test_the_wrong_package_with_parts_missing(tmp_path):
    (tmp_path / "fluidsynth.py").write_text("import fluidsynth_that_is_nowhere\n")
    assert "pip uninstall -y fluidsynth" in run(SAY, tmp_path)


def test_version_is_a_version():
    assert [int(part) >= 0 for part in binding.version().split(".")] == [True] * 3


def test_importing_sfpipe_audio_loads_no_fluidsynth(tmp_path):
    code = "import sys, sfpipe.audio.stage; print('fluidsynth' in sys.modules)"
    assert run(code, tmp_path).strip() == "False"
