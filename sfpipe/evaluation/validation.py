"""Checking games that were played to their end, as `sfpipe.game.play` records them.

Conventions of a `PlayedGame`: the state after step t (t = 1 .. T) is at performance frame
``start_frame + t``, without padding; entry t - 1 of ``error_px`` (position - target, negative is
behind) and ``position_px`` (in the strip, without padding) is that state. The initial state, at
the first onset with tracking error 0, is in neither. If the target was lost, the last entry is the
losing state, and the only one beyond the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sfpipe.errors import SfpipeError

if TYPE_CHECKING:
    # Not at run time: `sfpipe summary` prints a table without loading torch.
    from sfpipe.game.play import PlayedGame

# Players of an evaluation -> how tables and plots call them.
LABELS = {
    "agent": "agent",
    "agent_argmax": "agent, argmax",
    "optimal": "optimal",
    "constant_speed": "constant speed",
}

# Position, target and error are float32 pixels; strips are up to some 20,000 px long.
_TOLERANCE_PX = 0.05


def name_of(game: PlayedGame) -> str:
    """Piece, performance and trial of a game in one line, for messages and titles."""
    return f"{game.piece}/{game.performance} trial {game.trial}"


def validate(games: Sequence[PlayedGame]) -> None:
    """Check that `games` is not empty and that every game is complete and consistent.

    Raises
    ------
    SfpipeError
        If there is no game; if two games are the same trial of the same performance; or if a
        game breaks a convention (see this module), naming the game, what was expected, and what
        was found.
    """
    if not games:
        raise SfpipeError(
            "no games to evaluate: expected at least one, found none",
            remedy="check that the split has pieces in both stores, and that trials >= 1",
        )
    keys = set()
    for game in games:
        validate_game(game)
        key = (game.piece, game.performance, game.trial)
        if key in keys:
            raise _invalid(game, "is there twice: expected one game per trial and performance")
        keys.add(key)


def validate_game(game: PlayedGame) -> None:
    """Check one game against the conventions of this module.

    Raises
    ------
    SfpipeError
        Naming the game, what was expected, and what was found.
    """
    _check_arrays(game)
    _check_onsets(game)
    _check_end(game)
    frames = game.start_frame + 1 + np.arange(len(game.error_px))
    target = np.interp(frames, game.onset_frames, game.onset_x_px)
    wrong = np.abs(game.position_px - target - game.error_px) > _TOLERANCE_PX
    if wrong.any():
        step = int(np.argmax(wrong))
        raise _invalid(
            game,
            f"step {step + 1}: expected position - target ="
            f" {game.position_px[step] - target[step]:.2f} px,"
            f" found the tracking error {game.error_px[step]:.2f} px",
        )


def _check_arrays(game: PlayedGame) -> None:
    for names in (("error_px", "position_px"), ("onset_frames", "onset_x_px", "onset_s")):
        shapes = {name: np.shape(getattr(game, name)) for name in names}
        first = shapes[names[0]]
        if len(first) != 1 or len(set(shapes.values())) != 1:
            raise _invalid(game, f"expected vectors of one length, found the shapes {shapes}")
        for name in names:
            finite = np.isfinite(getattr(game, name))
            if not finite.all():
                raise _invalid(
                    game,
                    f"expected finite numbers in {name}, found"
                    f" {getattr(game, name)[~finite][0]} at index {int(np.argmin(finite))}",
                )
    for name in ("px_per_cm", "threshold_px", "width"):
        if not getattr(game, name) > 0 or not np.isfinite(getattr(game, name)):
            raise _invalid(game, f"expected {name} > 0, found {getattr(game, name)}")
    if not np.isfinite(game.reward_sum):
        raise _invalid(game, f"expected a finite reward_sum, found {game.reward_sum}")


def _check_onsets(game: PlayedGame) -> None:
    if len(game.onset_frames) == 0:
        raise _invalid(game, "expected at least one onset, found none")
    if not np.issubdtype(np.asarray(game.onset_frames).dtype, np.integer):
        raise _invalid(game, f"expected integer onset frames, found {game.onset_frames.dtype}")
    for name in ("onset_frames", "onset_s"):
        if (np.diff(getattr(game, name)) <= 0).any():
            raise _invalid(game, f"expected strictly increasing {name} (merge onsets by frame)")
    if game.start_frame != game.onset_frames[0]:
        raise _invalid(
            game,
            f"expected the start at the first onset's frame {game.onset_frames[0]},"
            f" found {game.start_frame}",
        )


def _check_end(game: PlayedGame) -> None:
    # Rounding to float32 may put a losing error on the threshold itself: hence the tolerance.
    steps = len(game.error_px)
    size = np.abs(game.error_px)
    if game.lost and (steps == 0 or size[-1] < game.threshold_px - _TOLERANCE_PX):
        raise _invalid(
            game,
            f"lost: expected |error| > {game.threshold_px:g} px in its last step, found"
            f" {f'{size[-1]:.2f} px' if steps else 'no step'}",
        )
    beyond = np.flatnonzero(size[: steps - game.lost] > game.threshold_px + _TOLERANCE_PX)
    if len(beyond):
        raise _invalid(
            game,
            f"expected |error| <= {game.threshold_px:g} px until the target is lost, found"
            f" {size[beyond[0]]:.2f} px in step {beyond[0] + 1} of {steps}, lost={game.lost}",
        )
    missing = int(game.onset_frames[-1]) - game.start_frame - steps
    if not game.lost and missing > 0:
        raise _invalid(
            game, f"neither lost nor finished: expected {missing} more steps to the last onset"
        )


def _invalid(game: PlayedGame, what: str) -> SfpipeError:
    return SfpipeError(
        f"game {name_of(game)}: {what}", remedy="play the game again; if it stays, report a bug"
    )
