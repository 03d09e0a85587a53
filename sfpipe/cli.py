"""The command line: every stage of the pipeline, and tools to look at what they made."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sfpipe.errors import SfpipeError

app = typer.Typer(
    name="sfpipe",
    help="Score following in sheet music images: pipeline, game, agents, evaluation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ParamsFile = Annotated[Path, typer.Option("--params", help="Parameters of the pipeline.")]
Dataset = Annotated[
    str | None, typer.Option("--dataset", help="Data set; default: that of the parameters.")
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Processes; -1: one per core.")]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a Dask scheduler, e.g. tcp://host:8786.")
]
Packed = Annotated[
    Path | None, typer.Option("--packed", help="File of 'sfpipe pack', instead of both stores.")
]
Agent = Annotated[
    Path, typer.Option("--agent", help="Folder of the agent, or the name of a pretrained one.")
]
Piece = Annotated[
    str | None, typer.Option("--piece", help="Piece; default: one of the test pieces.")
]
Looked = Annotated[Path, typer.Option("--out", help="Folder of the pictures.")]
Agents = Annotated[
    list[str] | None, typer.Option("--agent", help="Agent, folder or name; may be repeated.")
]
Baselines = Annotated[
    list[str] | None, typer.Option("--baseline", help="E.g. midi-odtw; may be repeated.")
]
Players = Annotated[
    list[str] | None, typer.Option("--player", help="optimal or constant; may be repeated.")
]
Real = Annotated[bool, typer.Option("--real-performances", help="Human performances.")]
Split = Annotated[str, typer.Option("--split", help="What a piece is drawn from.")]
Drawn = Annotated[str | None, typer.Option("--piece", help="A piece; default: drawn by the seed.")]
Performance = Annotated[str | None, typer.Option("--performance", help="One of the piece's.")]
Deterministic = Annotated[
    bool, typer.Option("--deterministic/--stochastic", help="Argmax or sampled.")
]
File = Annotated[Path | None, typer.Option("--out", help="The file.")]
PARAMS = Path("params.yaml")
AGENT = Path("models/agent")
LOOKED = Path("inspection")
REAL = "vienna4x22"  # the data set of --real-performances
AGENT = Path("models/agent")
LOOKED = Path("inspection")


def main() -> None:
    """Run the command line; an `SfpipeError` becomes one line on stderr and exit code 1."""
    try:
        app(prog_name="sfpipe")
    except SfpipeError as error:
        print(f"sfpipe: {error}", file=sys.stderr)
        raise SystemExit(1) from None


@app.command()
def download(params: ParamsFile = PARAMS, dataset: Dataset = None) -> None:
    """Fetch a data set, verify it, split it: data/raw/<dataset>/."""
    from sfpipe.datasets.stage import download as stage

    p, name, paths = _setting(params, dataset)
    stage(name, p.download, p.seed, paths.raw, mirror=os.environ.get("SFPIPE_MIRROR"))


@app.command()
def engrave(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    jobs: Jobs = -1,
    scheduler: Scheduler = None,
) -> None:
    """Engrave staff images with exact note-head positions: data/engraved/<dataset>/."""
    from sfpipe.engraving.stage import engrave as stage

    p, _, paths = _setting(params, dataset)
    with _cluster(scheduler):
        stage(p.engrave, paths.raw, paths.engraved, jobs=jobs)


@app.command()
def clean(params: ParamsFile = PARAMS, dataset: Dataset = None) -> None:
    """Reject pieces whose image, note heads and MIDI disagree: data/clean/<dataset>.json."""
    from sfpipe.cleaning.stage import clean as stage

    p, _, paths = _setting(params, dataset)
    stage(p.clean, paths.engraved, paths.clean)


@app.command()
def synthesize(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    jobs: Jobs = -1,
    scheduler: Scheduler = None,
) -> None:
    """Synthesise audio with FluidSynth: data/audio/<dataset>/."""
    from sfpipe.audio.stage import synthesize as stage

    p, _, paths = _setting(params, dataset)
    with _cluster(scheduler):
        stage(p.synthesize, paths.clean, paths.engraved, paths.audio, seed=p.seed, jobs=jobs)


@app.command()
def spectrograms(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    jobs: Jobs = -1,
    scheduler: Scheduler = None,
) -> None:
    """Compute spectrograms: data/spectrograms/<dataset>.h5."""
    from sfpipe.audio.stage import spectrograms as stage

    p, name, paths = _setting(params, dataset)
    with _cluster(scheduler):
        stage(p.spectrograms, paths.audio, paths.clean, paths.spectrograms, dataset=name, jobs=jobs)


@app.command()
def scores(params: ParamsFile = PARAMS, dataset: Dataset = None) -> None:
    """Unroll the scores into strips: data/scores/<dataset>.h5."""
    from sfpipe.score.stage import scores as stage

    p, name, paths = _setting(params, dataset)
    stage(p.scores, paths.clean, paths.engraved, paths.scores, dataset=name)


@app.command()
def performances(params: ParamsFile = PARAMS, dataset: Dataset = None, jobs: Jobs = -1) -> None:
    """Align human performances and make them audible in four conditions: data/real/<dataset>/."""
    from sfpipe.real.stage import performances as stage

    p, name, paths = _setting(params, dataset)
    stage(
        p.performances,
        paths.raw,
        paths.engraved,
        paths.clean,
        paths.real,
        dataset=name,
        gain=p.synthesize.gain,
        seed=p.seed,
        jobs=jobs,
    )


@app.command()
def train(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    packed: Packed = None,
    out: Annotated[Path, typer.Option(help="Folder of the agent.")] = Path("models/agent"),
) -> None:
    """Train an agent, or go on where an interrupted training stopped: models/agent/."""
    from sfpipe.agents.stage import train as stage

    p, _, paths = _setting(params, dataset)
    stage(
        p.train,
        packed or paths.scores,
        packed or paths.spectrograms,
        out,
        algo=p.algo,
        seed=p.seed,
        curves=Path("metrics/train"),
        events=Path("runs"),
        checkpoints=Path("models/checkpoints"),
    )


@app.command()
def evaluate(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
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
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("metrics"),
) -> None:
    """Play all test pieces and write metrics/eval.json, metrics/pieces.csv, plots."""
    from sfpipe.agents.agent import find_agent
    from sfpipe.evaluation.stage import evaluate as stage
    from sfpipe.params import override

    p, _, paths = _setting(params, dataset)
    chosen = override(p.evaluate, trials=trials, deterministic=deterministic, split=split)
    folder = find_agent(agent)
    if real:
        return _evaluate_real(p, dataset, override(chosen, real_trials=trials), folder, out)
    scores, spectrograms = packed or paths.scores, packed or paths.spectrograms
    stage(chosen, scores, spectrograms, folder, out, seed=p.seed)


@app.command()
def watch(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    agent: Annotated[str | None, typer.Option(help="Agent, folder or name.")] = None,
    baseline: Annotated[str | None, typer.Option(help="E.g. midi-odtw.")] = None,
    player: Annotated[str | None, typer.Option(help="optimal or constant.")] = None,
    real: Real = False,
    split: Split = "test",
    piece: Drawn = None,
    performance: Performance = None,
    deterministic: Deterministic = False,
    explain: Annotated[bool, typer.Option(help="Show what speaks for the actions.")] = False,
    out: File = None,
) -> None:
    """Film a follower on a piece, with sound: watch/<piece>-<performance>-<follower>.mp4."""
    from sfpipe.viewing.contestants import one_entry
    from sfpipe.viewing.watch import watch as film

    p, paths, which = _shown(params, dataset, real, split, piece, performance)
    who = one_entry(agent=agent, baseline=baseline, player=player)
    print(film(p, paths, who, which, deterministic=deterministic, explain=explain, out=out))


@app.command()
def page(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    agent: Agents = None,
    baseline: Baselines = None,
    player: Players = None,
    real: Real = False,
    split: Split = "test",
    piece: Drawn = None,
    performance: Performance = None,
    deterministic: Deterministic = False,
    out: File = None,
) -> None:
    """Show followers on the printed page, in a browser: pages/<piece>-<performance>.html."""
    from sfpipe.viewing.contestants import entries
    from sfpipe.viewing.page import page as make

    p, paths, which = _shown(params, dataset, real, split, piece, performance)
    who = entries(agents=agent or [], baselines=baseline or [], players=player or [])
    print(make(p, paths, who, which, deterministic=deterministic, out=out))


@app.command()
def play(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    agent: Annotated[str | None, typer.Option(help="To compare with; folder or name.")] = None,
    real: Real = False,
    split: Split = "test",
    piece: Drawn = None,
    performance: Performance = None,
) -> None:
    """Play yourself, in a window: arrow keys change your reading speed."""
    from sfpipe.viewing.play import play as start

    p, paths, which = _shown(params, dataset, real, split, piece, performance)
    print(start(p, paths, agent, which).text())


@app.command()
def baseline(
    name: Annotated[str, typer.Argument(help="midi-odtw or mm-loc.")],
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    split: Annotated[str | None, typer.Option(help="train, valid or test.")] = None,
    trials: Annotated[int | None, typer.Option(help="Games per performance.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Train its model again.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the result.")] = Path("metrics/baselines"),
) -> None:
    """Let a baseline follow all test pieces: metrics/baselines/<name>.json."""
    from sfpipe.baselines.registry import Sources
    from sfpipe.evaluation.baseline import evaluate_baseline as stage
    from sfpipe.params import override

    p, _, paths = _setting(params, dataset)
    chosen = override(p.evaluate, trials=trials, split=split)
    files = (paths.scores, paths.spectrograms, paths.engraved)
    models, checkpoints = Path("models/baselines"), Path("models/checkpoints")
    sources = Sources(*files, p.baselines, p.synthesize, p.seed, models, checkpoints)
    stage(name, chosen, sources, out, seed=p.seed, train=train)


@app.command()
def tables(
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("metrics"),
    pretrained: Annotated[Path, typer.Option(help="Folder of the published agents.")] = Path(
        "models/pretrained"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the tables.")] = Path("metrics"),
) -> None:
    """Print Tables 3 and 4 beside the paper's, and write metrics/table3.md, table4.md."""
    from sfpipe.evaluation.tables import write_tables

    for path in write_tables(results, pretrained, out):
        print(path.read_text("utf-8"))


