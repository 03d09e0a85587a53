from sfpipe.store.reader import strip_height
from sfpipe.store.window import window_for
from tests.projects import write_stores


def test_the_highest_window_that_fits():
    assert window_for(40).name == window_for(159).name == "nottingham"
    assert window_for(160).name == window_for(200).name == "msmd"
    # The bank says what is wrong with these.
    assert window_for(39).name == "nottingham"


def test_the_height_comes_from_the_store(tmp_path):
    write_stores(tmp_path)
    assert strip_height(tmp_path / "data/scores/toy.h5") == 40
