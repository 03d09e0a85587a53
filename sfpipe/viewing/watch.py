"""`sfpipe watch`: a video of one follower on one performance."""

from __future__ import annotations

import sys
from pathlib import Path

from sfpipe.params import Params
from sfpipe.paths import Paths
from sfpipe.store.schema import FPS
from sfpipe.viewing.explain import saliency
from sfpipe.viewing.frames import Frames
from sfpipe.viewing.select_performance import Selection, select_performance, sound_of
from sfpipe.viewing.shown_game import play_selected
from sfpipe.viewing.video import write_video

FOLDER = Path("watch")


def watch(
    params: Params,
    paths: Paths,
    follower: str,
    selection: Selection,
    *,
    deterministic: bool = False,
    explain: bool = False,
    out: Path | None = None,
) -> Path:
    """Make a video with sound: the score under the follower's line, what it hears and does.

    Picture i shows the game's state at ``i / 20`` s of the sound.

    Parameters
    ----------
    follower:
        Name or folder, as `load_follower` takes it.
    selection:
        Which performance; a piece is drawn by ``params.seed``.
    deterministic:
        An agent takes its most probable action instead of drawing one.
    explain:
        Lay what speaks for an agent's actions over score and sound (integrated gradients,
        section 5.2).
    out:
        The file; by default ``watch/<piece>-<performance>-<follower>.mp4``.

    Raises
    ------
    SfpipeError
        If a store, the agent or the recording cannot be read, `explain` is asked of a follower
        without a network, or ffmpeg fails.
    """
    shown = select_performance(paths, selection, seed=params.seed)
    one = play_selected(shown, follower, params, paths, deterministic=deterministic)
    samples = sound_of(shown, params.synthesize)
    if samples is None:
        print(f"sfpipe: no recording of {shown.name} is here: the film is silent", file=sys.stderr)
    path = out or FOLDER / f"{shown.name}-{one.follower.name}.mp4"
    pictures = Frames(shown, one.bank.window, one.trace, saliency(one) if explain else None)
    write_video(path, pictures, fps=FPS, samples=samples)
    return path
