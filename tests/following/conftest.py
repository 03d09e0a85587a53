"""A melody, its score and its performances: those of the baselines' tests."""

from tests.baselines.conftest import melody, perform, plain, score

__all__ = ["melody", "perform", "plain", "score"]
