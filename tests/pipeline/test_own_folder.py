"""DVC for real: a folder of the user's own tunes, in which tunes change."""

import json
import os
import shutil

import pytest

from tests.pipeline.conftest import Project, new_project

WALTZ = "X:1\nT:A waltz\nM:3/4\nL:1/4\nK:C\nCGe|cAF|BDG|E2C|GEC|AFD|B,DG|C3|]\n"


@pytest.fixture
def project(tmp_path) -> Project:
    if shutil.which("git") is None:
        pytest.skip("git is not on this machine")
    return new_project(tmp_path / "project")


def test_a_changed_folder_of_tunes_runs_download_again(project):
    """A tune is corrected, one added; what is touched alone has not changed."""
    (project.root / "tunes").rename(project.root.parent / "my tunes")
    folder = project.root.parent / "my tunes"
    project.set("download.folders", {"toy": {"path": str(folder), "licence": "CC0"}})
    raw = project.root / "data/raw/toy"

    def ran() -> list[str]:
        return project.ran(project.dvc("repro", "download"))

    def pieces() -> int:
        return len(json.loads((raw / "index.json").read_text())["pieces"])

    assert ran() == ["tunes@toy", "download"]
    assert pieces() == 9
    assert ran() == []
    tune = folder / "tune0.abc"
    text = tune.read_text()
    tune.write_text(text.replace("|]", "|CDEFGABc|]"))
    assert ran() == ["tunes@toy", "download"]
    assert "|CDEFGABc|]" in (raw / "tune0.abc").read_text()
    (folder / "book").mkdir()
    (folder / "book/waltz.abc").write_text(WALTZ)
    assert ran() == ["tunes@toy", "download"]
    assert pieces() == 10
    os.utime(tune)
    assert ran() == []
    shutil.rmtree(folder / "book")
    tune.write_text(text)
    assert ran() == []  # DVC has the former state in its cache
    assert pieces() == 9


def test_without_own_folders_there_is_no_such_stage(project):
    shutil.rmtree(project.root / "tunes")
    project.set("download.folders", {})
    project.set("dataset", "ryan")
    project.set("download.max_pieces", 6)
    assert project.ran(project.dvc("repro", "download")) == ["download"]
    assert project.ran(project.dvc("repro", "download")) == []
