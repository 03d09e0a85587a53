from tests.alignment.conftest import heads, tiny  # noqa: F401  # fixtures
