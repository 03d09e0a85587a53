"""What agents and baselines reach, and putting it side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfpipe.commands.options import (
    REAL,
    Agent,
    Baselines,
    DataSet,
    Packed,
    Pitch,
    PlayedSet,
    in_group,
)
from sfpipe.errors import SfpipeError
from sfpipe.params import EvaluateParams, Params

if TYPE_CHECKING:
    from sfpipe.evaluation.other_sound import OtherSound
    from sfpipe.following.registry import Sources
    from sfpipe.paths import Paths

command = in_group("evaluate")


@command()
def evaluate(
    data: PlayedSet,
    packed: Packed = None,
    agent: Agent = Path("models/agent"),
    trials: Annotated[int | None, typer.Option(help="Games per performance.")] = None,
    deterministic: Annotated[
        bool | None, typer.Option("--deterministic/--stochastic", help="Argmax or sampled.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="train, valid or test.")] = None,
    real: Annotated[
        bool, typer.Option("--real-performances", help="Human performances, four conditions.")
    ] = False,
    jumps: Annotated[
        bool, typer.Option("--jumps", help="With jumps, restarts and pauses: jumps.json.")
    ] = False,
    baseline: Baselines = None,
    program: Annotated[
        int | None, typer.Option(min=0, max=127, help="General MIDI program to play them on.")
    ] = None,
    told: Annotated[
        bool, typer.Option("--told/--untold", help="Whether followers know the pitch.")
    ] = True,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("metrics"),
    *,
    pitch: Pitch,
) -> None:
    """Play all test pieces: metrics/eval.json, pieces.csv, plots."""
    from sfpipe.evaluation.jump_benchmark import evaluate_jumps
    from sfpipe.evaluation.other_sound import OtherSound
    from sfpipe.evaluation.stage import evaluate as stage
    from sfpipe.following.registry import Sources
    from sfpipe.params import override

    p, _, paths = data.load()
    chosen = override(p.evaluate, trials=trials, deterministic=deterministic, split=split)
    otherwise = pitch != Pitch() or program is not None
    if otherwise and (real or packed):
        raise SfpipeError(
            "--a4, --transpose, --instrument and --program synthesise a split again",
            remedy="leave out --real-performances and --packed",
        )
    if jumps:
        if baseline or packed or otherwise:
            remedy = "leave out --baseline, --packed and what changes the sound"
            raise SfpipeError("--jumps plays a data set's own performances", remedy=remedy)
        sources = _real_sources(p, data.dataset) if real else Sources.of(p, paths)
        evaluate_jumps(chosen, sources, agent, out, seed=p.seed)
        return None
    if real:
        chosen = override(chosen, real_trials=trials)
        return _evaluate_real(p, data.dataset, chosen, agent, baseline, out)
    if baseline:
        remedy = f"run: sfpipe baseline {baseline[0]}"
        raise SfpipeError("--baseline goes with --real-performances", remedy=remedy)
    scores, spectrograms = packed or paths.scores, packed or paths.spectrograms
    if otherwise:
        sound = OtherSound(pitch.told().over(0), program, told=told)
        _evaluate_otherwise(p, paths, chosen, agent, sound, out)
        return None
    stage(chosen, scores, spectrograms, agent, out, seed=p.seed, engraved=paths.engraved)
    return None


@command()
def baseline(
    name: Annotated[str, typer.Argument(help="midi-odtw, omr-odtw or mm-loc.")],
    data: DataSet,
    split: Annotated[str | None, typer.Option(help="train, valid or test.")] = None,
    trials: Annotated[int | None, typer.Option(help="Games per performance.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Train its model again.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the result.")] = Path("metrics/baselines"),
) -> None:
    """Let a baseline follow all test pieces: metrics/baselines/."""
    from sfpipe.evaluation.baseline import evaluate_baseline as stage
    from sfpipe.following.registry import Sources
    from sfpipe.params import override

    p, _, paths = data.load()
    chosen = override(p.evaluate, trials=trials, split=split)
    files = (paths.scores, paths.spectrograms, paths.engraved)
    sources = Sources(*files, p.baselines, p.synthesize, Path("models/baselines"))
    checkpoints = Path("models/checkpoints")
    stage(name, chosen, sources, out, seed=p.seed, train=train, checkpoints=checkpoints)


@command()
def summary(
    results: Annotated[Path, typer.Argument(help="Results of an evaluation.")] = Path(
        "metrics/eval.json"
    ),
) -> None:
    """Print the result table of the last evaluation."""
    from sfpipe.evaluation.report import summary as text
    from sfpipe.evaluation.schema import read_evaluation

    print(text(read_evaluation(results), file=results))
    pages = [page for page in ("report.html", "follow.html") if Path(page).is_file()]
    if pages:
        print(f"\nOpen in a browser: {', '.join(pages)}")


@command()
def tables(
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("metrics"),
    pretrained: Annotated[Path, typer.Option(help="Folder of the published agents.")] = Path(
        "models/pretrained"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the tables.")] = Path("metrics"),
) -> None:
    """Print Tables 3 and 4 beside the paper's: metrics/table*.md."""
    from sfpipe.evaluation.tables import write_tables

    for path in write_tables(results, pretrained, out):
        print(path.read_text("utf-8"))


@command("omr-accuracy")
def omr_accuracy(
    data: DataSet,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    pieces: Annotated[int | None, typer.Option(help="How many; default: all.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder for pictures.")] = None,
    out: Annotated[Path, typer.Option(help="The results.")] = Path("metrics/omr.json"),
) -> None:
    """Count what the reader of score images gets right."""
    from sfpipe.evaluation.omr_accuracy import describe_reading, read_split

    p, name, paths = data.load()
    files = (paths.scores, paths.engraved, out)
    result = read_split(
        p.baselines.omr, *files, dataset=name, split=split, most=pieces, pictures=pictures
    )
    print(describe_reading(result))


def _evaluate_otherwise(
    p: Params, paths: Paths, chosen: EvaluateParams, agent: Path, sound: OtherSound, out: Path
) -> None:
    """A split of the data set, synthesised again."""
    from sfpipe.evaluation.other_sound import play_otherwise
    from sfpipe.evaluation.stage import evaluate as stage

    files = paths.spectrograms, paths.engraved
    with play_otherwise(sound, *files, chosen.split, params=p.synthesize) as sounding:
        stage(
            chosen,
            paths.scores,
            paths.spectrograms,
            agent,
            out,
            seed=p.seed,
            engraved=paths.engraved,
            sounding=sounding,
        )


def _real_sources(p: Params, dataset: str | None) -> Sources:
    """Human performances and their scores."""
    from sfpipe.following.registry import Sources
    from sfpipe.paths import Paths

    paths = Paths(dataset or REAL)
    # `sfpipe import-tismir` puts human performances where the synthesised ones are.
    made = paths.performances.is_file() or not paths.spectrograms.is_file()
    return Sources.of(p, paths, paths.performances if made else paths.spectrograms)


def _evaluate_real(
    p: Params,
    dataset: str | None,
    chosen: EvaluateParams,
    agent: Path,
    names: list[str] | None,
    out: Path,
) -> None:
    """Human performances instead of a split of the data set."""
    from sfpipe.evaluation.real import evaluate_real

    sources = _real_sources(p, dataset)
    evaluate_real(chosen, sources, agent, out, seed=p.seed, baselines=names or p.baselines.names)
