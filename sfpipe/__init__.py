"""sfpipe: score following in sheet music images, from data to trained and measured agents."""

from __future__ import annotations

__version__ = "0.2.0"


def _register() -> None:
    """Make ``gymnasium.make("sfpipe/ScoreFollowing-v0")`` work after ``import sfpipe``."""
    import importlib.util

    if importlib.util.find_spec("gymnasium") is None:
        return
    from gymnasium.envs.registration import register, registry

    if "sfpipe/ScoreFollowing-v0" not in registry:
        register(
            id="sfpipe/ScoreFollowing-v0",
            entry_point="sfpipe.game.env:ScoreFollowingEnv",
            vector_entry_point="sfpipe.game.env:ScoreFollowingVectorEnv",
        )


_register()
