import pytest

from sfpipe.datasets.catalogue import CATALOGUE, find_dataset
from sfpipe.errors import SfpipeError
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
