from pathlib import Path

import pytest

from tests.live.scores import Performed, perform


@pytest.fixture(scope="session")
def performed(tmp_path_factory, soundfont) -> Performed:
    """A melody on two pages and its performance."""
    return perform(Path(tmp_path_factory.mktemp("live")), soundfont)


@pytest.fixture(scope="session")
def engine(performed):
    """An engine on it; every test opens a stream of its own."""
    from sfpipe.live.engine import LiveEngine

    return LiveEngine(performed.page_set)
