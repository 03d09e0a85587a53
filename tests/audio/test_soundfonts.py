import shutil

import pytest

from sfpipe.audio.soundfonts import DECLARED, find_soundfont, resolve_soundfont, search_folders
from sfpipe.errors import SfpipeError
from sfpipe.files import sha256


def test_the_installed_edition_is_the_declared_one(soundfont):
    font = resolve_soundfont("TimGM6mb")
    assert font.path == soundfont
    assert font.sha256 == sha256(soundfont) == DECLARED["TimGM6mb"].sha256
    assert font.warning is None


def test_missing_sound_font_names_the_package(tmp_path):
    with pytest.raises(SfpipeError, match="not on this machine") as error:
        resolve_soundfont("FluidR3_GM", folders=[tmp_path])
    assert "apt-get install fluid-soundfont-gm" in error.value.remedy
    assert "SFPIPE_SOUNDFONTS" in error.value.remedy


def test_own_folders_come_first(tmp_path, monkeypatch, soundfont):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "TimGM6mb.sf2").symlink_to(soundfont)
    monkeypatch.setenv("SFPIPE_SOUNDFONTS", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert search_folders()[:2] == [tmp_path / "a", tmp_path / "b"]
    assert find_soundfont(DECLARED["TimGM6mb"]) == tmp_path / "b" / "TimGM6mb.sf2"


def test_another_edition_is_a_warning_or_if_strict_an_error(tmp_path):
    (tmp_path / "TimGM6mb.sf2").write_bytes(b"another edition")
    font = resolve_soundfont("TimGM6mb", folders=[tmp_path])
    assert "not the edition" in font.warning
    assert font.sha256 == sha256(tmp_path / "TimGM6mb.sf2")
    with pytest.raises(SfpipeError, match="not the edition"):
        resolve_soundfont("TimGM6mb", folders=[tmp_path], strict=True)


def test_a_path_to_any_sound_font(tmp_path, soundfont):
    path = tmp_path / "my piano (1).sf2"
    shutil.copy(soundfont, path)
    font = resolve_soundfont(str(path))
    assert font.name == "my_piano_1_"  # it becomes part of file names
    assert font.path == path
    with pytest.raises(SfpipeError, match="no such sound font"):
        resolve_soundfont(str(tmp_path / "other.sf2"))


def test_a_misspelt_name_gets_its_neighbour():
    with pytest.raises(SfpipeError, match="unknown sound font") as error:
        resolve_soundfont("FluidR3GM")
    assert "'FluidR3_GM'" in error.value.remedy
