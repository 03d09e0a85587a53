import pytest

from sfpipe.engraving.stage import engrave
from sfpipe.params import EngraveParams
from tests.tunes import TUNES, write_raw


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """(raw, engraved) folders of four small tunes; read-only for the tests."""
    folder = tmp_path_factory.mktemp("toy")
    raw = write_raw(folder / "raw", TUNES)
    engrave(EngraveParams(), raw, folder / "engraved", jobs=1)
    return raw, folder / "engraved"
