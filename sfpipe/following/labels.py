"""What results call an agent: by which name its row is found, and how people read it."""

from __future__ import annotations

# How an agent chooses its moves (`LoadedFollower.policy`), as cards and tables say it.
MANNERS = {"stochastic": "sampled", "argmax": "argmax", "planned": "planned"}


def agent_row(name: str, algo: str, policy: str) -> tuple[str, str]:
    """Name of an agent's row in results, by which the paper's is found, and its label.

    Parameters
    ----------
    name, algo:
        Of the agent.
    policy:
        Of `MANNERS`; where moves are planned, there is no chance and nothing to tell apart.
    """
    if policy == "planned":
        return algo, f"{name} ({algo})"
    row = f"{algo}-argmax" if policy == "argmax" else algo
    return row, f"{name} ({algo}, {MANNERS.get(policy, 'sampled')})"