@app.command()
def publish(
    name: Annotated[str, typer.Argument(help="Name, e.g. nottingham-ppo.")],
    agent: Annotated[Path, typer.Option(help="Folder of the agent.")] = Path("models/agent"),
    results: Annotated[Path, typer.Option(help="Results of its evaluation.")] = Path(
        "metrics/eval.json"
    ),
) -> None:
    """Put a trained agent with its test figures under models/pretrained/."""
    from sfpipe.publishing import publish as put

    print(put(name, agent, results))


@app.command()
def summary(
    results: Annotated[Path, typer.Argument(help="Results of an evaluation.")] = Path(
        "metrics/eval.json"
    ),
) -> None:
    """Print the result table of the last evaluation."""
    from sfpipe.evaluation.report import summary as text
    from sfpipe.files import read_json

    print(text(read_json(results, remedy="run 'dvc repro evaluate'"), file=results))


@app.command()
def curves(
    agents: Annotated[list[Path] | None, typer.Argument(help="Agents whose curves to add.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of these trainings.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the curves.")] = Path("metrics/curves"),
) -> None:
    """Draw learning curves beside each other, and say when each reached R_on 0.9 and 0.99."""
    from sfpipe.agents.agent import find_agent
    from sfpipe.evaluation.curves import draw, read_curves, save_curve, table

    for agent in agents or []:
        save_curve(find_agent(agent), out, name)
    found = read_curves(out)
    print(table(found), end="")
    print(draw(found, out / "curves.png"))


