"""The command line as a user meets it: help, what it loads, how errors look."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sfpipe.commands.options import GROUPS
from tests.pipeline.closure import MAKING_DATA

COMMANDS = (
    *MAKING_DATA,
    "performances",
    "train",
    "train-params",
    "evaluate",
    "baseline",
    "omr-accuracy",
    "tables",
    "publish",
    "summary",
    "pack",
    "unpack",
    "inspect",
    "show-alignment",
    "embed",
    "explain",
    "tempo",
    "report",
    "import-tismir",
    "import-msmd",
    "import-recordings",
    "follow",
    "serve",
    "watch",
    "page",
    "play",
    "doctor",
)
HEAVY = (
    "torch",
    "librosa",
    "fluidsynth",
    "verovio",
    "music21",
    "matplotlib",
    "cv2",
    "dvclive",
    "captum",
    "pygame",
    "partitura",
    "pyroomacoustics",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help(sfpipe, command):
    code, out, err = sfpipe(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: sfpipe {command}")
    assert len(out.splitlines()) > 4


def test_help_lists_every_command(sfpipe):
    code, out, _ = sfpipe("--help")
    assert code == 0
    commands = out.split("--help")[1].partition("\n\n")[2]
    listed = re.findall(r"^  ([a-z-]+)  +\S", commands, re.M)
    assert sorted(listed) == sorted(COMMANDS)
    assert "..." not in commands, "a description is cut off"


def test_help_has_the_commands_in_groups(sfpipe):
    _, out, _ = sfpipe("--help")
    blocks = out.split("\n\n")
    titles = {
        block.partition(":\n")[0]: re.findall(r"^  ([a-z-]+)  ", block, re.M) for block in blocks
    }
    assert list(titles)[-7:] == list(GROUPS.values())
    assert titles["Train"] == ["train-params", "train", "publish"]
    assert titles["Follow a piece"] == ["follow", "serve", "page", "watch", "play"]


@pytest.mark.parametrize(
    "code",
    [
        "import sfpipe",
        "import sfpipe.cli; sfpipe.cli.app(['--help'], standalone_mode=False)",
        "import sfpipe.cli; sfpipe.cli.app(['train', '--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_loaded(code):
    code += f"; import sys; print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=1200
    )
    assert done.stderr.strip() == "[]"


def test_the_installed_command_prints_one_line_without_traceback(tmp_path):
    command = Path(sys.executable).with_name("sfpipe")
    if not command.exists():
        pytest.skip("sfpipe is not installed beside this Python")
    done = subprocess.run(
        [command, "clean"], capture_output=True, text=True, cwd=tmp_path, timeout=1200
    )
    assert done.returncode == 1
    assert done.stderr == (
        "sfpipe: params.yaml: no such file -> run in the project folder, or give --params FILE\n"
    )
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_bug_still_shows_its_traceback():
    code = """
import sys
from sfpipe import cli
@cli.app.command()
def broken() -> None:
    raise ZeroDivisionError("a bug")
sys.argv = ["sfpipe", "broken"]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.rstrip().endswith("ZeroDivisionError: a bug")


def test_doctor(sfpipe):
    code, out, _ = sfpipe("doctor")
    assert ("All that is required is there." in out) == (code == 0)
    assert "PyTorch" in out
