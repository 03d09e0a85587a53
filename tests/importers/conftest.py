from tests.real_performances.conftest import tiny  # noqa: F401  # a fixture
