import zipfile

import pytest

from sfpipe.datasets.catalogue import ARCHIVES, CATALOGUE, find_dataset, recognise
from sfpipe.errors import SfpipeError
from sfpipe.importers.tismir import import_tismir
from sfpipe.params import FolderParams


def test_an_unknown_data_set_is_answered_with_the_nearest_name():
    with pytest.raises(SfpipeError, match=r"unknown data set 'notingham'.*'nottingham'"):
        find_dataset("notingham", {})
    with pytest.raises(SfpipeError, match="'mytunes'"):
        find_dataset("mytune", {"mytunes": FolderParams(path="x")})


def test_a_folder_is_a_data_set_but_may_not_take_a_built_in_name():
    found = find_dataset("mine", {"mine": FolderParams(path="x", licence="mine")})
    assert (found.name, found.licence, found.url) == ("mine", "mine", None)
    with pytest.raises(SfpipeError, match="'ryan' is the name of a built-in"):
        find_dataset("ryan", {"ryan": FolderParams(path="x")})


def test_every_data_set_declares_where_it_comes_from_and_its_licence():
    for dataset in CATALOGUE.values():
        assert dataset.homepage.startswith("https://")
        assert dataset.licence and dataset.citation and dataset.split_rule
        assert (dataset.url is None) == (dataset.index is None)


ZENODO = {
    "MSMD v1.1": (
        "msmd_aug_v1-1_no-audio/Tune/meta.yml",
        "msmd_aug_v1-1_no-audio/Tune/scores/Tune_ly/img/01.png",
        "msmd_aug_v1-1_no-audio/Tune/scores/Tune_ly/coords/notes_01.npy",
        "msmd_aug_v1-1_no-audio/Tune/performances/Tune_tempo-1000/Tune_tempo-1000.mid",
    ),
    "MSMD, page version": ("msmd/msmd_train/Tune.npz", "msmd/msmd_train/Tune.wav"),
    "the 2019 authors'": ("msmd/msmd_test/score/Tune.npz", "msmd/msmd_test/performance/Tune.mid"),
}


@pytest.mark.parametrize("name", ZENODO)
def test_what_others_distribute_is_recognised_by_its_layout(name, tmp_path):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for path in ZENODO[name]:
            archive.writestr(path, b"")
        assert (recognise(archive.namelist()) or ARCHIVES[0]).name.startswith(name)
        archive.close()
    with zipfile.ZipFile(tmp_path / "archive.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    with pytest.raises(SfpipeError, match=f"found {name}") as caught:
        import_tismir(tmp_path / "unpacked", "x", tmp_path / "a.h5", tmp_path / "b.h5")
    assert caught.value.remedy
    for archive in ARCHIVES:
        assert archive.url.startswith("https://") and archive.licence and archive.citation


def test_a_folder_of_something_else_is_not_recognised():
    assert recognise(["a.txt", "b/c.mid"]) is None
