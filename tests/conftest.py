import os
from pathlib import Path

import pytest


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        pytest.skip(f"{variable} does not name a folder: recordings to compare with are not here")
    return Path(value)


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of recordings of the 2019 reference implementation."""
    return _folder("SFPIPE_REFERENCE")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder of archives that otherwise come from the internet."""
    return _folder("SFPIPE_MIRROR")
