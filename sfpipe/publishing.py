"""Publishing a trained agent: weights, `agent.json`, and a card that says what it can do."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ConfigDict, with_config
from typing_extensions import NotRequired, TypedDict

from sfpipe.agents.agent import CARD as AGENT
from sfpipe.agents.agent import PRETRAINED, AgentCard
from sfpipe.agents.weights import WEIGHTS, load_weights
from sfpipe.datasets.catalogue import CATALOGUE
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.schema import read_evaluation, read_real
from sfpipe.evaluation.table import Table, format_number, format_spread, format_within
from sfpipe.files import plain_name, read_json, replacing, sha256, write_json
from sfpipe.following.labels import MANNERS, agent_row
from sfpipe.following.registry import describe_agent
from sfpipe.real_performances.conditions import shown

TABLES = {"nottingham": 1, "msmd": 2}
RESULTS, PIECES, REAL, CARD = "eval.json", "pieces.csv", "real.json", "README.md"
COLUMNS = ("R_tue", "R_on", "abs dx cm", "R_tue, R_on as counted in 2019")
LIMITS = (
    "Trained on synthesised piano at a few tempi and on one engraver's typography, without",
    "repeats to jump back to and without wrong notes: a human performance, a scanned page or",
    "another instrument is outside of what it has met.",
)
AUGMENTED_LIMITS = (
    "Trained on synthesised piano, some of it augmented by `synthesize.augment` "
    "(tempo and timing as",
    "of people; rooms and noise where their shares are not 0), and on one engraver's typography,",
    "without repeats to jump back to and without wrong notes: a scanned page or another instrument",
    "is outside of what it has met.",
)
INSTRUMENTS_LIMITS = (
    "Trained on synthesised instruments, those of `synthesize.augment` (tempo and timing as of",
    "people; rooms and noise where their shares are not 0), and on one engraver's typography,",
    "without repeats to jump back to and without wrong notes: a scanned page is outside of what it",
    "has met.",
)
PIANISTS_LIMITS = (
    "Trained on pianists' MIDI and on sequenced scores, both synthesised, some in simulated rooms,",
    "without repeats to jump back to and without other instruments, which are outside of what it",
    "has met. Its data are for non-commercial use, and so is it.",
)
_NO_JUMPS = "repeats to jump back to and without "


@with_config(ConfigDict(extra="allow", strict=True))
class _Common(TypedDict):
    warm_start: NotRequired[str | None]


@with_config(ConfigDict(extra="allow", strict=True))
class _Params(TypedDict):
    common: _Common


@with_config(ConfigDict(extra="allow", strict=True))
class Versions(TypedDict):
    """Of the programs that an agent was made with."""

    sfpipe: str
    torch: str


@with_config(ConfigDict(extra="allow", strict=True))
class Origin(TypedDict):
    """The agent that a training began with."""

    agent: str
    weights: str
    frames: int


@with_config(ConfigDict(extra="allow", strict=True))
class PublishableCard(TypedDict):
    """What an `agent.json` must say of an agent to be published."""

    algo: str
    window: Literal["nottingham", "msmd"]
    seed: int
    params: _Params
    frames: int
    hours: float
    device: str
    bfloat16: bool
    training_pieces: int
    training_performances: int
    data: dict[str, str]
    versions: Versions
    augment: NotRequired[dict[str, float | list[float]] | None]
    augmented_performances: NotRequired[int]
    datasets: NotRequired[list[str]]
    pretraining_frames: NotRequired[int]
    start_from: NotRequired[Origin | None]


def publish(
    name: str,
    agent: Path,
    results: Path,
    out: Path = PRETRAINED,
    *,
    real: Path | None = None,
    half: bool = True,
) -> Path:
    """Put an agent and its test figures under ``models/pretrained/<name>/``.

    Parameters
    ----------
    name:
        ``<dataset>-<algo>``.
    agent:
        Folder that `train` wrote.
    results:
        ``eval.json`` of this agent; ``pieces.csv`` beside it, if it is there, is published too.
    real:
        Its ``real.json``, if human performances were played to it.
    half:
        Keep the weights in float16, half as large; the card then has the figures of the float32
        ones too. Evaluate what was published and publish it again to have both.

    Raises
    ------
    SfpipeError
        If a file is missing, or the results are those of another agent.
    """
    train = "train an agent first: dvc repro train"
    card = dict(read_json(agent / AGENT, remedy=train, schema=PublishableCard))
    evaluation = _results_of(agent, card, results)
    human = None if real is None else _results_of(agent, card, real)
    if not (agent / WEIGHTS).is_file():
        raise SfpipeError("no such file", file=agent / WEIGHTS, remedy=train)
    try:
        folder = out / plain_name(name)
    except ValueError as error:
        raise SfpipeError(str(error), remedy="name it <dataset>-<algo>") from None
    told = _copy_weights(agent / WEIGHTS, folder / WEIGHTS, card, evaluation, half)
    write_json(folder / AGENT, told)
    write_json(folder / RESULTS, evaluation)
    pieces = results.with_name(PIECES)
    if pieces.is_file():
        with replacing(folder / PIECES) as temporary:
            shutil.copyfile(pieces, temporary)
    else:
        (folder / PIECES).unlink(missing_ok=True)  # of what was published before
    if human is not None:
        write_json(folder / REAL, human)
    else:
        (folder / REAL).unlink(missing_ok=True)
    with replacing(folder / CARD) as temporary:
        temporary.write_text(
            describe_published(name, told, evaluation, human, out), encoding="utf-8"
        )
    return folder


def _copy_weights(
    source: Path, target: Path, card: dict[str, Any], evaluation: Mapping[str, Any], half: bool
) -> dict[str, Any]:
    """Copy weights, in float16 if `half`; the card, which then tells what they were before."""
    from safetensors.torch import save

    weights = load_weights(source, "train the agent again: dvc repro train")
    whole = any(w.dtype == torch.float32 for w in weights.values())
    if not (half and whole):
        content = source.read_bytes()
        with replacing(target) as temporary:
            temporary.write_bytes(content)
        return {k: v for k, v in card.items() if k != "float32"} if whole else card
    halved = {k: w.half() if w.is_floating_point() else w for k, w in weights.items()}
    before = {
        "weights": sha256(source),
        "r_tue": evaluation["r_tue"],
        "r_on": evaluation["r_on"],
        "abs_dx_cm": evaluation["abs_dx_cm"]["mean"],
        "n_pieces": evaluation["n_pieces"],
    }
    with replacing(target) as temporary:
        temporary.write_bytes(save(halved))
    return {**card, "float32": before}


def _results_of(agent: Path, card: Mapping[str, Any], results: Path) -> dict[str, Any]:
    """An evaluation of this agent and no other."""
    remedy = "run 'sfpipe evaluate' with this agent"
    content = read_json(results, remedy=remedy, schema=dict[str, Any])
    of_conditions = content.get("conditions") or {}
    if any("entrants" in of for of in of_conditions.values() if isinstance(of, dict)):
        raise SfpipeError(
            "is of an earlier version, whose 'followers' had another name",
            file=results,
            remedy="run 'sfpipe evaluate --real-performances' again",
        )
    evaluation = read_real(results) if "conditions" in content else read_evaluation(results)
    meta = evaluation.get("meta", {})
    if (meta.get("algo"), meta.get("agent_frames")) != (card.get("algo"), card.get("frames")):
        raise SfpipeError(
            "the results are those of another agent",
            file=results,
            remedy=f"run 'sfpipe evaluate --agent {agent}' first",
        )
    return evaluation


def describe_published(
    name: str,
    card: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    human: Mapping[str, Any] | None = None,
    pretrained: Path = PRETRAINED,
) -> str:
    """The card, Markdown; what it says of other agents is as they are in `pretrained` now."""
    common, meta = card["params"]["common"], evaluation["meta"]
    pretrained_on, augmented = (
        card.get("pretraining_frames", 0),
        card.get("augmented_performances", 0),
    )
    phases = [
        p
        for p in ("pretraining" if pretrained_on else None, common.get("warm_start"), card["algo"])
        if p
    ]
    way = " then ".join(dict.fromkeys(phases))
    kind = describe_agent(card)
    network = kind.network.format(table=TABLES[card["window"]])
    if kind.learnt_by:
        way = f"`algo: {card['algo']}`: {kind.learnt_by}"
    if started := card.get("start_from"):
        way += f", from the weights of {_origin(started, pretrained)}"
    revision = card.get("revision")
    made_at = f"revision `{revision}`" if revision else "not in a git checkout"
    facts = {
        "network": f"window `{card['window']}`, {network}",
        "learnt by": way,
        "seed": str(card["seed"]),
        **({"weights": _describe_half(card["float32"], evaluation)} if "float32" in card else {}),
        "frames": f"{card['frames']:,}"
        f"{f', {pretrained_on:,} states of pretraining among them' if pretrained_on else ''}",
        "hours": f"{card['hours']:.2f} on {card['device']}"
        f" ({platform.machine()}), {'bfloat16' if card['bfloat16'] else 'float32'}",
        "trained on": f"{card['training_pieces']} pieces,"
        f" {card['training_performances']} performances"
        f"{f', {augmented:,} of them augmented' if augmented else ''}",
        **({"data sets": _licences(card["datasets"])} if card.get("datasets") else {}),
        **({"augmented by": _augmentation(card.get("augment"))} if augmented else {}),
        **{store: f"sha256 `{digest}`" for store, digest in card["data"].items()},
        "made with": f"sfpipe {card['versions']['sfpipe']},"
        f" torch {card['versions']['torch']}, {made_at}",
    }
    policies = {MANNERS[meta["policy"]]: evaluation}
    for player, figures in evaluation["players"].items():
        policies[player.replace("_", " ").replace("agent argmax", "argmax")] = figures
    lines = [
        f"# {name}",
        "",
        *kind.about,
        "of sound, and changes its reading speed twenty times a second. Play it with",
        f"`sfpipe evaluate --agent {name}`.",
        "",
        Table(("", ""), list(facts.items())).to_markdown(),
        "",
        f"## On unseen pieces: split `{evaluation['meta']['split']}`",
        "",
        f"{evaluation['n_pieces']} pieces, {evaluation['n_performances']} performances,"
        f" {evaluation['n_onsets']:,} onsets played; 95 % bootstrap intervals over pieces.",
        "",
        _tabulate("policy", policies),
        "",
        *(_human(card["algo"], human) if human else ()),
        "## Limits",
        "",
        *_limits(card),
        "",
    ]
    return "\n".join(lines)


def _origin(started: Mapping[str, Any], pretrained: Path) -> str:
    """The agent that a training began with; published anew or withdrawn since, it says so."""
    name, frames = started["agent"], f"{started['frames']:,} frames"
    # Looked up, not joined: the name is from a file.
    published = {path.parent.name: path for path in pretrained.glob(f"*/{WEIGHTS}")}
    if name not in published:
        return f"`{name}` ({frames}; not published)"
    if started["weights"] in _digests(published[name]):
        return f"`{name}` ({frames})"
    return f"an earlier `{name}` ({frames}; no longer published)"


def _digests(weights: Path) -> tuple[str, ...]:
    """Of published weights, and of the float32 ones that they were made from."""
    card = read_json(weights.with_name(AGENT), remedy="publish it again", schema=AgentCard)
    return sha256(weights), str(card.get("float32", {}).get("weights", ""))


def _describe_half(before: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    pieces = before.get("n_pieces", evaluation["n_pieces"])
    played = (evaluation["r_tue"], evaluation["r_on"], evaluation["abs_dx_cm"]["mean"])
    elsewhere = "" if pieces == evaluation["n_pieces"] else f" on {pieces} pieces"
    if not elsewhere and played == (before["r_tue"], before["r_on"], before["abs_dx_cm"]):
        return "float16; the agent's figures below are of those trained, in float32"
    return (
        f"float16; those trained, in float32, reach R_tue {before['r_tue']:.3f},"
        f" R_on {before['r_on']:.3f}, abs dx {before['abs_dx_cm']:.3f} cm{elsewhere}"
    )


def _licences(names: Sequence[str]) -> str:
    """Data sets, those of the catalogue with their licences."""
    known = {name: CATALOGUE[name].licence for name in names if name in CATALOGUE}
    return ", ".join(f"`{n}` ({known[n]})" if n in known else f"`{n}`" for n in names)


def _limits(card: Mapping[str, Any]) -> list[str]:
    """What an agent has not met in its training."""
    lines = _limits_of_data(card)
    jumps = card["params"].get("belief", {}).get("jump_share")
    return [line.replace(_NO_JUMPS, "") if jumps else line for line in lines]


def _limits_of_data(card: Mapping[str, Any]) -> tuple[str, ...]:
    """The same of one that has met no jumps."""
    if "asap" in card.get("datasets", ()):
        return PIANISTS_LIMITS
    if (card.get("augment") or {}).get("programs") and card.get("augmented_performances"):
        return INSTRUMENTS_LIMITS
    return AUGMENTED_LIMITS if card.get("augmented_performances") else LIMITS


def _augmentation(params: Mapping[str, Any] | None) -> str:
    if not params:
        return "`synthesize.augment`, whose parameters were not recorded"
    lists = {k: v if isinstance(v, list) else [v] for k, v in params.items()}
    told = []
    for name, values in lists.items():
        between = " " if name == "programs" else " to "
        told.append(f"{name} {between.join(f'{v:g}' for v in values)}")
    return f"`synthesize.augment`: {', '.join(told)}"


def _human(algo: str, human: Mapping[str, Any]) -> list[str]:
    conditions = human["conditions"].values()
    policies = (human["meta"].get("policy", "stochastic"), "argmax")
    of = {MANNERS[policy]: agent_row("", algo, policy)[0] for policy in policies}
    rows = {
        f"{shown(c['label'], c['simulated'])}, {policy}": c["followers"][follower]
        for c in conditions
        for policy, follower in of.items()
        if follower in c["followers"]
    }
    return [
        f"## On human performances: `{human['meta']['dataset']}`",
        "",
        _tabulate("condition, policy", rows),
        "",
    ]


def _tabulate(first: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Figures by policy, Markdown."""
    return Table((first, *COLUMNS), [(n, *_cells(f)) for n, f in rows.items()]).to_markdown()


def _cells(figures: Mapping[str, Any]) -> tuple[str, ...]:
    counted = figures["reference_counting"]
    return (
        format_within(figures, "r_tue", 3),
        format_within(figures, "r_on", 3),
        format_spread(figures["abs_dx_cm"], 3),
        f"{format_number(counted['r_tue'])}, {format_number(counted['r_on'])}",
    )
