"""Whoever takes part in an evaluation: one call, whether it is an agent, a baseline or a yardstick.

Players of the game are played all at once, in the batched game; followers one performance after
the other; whoever can do better brings an entrant of its own (MM-Loc does). The games that come
out are the same (`sfpipe.game.follower`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sfpipe.following.evaluation_set import Programme
from sfpipe.game.follower import Follower, follow
from sfpipe.game.play import PlayedGame, play_games
from sfpipe.game.players import Player
from sfpipe.progress import Progress
from sfpipe.store.bank import Bank


class Entrant(Protocol):
    """Takes part in an evaluation.

    Attributes
    ----------
    label:
        How progress lines call it.
    """

    label: str

    def play(self, programme: Programme, trials: int) -> list[PlayedGame]:
        """Play every performance; without chance once, since all trials would be the same game."""
        ...


class PlayerEntrant:
    """A player of the batched game.

    Parameters
    ----------
    player:
        Makes it for a bank.
    chance:
        Whether two trials differ.
    """

    def __init__(self, label: str, player: Callable[[Bank], Player], *, chance: bool = False):
        self.label, self.player, self.chance = label, player, chance

    def play(self, programme: Programme, trials: int) -> list[PlayedGame]:
        """All performances and trials in one batch."""
        player = self.player(programme.bank)
        n = trials if self.chance else 1
        return play_games(programme.bank, player, trials=n, label=self.label)


class FollowerEntrant:
    """A follower, which hears one performance after the other."""

    def __init__(self, label: str, follower: Follower, *, chance: bool = False):
        self.label, self.follower, self.chance = label, follower, chance

    def play(self, programme: Programme, trials: int) -> list[PlayedGame]:
        """One game after the other, trials of a performance together.

        Raises
        ------
        SfpipeError
            If the follower cannot read a score, naming the piece.
        """
        n = trials if self.chance else 1
        progress = Progress(self.label, n * len(programme.performances), "games")
        games = []
        for performance in programme.performances:
            score = programme.scores[performance.piece]
            for trial in range(n):
                game = follow(self.follower, score, performance, programme.window, trial=trial)
                games.append(game)
                progress.advance()
        progress.close()
        return games