@app.command()
def pack(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    out: Annotated[Path | None, typer.Option(help="Default: data/packed/<dataset>.h5.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    performances: Annotated[int | None, typer.Option(help="Per piece; default: all.")] = None,
    step: Annotated[float, typer.Option(help="Of the spectrograms' values; 0: exact.")] = 1 / 64,
    limit: Annotated[float, typer.Option(help="Largest size, MiB.")] = 60.0,
) -> None:
    """Put all that training needs into one small file: data/packed/<dataset>.h5."""
    from sfpipe.store.pack import pack as put

    _, _, paths = _setting(params, dataset)
    packed = put(
        paths.scores,
        paths.spectrograms,
        out or paths.packed,
        splits=split or ("train", "valid"),
        performances=performances,
        step=step,
        limit_mib=limit,
    )
    print(packed)


@app.command()
def unpack(
    file: Annotated[Path, typer.Argument(help="File of 'sfpipe pack'.")],
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
) -> None:
    """Make both stores from a packed file: data/scores/, data/spectrograms/."""
    from sfpipe.store.pack import unpack as make

    _, _, paths = _setting(params, dataset)
    make(file, paths.scores, paths.spectrograms)
    print(f"{paths.scores}\n{paths.spectrograms}")


@app.command()
def inspect(file: Annotated[Path, typer.Argument(help="An HDF5 store.")]) -> None:
    """Print what is inside an HDF5 store."""
    from sfpipe.store.inspect import text

    print(text(file))


@app.command()
def show_alignment(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    piece: Annotated[list[str] | None, typer.Option(help="Piece; may be repeated.")] = None,
    random: Annotated[int, typer.Option(min=1, help="How many pieces to draw at random.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")] = Path("alignment"),
) -> None:
    """Draw the onset positions over the strips, to look at."""
    from sfpipe.score.alignment_overlay import show_alignment as draw

    _, _, paths = _setting(params, dataset)
    for path in draw(paths.scores, out, pieces=piece or None, n_random=random, seed=seed):
        print(path)


@app.command()
def embed(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    agent: Agent = AGENT,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    max_states: Annotated[int, typer.Option(min=0, help="States in the map; 0: all.")] = 20_000,
    out: Looked = LOOKED,
) -> None:
    """Map the states an agent visits by its network's embedding (section 5.1)."""
    from sfpipe.inspection.embedding import embed as draw

    p, _, paths = _setting(params, dataset)
    subject = _subject(agent, paths, p.seed, split=split)
    places = {"scores": paths.scores, "engraved": paths.engraved}
    for path in draw(subject, out, **places, seed=p.seed, max_states=max_states):
        print(path)


@app.command()
def explain(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    agent: Agent = AGENT,
    piece: Piece = None,
    frame: Annotated[int | None, typer.Option(help="Frame of the performance.")] = None,
    offset: Annotated[float | None, typer.Option(help="How far behind and ahead, px.")] = None,
    out: Looked = LOOKED,
) -> None:
    """Show what an agent does behind and ahead of the target, and why (section 5.2)."""
    from sfpipe.inspection.policy import explain as draw

    p, _, paths = _setting(params, dataset)
    subject = _subject(agent, paths, p.seed, split="test", piece=piece)
    which = subject.performance(piece, p.seed)
    for path in draw(subject, out, performance=which, frame=frame, offset_px=offset):
        print(path)


@app.command()
def tempo(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    agent: Agent = AGENT,
    piece: Piece = None,
    seconds: Annotated[float, typer.Option(min=1, help="How much of the piece to draw.")] = 20,
    out: Looked = LOOKED,
) -> None:
    """Draw a piece's optimal tempo and actions beside the agent's own (section 3.5)."""
    from sfpipe.inspection.tempo_curve import tempo as draw

    p, _, paths = _setting(params, dataset)
    subject = _subject(agent, paths, p.seed, split="test", piece=piece)
    which = subject.performance(piece, p.seed)
    for path in draw(subject, out, performance=which, seconds=seconds):
        print(path)


@app.command()
def report(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    metrics: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("metrics"),
    pages: Annotated[Path, typer.Option(help="Folder of page views to link.")] = Path("pages"),
    out: Annotated[Path, typer.Option(help="The report.")] = Path("report.html"),
) -> None:
    """Write one page about the current experiment: tables, curves, errors, worst pieces."""
    from sfpipe.inspection.report import report as write

    _, _, paths = _setting(params, dataset)
    print(write(metrics, out, engraved=paths.engraved, pages=pages))


@app.command()
def import_tismir(
    folder: Annotated[Path, typer.Argument(help="Folder with score/ and performance/.")],
    dataset: Annotated[str, typer.Option(help="Name of the new data set.")],
    params: ParamsFile = PARAMS,
    split: Annotated[str, typer.Option(help="Split of all its pieces.")] = "test",
    soundfont: Annotated[str, typer.Option(help="For performances that are MIDI.")] = "FluidR3_GM",
) -> None:
    """Read the 2019 authors' own file layout into the stores."""
    from sfpipe.datasets.tismir import import_tismir as stage

    p, _, paths = _setting(params, dataset)
    stage(
        folder,
        dataset,
        paths.scores,
        paths.spectrograms,
        split=split,
        soundfont=soundfont,
        gain=p.synthesize.gain,
    )


@app.command()
def import_msmd(
    folder: Annotated[Path, typer.Argument(help="The unpacked archive, or one of its folders.")],
    dataset: Annotated[str, typer.Option(help="Name of the new data set.")],
    params: ParamsFile = PARAMS,
    soundfont: Annotated[str, typer.Option(help="For performances that are MIDI.")] = "FluidR3_GM",
    tempo: Annotated[
        list[int] | None, typer.Option(help="Of MSMD v1.1, in thousandths; default: 1000.")
    ] = None,
) -> None:
    """Read an original MSMD archive (v1.1 or page version) into the stores."""
    from sfpipe.datasets.msmd_archive import import_msmd as stage

    p, _, paths = _setting(params, dataset)
    stage(
        folder,
        dataset,
        paths.scores,
        paths.spectrograms,
        soundfont=soundfont,
        gain=p.synthesize.gain,
        tempi=tempo or [1000],
    )


@app.command()
def import_recordings(
    folder: Annotated[Path, typer.Argument(help="Holds <piece>/ with a score and recordings.")],
    dataset: Annotated[str, typer.Option(help="Name of the new data set.")],
    params: ParamsFile = PARAMS,
    melody: Annotated[bool, typer.Option(help="Scores are melodies, not piano music.")] = False,
) -> None:
    """Read your own scores and recordings, for evaluate --real-performances."""
    from sfpipe.real.recordings import import_recordings as stage

    p, _, paths = _setting(params, dataset)
    outs = (paths.engraved, paths.scores, paths.performances)
    engrave = p.engrave if melody else None
    for line in stage(folder, dataset, *outs, melody=engrave):
        print(line)


@app.command()
def doctor() -> None:
    """List every external thing, its version, and the remedy when it is missing."""
    from sfpipe.doctor import checks, render

    found = checks()
    print(render(found))
    raise typer.Exit(0 if all(c.ok for c in found if c.required) else 1)


def _evaluate_real(p, dataset: str | None, chosen, agent: Path, out: Path) -> None:
    """Human performances instead of a split of the data set."""
    from sfpipe.baselines.registry import Sources
    from sfpipe.evaluation.real import evaluate_real
    from sfpipe.paths import Paths

    paths = Paths(dataset or REAL)
    # `sfpipe import-tismir` puts human performances where the synthesised ones are.
    made = paths.performances.is_file() or not paths.spectrograms.is_file()
    store = paths.performances if made else paths.spectrograms
    files = (paths.scores, store, paths.engraved)
    sources = Sources(*files, p.baselines, p.synthesize)
    evaluate_real(chosen, sources, agent, out, seed=p.seed, baselines=p.baselines.names)


def _shown(
    params: Path,
    dataset: str | None,
    real: bool,
    split: str,
    piece: str | None,
    performance: str | None,
):
    """The parameters, the paths, and which performance is looked at."""
    from sfpipe.viewing.choose import Wanted

    name = dataset or (REAL if real else None)
    p, _, paths = _setting(params, name)
    return p, paths, Wanted(split, piece, performance, real)


def _setting(params: Path, dataset: str | None):
    """The parameters, the data set's name, and the paths of its files."""
    from sfpipe.params import load_params
    from sfpipe.paths import Paths

    loaded = load_params(params)
    name = dataset or loaded.dataset
    return loaded, name, Paths(name)


def _subject(agent: Path, paths, seed: int, *, split: str, piece: str | None = None):
    """The agent, and what it is studied on."""
    from sfpipe.agents.agent import find_agent
    from sfpipe.inspection.states import load_subject

    folder = find_agent(agent)
    stores = paths.scores, paths.spectrograms
    return load_subject(folder, *stores, split=split, piece=piece, seed=seed)


def _cluster(scheduler: str | None):
    """A Dask cluster as joblib's backend, or nothing."""
    from contextlib import nullcontext

    if scheduler is None:
        return nullcontext()
    from sfpipe.parallel import cluster

    return cluster(scheduler)
