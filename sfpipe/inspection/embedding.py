"""A map of all states an agent visits: t-SNE of the joint embedding (section 5.1, Figure 7)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sfpipe.errors import SfpipeError, optional
from sfpipe.evaluation.figures import GREY, new_figure, save
from sfpipe.files import write_json
from sfpipe.game import dynamics
from sfpipe.game.dynamics import GameState
from sfpipe.inspection.embedding_page import write_hover
from sfpipe.inspection.state_classes import clefs_of, cluster, kinds_of, predictability, rounded
from sfpipe.inspection.states import AgentOnBank, NetworkOutputs, evaluate_states, visit
from sfpipe.store.reader import read_scores

FEWEST = 10  # states; of fewer there is no map to make
COMPONENTS = 50  # of the PCA before t-SNE
KIND_COLOURS = {
    "piece start": "#3a8f4d",
    "piece end": "#b3261e",
    "clef in the middle": "#7b3fb0",
}


@dataclass(frozen=True)
class Map:
    """States in the plane.

    Attributes
    ----------
    points:
        float32 [shape=(n, 2)], t-SNE of the PCA of the embedding.
    reduced:
        float32 [shape=(n, 50)], the PCA (fewer columns if there are fewer states).
    explained:
        Share of the embedding's variance that the PCA keeps.
    """

    points: np.ndarray
    reduced: np.ndarray
    explained: float


def project(embedding: np.ndarray, *, seed: int) -> Map:
    """Reduce an embedding [shape=(n, 256 or 512)] to 50 dimensions by PCA and to 2 by t-SNE.

    Raises
    ------
    SfpipeError
        If there are fewer than 10 states, or scikit-learn is not installed.
    """
    if len(embedding) < FEWEST:
        raise SfpipeError(
            f"a map needs {FEWEST} states, found {len(embedding)}", remedy="use a larger split"
        )
    decomposition = optional("sklearn.decomposition", "inspect")
    manifold = optional("sklearn.manifold", "inspect")
    pca = decomposition.PCA(min(COMPONENTS, *embedding.shape), random_state=seed)
    reduced = pca.fit_transform(embedding).astype(np.float32)
    perplexity = min(30.0, (len(reduced) - 1) / 3)
    tsne = manifold.TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=-1)
    return Map(
        tsne.fit_transform(reduced).astype(np.float32),
        reduced,
        float(pca.explained_variance_ratio_.sum()),
    )


def embed(
    played: AgentOnBank,
    out: Path,
    *,
    scores: Path,
    engraved: Path,
    seed: int,
    max_states: int = 20_000,
) -> list[Path]:
    """Write ``embedding.png``, ``embedding.html`` and ``embedding.json`` into `out`.

    Every performance of the subject's bank is played once with the stochastic policy.

    Parameters
    ----------
    scores, engraved:
        Score store and engraved pieces, for the places of the clefs.
    max_states:
        States evenly drawn from all that were visited; 0 takes all (t-SNE of 60,000 takes some ten
        minutes).

    Raises
    ------
    SfpipeError
        As `project`, or if the score store cannot be read.
    """
    rng = np.random.default_rng(seed)
    states, _ = visit(played)
    visited = len(states.frame)
    if max_states and visited > max_states:
        which = np.sort(rng.choice(visited, max_states, replace=False))
        states = dynamics.select(states, torch.from_numpy(which))
    outputs = evaluate_states(played, states)
    mapped = project(outputs.embedding, seed=seed)
    every = kinds_of(played.bank, states, clefs_of(read_scores(scores), engraved))
    kinds = {kind: mask for kind, mask in every.items() if mask.any()}
    facts = facts_of(played, states, outputs, mapped, kinds, visited, rng)
    write_json(out / "embedding.json", facts)
    return [
        draw_map(mapped.points, outputs.value, kinds, out / "embedding.png"),
        write_hover(played.bank, states, outputs, mapped.points, kinds, out / "embedding.html"),
        out / "embedding.json",
    ]


def facts_of(
    played: AgentOnBank,
    states: GameState,
    outputs: NetworkOutputs,
    mapped: Map,
    kinds: dict[str, np.ndarray],
    visited: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """The map in numbers: how well kinds of states cluster, and how smoothly the value varies."""
    names = sorted({info.piece for info in played.bank.infos})
    index = np.array([names.index(info.piece) for info in played.bank.infos])
    piece = index[states.performance.numpy()]
    spaces = {"map": mapped.points, "embedding": mapped.reduced}
    return {
        "pieces": len(names),
        "states_visited": visited,
        "states_mapped": len(piece),
        "dimensions": outputs.embedding.shape[1],
        "variance_kept_by_pca": round(mapped.explained, 4),
        "clusters": {
            kind: {
                space: cluster(points, mask, piece, rng=rng).as_dict()
                for space, points in spaces.items()
            }
            for kind, mask in kinds.items()
        },
        "value_r2_of_neighbours": {
            space: rounded(predictability(points, outputs.value, piece, rng=rng))
            for space, points in spaces.items()
        },
    }


def draw_map(
    points: np.ndarray, value: np.ndarray, kinds: dict[str, np.ndarray], path: Path
) -> Path:
    """Draw the map twice: coloured by value, and with the kinds of states marked."""
    figure = new_figure(11, 5.2)
    left, right = figure.subplots(1, 2)
    size = float(np.clip(4e4 / max(len(points), 1), 0.6, 12))
    low, high = np.quantile(value, [0.01, 0.99])
    # The best states are the most; drawn last they would hide the others.
    order = np.argsort(-value)
    shown = left.scatter(
        *points[order].T, c=value[order], s=size, lw=0, cmap="viridis", vmin=low, vmax=high
    )
    figure.colorbar(shown, ax=left, shrink=0.7, label="value", pad=0.01)
    right.scatter(*points.T, c="#d5d5d8", s=size, lw=0)
    for kind, mask in kinds.items():
        colour = KIND_COLOURS.get(kind, GREY)
        label = f"{kind} ({int(mask.sum()):,})"
        right.scatter(*points[mask].T, c=colour, s=1.5 * size, lw=0, label=label)
    if kinds:
        right.legend(frameon=False, fontsize=8, markerscale=4, loc="upper right")
    for axis in (left, right):
        axis.set(xticks=[], yticks=[], aspect="equal")
        axis.spines[:].set_visible(False)
    left.set_title(f"{len(points):,} states by the value the agent gives them", fontsize=10)
    right.set_title("where in the piece they are", fontsize=10)
    return save(figure, path)
