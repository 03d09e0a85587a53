import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# A first example may compile, and other programs may compute: time says nothing about behaviour.
settings.register_profile("sfpipe", deadline=None)
settings.load_profile("sfpipe")


def _folder(variable: str, doc: str) -> Callable[[], Path]:
    """A fixture: the folder that an environment variable names; without it, tests are skipped."""

    def folder() -> Path:
        value = os.environ.get(variable)
        if not value or not Path(value).is_dir():
            pytest.skip(f"{variable} does not name a folder: what to compare with is not here")
        return Path(value)

    folder.__doc__ = doc
    return pytest.fixture(scope="session")(folder)


reference = _folder("SFPIPE_REFERENCE", "Folder of recordings of the 2019 implementation.")
mirror = _folder("SFPIPE_MIRROR", "Folder of archives that otherwise come from the internet.")


@pytest.fixture
def project(template, tmp_path, monkeypatch) -> Path:
    """A copy of the room's `template`, a small project folder, in which the test runs."""
    root = tmp_path / "project"
    shutil.copytree(template, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def sfpipe(monkeypatch, capsys):
    """Run the command in this process: (exit code, standard output, standard error)."""
    from sfpipe import cli

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sfpipe", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def _font(name: str, doc: str) -> Callable[[], Path]:
    """A fixture: the file of a sound font; without it, tests are skipped."""

    def font() -> Path:
        from sfpipe.audio.soundfonts import DECLARED, find_soundfont

        path = find_soundfont(DECLARED[name])
        if path is None:
            pytest.skip(f"the sound font {name} is not on this machine: see `sfpipe doctor`")
        return path

    font.__doc__ = doc
    return pytest.fixture(scope="session")(font)


soundfont = _font("TimGM6mb", "The smaller of the two default sound fonts.")
large_soundfont = _font("FluidR3_GM", "The larger one.")


@pytest.fixture(scope="session")
def lilypond():
    """The installed LilyPond, where it can be confined."""
    from sfpipe.engraving.lilypond.program import find_lilypond, require_walls
    from sfpipe.errors import SfpipeError

    try:
        require_walls(unconfined=False)
        return find_lilypond()
    except SfpipeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def chromium():
    """Launch a Chromium that is on this machine, with more options if need be."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright to drive a browser with")
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    with api.sync_playwright() as playwright:

        def launch(*more):
            try:
                return playwright.chromium.launch(
                    executable_path=program,
                    args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", *more],
                )
            except api.Error as error:
                pytest.skip(f"no Chromium on this machine ({str(error).splitlines()[0]})")

        yield launch
