"""What agents and baselines reach, and putting it side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfpipe.commands.options import (
    REAL,
    Agent,
    Baselines,
    DataSet,
    Otherwise,
    Packed,
    PlayedSet,
    Scheduler,
    in_group,
)
from sfpipe.errors import SfpipeError
from sfpipe.params import EvaluateParams, Params

if TYPE_CHECKING:
    from sfpipe.evaluation.other_sound import OtherSound
    from sfpipe.evaluation.sounding import Sounding
    from sfpipe.following.sources import Sources
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
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("metrics"),
    *,
    otherwise: Otherwise,
    elsewhere: Scheduler,
) -> None:
    """Play all test pieces: metrics/eval.json, pieces.csv, plots."""
    from sfpipe.evaluation.jump_benchmark import evaluate_jumps
    from sfpipe.evaluation.stage import evaluate as stage
    from sfpipe.following.sources import Sources
    from sfpipe.params import override

    p, _, paths = data.load()
    chosen = override(p.evaluate, trials=trials, deterministic=deterministic, split=split)
    sound = otherwise.sound()
    if sound and packed:
        raise SfpipeError(
            "a packed file holds no performances that can sound otherwise",
            remedy="leave out --packed, or --a4, --transpose, --program and --find-pitch",
        )
    if jumps:
        if baseline or packed or sound:
            remedy = "leave out --baseline, --packed and what changes the sound"
            raise SfpipeError("--jumps plays a data set's own performances", remedy=remedy)
        sources = _real_sources(p, data.dataset) if real else Sources.of(p, paths)
        with elsewhere.cluster():
            evaluate_jumps(chosen, sources, agent, out, seed=p.seed)
        return None
    if real:
        chosen = override(chosen, real_trials=trials)
        return _evaluate_real(p, data.dataset, chosen, agent, baseline, out, sound, elsewhere)
    if baseline:
        remedy = f"run: sfpipe baseline {baseline[0]}"
        raise SfpipeError("--baseline goes with --real-performances", remedy=remedy)
    scores, spectrograms = packed or paths.scores, packed or paths.spectrograms
    run = partial(stage, chosen, scores, spectrograms, agent, out, seed=p.seed)
    with (
        _synthesised(sound, p, paths, chosen.split, agent) as sounding,
        elsewhere.cluster(),
    ):
        run(engraved=paths.engraved, sounding=sounding)
    return None


@command()
def baseline(
    name: Annotated[str, typer.Argument(help="midi-odtw, omr-odtw or mm-loc.")],
    data: DataSet,
    split: Annotated[str | None, typer.Option(help="train, valid or test.")] = None,
    trials: Annotated[int | None, typer.Option(help="Games per performance.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Train its model again.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the result.")] = Path("metrics/baselines"),
    *,
    otherwise: Otherwise,
    elsewhere: Scheduler,
) -> None:
    """Let a baseline follow all test pieces: metrics/baselines/."""
    from sfpipe.evaluation.baseline import evaluate_baseline as stage
    from sfpipe.following.sources import Sources
    from sfpipe.params import override

    p, _, paths = data.load()
    chosen = override(p.evaluate, trials=trials, split=split)
    files = (paths.scores, paths.spectrograms, paths.engraved)
    sources = Sources(*files, p.baselines, p.synthesize, Path("models/baselines"))
    run = partial(stage, name, chosen, sources, out, seed=p.seed, train=train)
    with (
        _synthesised(otherwise.sound(), p, paths, chosen.split) as sounding,
        elsewhere.cluster(),
    ):
        run(checkpoints=Path("models/checkpoints"), sounding=sounding)


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


@contextmanager
def _synthesised(
    sound: OtherSound | None, p: Params, paths: Paths, split: str, agent: Path | None = None
) -> Iterator[Sounding | None]:
    """A split of the data set, synthesised again if it is to sound otherwise."""
    if sound is None:
        yield None
        return
    from sfpipe.evaluation.other_sound import (
        Finder,
        Synthesised,
        play_otherwise,
        synthesised_records,
    )

    records = synthesised_records(paths.spectrograms, split)
    samples = Synthesised.of(paths.engraved, p.synthesize, records)
    finder = Finder.of(paths.scores, agent)
    with play_otherwise(sound, records, samples, paths.spectrograms, finder) as sounding:
        yield sounding


def _real_sources(p: Params, dataset: str | None) -> Sources:
    """Human performances and their scores."""
    from sfpipe.following.sources import Sources
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
    sound: OtherSound | None,
    elsewhere: Scheduler,
) -> None:
    """Human performances instead of a split of the data set."""
    from sfpipe.evaluation.other_sound import Finder, Resampled, play_otherwise
    from sfpipe.evaluation.real import evaluate_real
    from sfpipe.paths import Paths
    from sfpipe.store.reader import read_performances

    sources = _real_sources(p, dataset)
    run = partial(evaluate_real, chosen, sources, agent, out, seed=p.seed)
    chosen_baselines = names or p.baselines.names
    if sound is None:
        with elsewhere.cluster():
            run(baselines=chosen_baselines)
        return
    if sound.program is not None:
        remedy = "leave out --program, or --real-performances"
        raise SfpipeError("a recording cannot be played on another instrument", remedy=remedy)
    store = sources.spectrograms
    records = [record for record in read_performances(store) if record.condition]
    recordings = Resampled(Paths(dataset or REAL).real)
    finder = Finder.of(sources.scores, agent)
    with (
        play_otherwise(sound, records, recordings, store, finder) as sounding,
        elsewhere.cluster(),
    ):
        run(baselines=chosen_baselines, sounding=sounding)
