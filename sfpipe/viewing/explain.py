"""What speaks for an agent's actions, state by state, to be laid over a film (section 5.2)."""

from __future__ import annotations

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.game.render import Saliency
from sfpipe.inspection.integrated_gradients import explain_states
from sfpipe.inspection.saliency import full_colour
from sfpipe.viewing.game_trace import observations
from sfpipe.viewing.shown_game import ShownGame

# Gradients averaged per state at first: films need no completeness within 1 %.
STEPS = 16
TOLERANCE = 0.1


def saliency(one: ShownGame) -> list[Saliency]:
    """Integrated gradients of each state's most probable action.

    The attributions of a plane and of its change are added per pixel, and divided by what is
    drawn in full colour, the same in all states.

    Returns
    -------
    list of Saliency
        One per state of the track.

    Raises
    ------
    SfpipeError
        If the follower is no agent, or captum is not installed.
    """
    network = one.follower.network
    if network is None:
        raise SfpipeError(
            f"only an agent's network can be explained, not {one.trace.name}",
            remedy="name an agent with --agent, or leave --explain out",
        )
    scores, sounds = [], []
    for observation in observations(one.game, one.bank, 0):
        attributed = explain_states(network, observation, steps=STEPS, tolerance=TOLERANCE)
        scores.append(attributed.score.sum(1))
        sounds.append(attributed.spectrogram.sum(1))
    score, sound = np.concatenate(scores), np.concatenate(sounds)
    tops = [max(full_colour(plane), 1e-12) for plane in (score, sound)]
    return [
        Saliency(s, a)
        for s, a in zip((score / tops[0]).clip(-1, 1), (sound / tops[1]).clip(-1, 1), strict=True)
    ]
