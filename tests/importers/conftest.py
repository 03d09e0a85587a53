from tests.alignment.conftest import tiny  # noqa: F401  # a fixture
