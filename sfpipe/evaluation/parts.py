"""An evaluation in parts: the same ones whether they are played here or on a cluster's workers.

Games that are played in one batch share matrix products, whose last bits may depend on what else
is in them. So parts depend on what is played alone: whole pieces, up to `MOST` performances.
Followers that play one performance after the other go to a cluster piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from sfpipe.agents.hardware import choose_device, computing_threads
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.sounding import Sounding
from sfpipe.following.evaluation_set import EvaluationSet
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.registry import follower_files, load_follower
from sfpipe.following.sources import CarriedSources, Sources
from sfpipe.game.play import PlayedGame
from sfpipe.parallel import Files, map_pieces, on_cluster
from sfpipe.params import EvaluateParams

Played = TypeVar("Played")
MOST = 64  # performances of a part that is one batch
Sets = tuple[EvaluationSet, ...]
Games = dict[str, list[PlayedGame]]  # by follower
REFERENCES = {"optimal": "optimal", "constant_speed": "constant-speed"}


@dataclass(frozen=True)
class Cast:
    """Who takes part in an evaluation: enough for any machine to load them.

    Attributes
    ----------
    agent:
        Folder or name, as for `load_follower`; None: there is none.
    baselines:
        Names.
    references:
        Whether the reference followers take part.
    engraved:
        Whether engraved pieces are needed; baselines need them anyway.
    """

    params: EvaluateParams
    seed: int
    agent: str | Path | None = None
    baselines: tuple[str, ...] = ()
    references: bool = True
    engraved: bool = False

    def load(self, sources: Sources) -> dict[str, LoadedFollower]:
        """All of them, by their names in eval.json.

        Raises
        ------
        SfpipeError
            As `load_follower`.
        """
        references = REFERENCES if self.references else {}
        return {
            **self.load_agent(sources),
            **{name: load_follower(one, sources) for name, one in references.items()},
            **self.load_baselines(sources),
        }

    def load_agent(self, sources: Sources) -> dict[str, LoadedFollower]:
        """The agent, and its argmax if there is chance in it; errors as of `load`."""
        loaded: dict[str, LoadedFollower] = {}
        if self.agent is not None:
            p = self.params
            loaded["agent"] = load_follower(
                self.agent,
                sources,
                device=p.device,
                precision=p.precision,
                deterministic=p.deterministic,
                filter=p.filter,
                seed=self.seed,
            )
            if loaded["agent"].argmax:
                loaded["agent_argmax"] = loaded["agent"].argmax
        return loaded

    def load_baselines(self, sources: Sources) -> dict[str, LoadedFollower]:
        """The baselines; errors as of `load`."""
        return {name: load_follower(name, sources) for name in self.baselines}

    def files(self, part: Part) -> Iterator[Path]:
        """What another machine needs to play a part, that lies under the working folder."""
        if self.agent is not None:
            yield from follower_files(self.agent, part.sources.models)
        for name in self.baselines:
            yield from follower_files(name, part.sources.models)
        if self.baselines or self.engraved:
            yield from (part.sources.engraved / piece for piece in part.sets[0].scores)


@dataclass(frozen=True)
class Part:
    """What a worker plays."""

    sets: Sets
    sources: Sources


@dataclass(frozen=True)
class _PlayPart:
    """Plays a part, on a worker."""

    cast: Cast
    sounding: Sounding
    trials: int

    def __call__(self, part: Part) -> Games:
        cast = self.cast
        device = choose_device(cast.params.device)
        sets = tuple(replace(one, device=device) for one in part.sets)
        followers = cast.load_agent(part.sources) | cast.load_baselines(part.sources)
        with computing_threads(cast.params.threads):
            return {
                name: self.sounding.play(follower, sets, self.trials, quiet=True)
                for name, follower in followers.items()
            }


def play_in_parts(
    cast: Cast,
    followers: Mapping[str, LoadedFollower],
    sources: Sources,
    sounding: Sounding,
    sets: Sequence[EvaluationSet],
    trials: int,
) -> Games:
    """Let followers play all of it, here or on the cluster that is in use.

    Parameters
    ----------
    followers:
        As `cast` loads them; others are not played.
    sets:
        As for `Sounding.play`.

    Returns
    -------
    dict
        By the names of `followers`, in the order of the performances, trials together.

    Raises
    ------
    SfpipeError
        If a score cannot be followed, or a part got lost on the cluster: naming its pieces.
    """
    batched = any(follower.batched for follower in followers.values())
    parts = list(_parts(sets, MOST if batched else len(sets[0].performances)))
    games: Games = {name: [] for name in followers}
    here = dict(followers)
    if on_cluster():
        # Quick, and made for whole data sets: references are played here.
        references = REFERENCES if cast.references else {}
        here = {name: one for name, one in followers.items() if name in references}
        play, units = _PlayPart(cast, sounding, trials), parts if batched else single_pieces(sets)
        for played in there(play, cast, sources, units, "games"):
            for name, some in played.items():
                games[name] += some
    with computing_threads(cast.params.threads):
        for i, part in enumerate(parts, 1):
            # The time left that is shown is that of the part.
            which = f", part {i} of {len(parts)}" if len(parts) > 1 else ""
            for name, follower in here.items():
                shown = replace(follower, label=follower.label + which)
                games[name] += sounding.play(shown, part, trials)
    order = {(r.piece, r.performance): i for i, r in enumerate(sets[0].performances)}
    for all_played in games.values():
        all_played.sort(key=lambda game: (order[game.piece, game.performance], game.trial))
    return games


def there(
    play: Callable[[Part], Played], cast: Cast, sources: Sources, parts: Iterable[Sets], label: str
) -> Iterator[Played]:
    """What `play` makes of each part, on the workers of the cluster, in order.

    Raises
    ------
    SfpipeError
        If a part got lost, naming its pieces.
    """
    known = CarriedSources.carrying(sources, cast.baselines)
    work = [Part(sets, known.of_pieces(tuple(sets[0].scores))) for sets in parts]
    for outcome in map_pieces(play, work, label=label, files=Files[Part](cast.files)):
        if outcome.error is not None:
            pieces = sorted(outcome.item.sets[0].scores)
            more = f" and {len(pieces) - 1} more pieces" if len(pieces) > 1 else ""
            raise SfpipeError(f"{pieces[0]}{more} could not be played there: {outcome.error}")
        yield outcome.value


def single_pieces(sets: Sequence[EvaluationSet]) -> Iterator[Sets]:
    """A part for each piece, the longest first."""
    return _parts(sets, 1, whole=False)


def _parts(sets: Sequence[EvaluationSet], most: int, *, whole: bool = True) -> Iterator[Sets]:
    """Whole pieces, up to so many performances if they have so few; those of like length together.

    What is one part anyway stays as it is, if it may be `whole`.
    """
    lengths: dict[str, int] = {}
    count: dict[str, int] = {}
    for record in sets[0].performances:
        n = record.spectrogram.shape[1]
        lengths[record.piece] = max(n, lengths.get(record.piece, 0))
        count[record.piece] = count.get(record.piece, 0) + 1
    if whole and sum(count.values()) <= most:
        yield tuple(sets)
        return
    pieces: list[str] = []
    for piece in sorted(lengths, key=lambda name: (-lengths[name], name)):
        if pieces and sum(count[p] for p in (*pieces, piece)) > most:
            yield _part(sets, pieces)
            pieces = []
        pieces.append(piece)
    yield _part(sets, pieces)


def _part(sets: Sequence[EvaluationSet], pieces: Collection[str]) -> Sets:
    return tuple(
        replace(
            one,
            scores={piece: one.scores[piece] for piece in pieces},
            performances=[r for r in one.performances if r.piece in pieces],
        )
        for one in sets
    )
