import pytest

from tests.tunes import engrave_toy


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """(raw, engraved) folders of four small tunes; read-only for the tests."""
    return engrave_toy(tmp_path_factory.mktemp("toy"))
