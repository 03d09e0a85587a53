"""All readers of files, each with what it reads: valid files, and how they are made wrong."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from PIL import Image
from starlette.websockets import WebSocket

from sfpipe import params
from sfpipe.agents.agent import save_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.alignment.notes import read_match, read_score_notes
from sfpipe.audio.decoding import find_ffmpeg
from sfpipe.audio.files import load_audio, write_flac
from sfpipe.audio.midi import read_midi
from sfpipe.audio.onset_files import score_onsets, write_onsets
from sfpipe.audio.performances import made_files
from sfpipe.audio.stage import spectrograms
from sfpipe.baselines.mm_loc import MmLoc, load_mm_loc, save_mm_loc
from sfpipe.cleaning.stage import clean
from sfpipe.datasets.catalogue import NOTTINGHAM
from sfpipe.datasets.fetch import fetch_files
from sfpipe.datasets.index import read_index, validate
from sfpipe.engraving.files import read_description, read_noteheads, read_systems
from sfpipe.engraving.lilypond.placement import read_placement
from sfpipe.engraving.lilypond.source import decode, version_of
from sfpipe.engraving.mei import write_mei
from sfpipe.engraving.piece import is_done, read_melody
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.report import summary
from sfpipe.evaluation.schema import read_evaluation
from sfpipe.evaluation.tables import read_tables
from sfpipe.files import write_json
from sfpipe.following.registry import load_follower
from sfpipe.importers import msmd_npz, msmd_v1, tismir
from sfpipe.importers.msmd_pages import unroll_pages
from sfpipe.importers.recordings import import_recordings
from sfpipe.inspection.report import write_report
from sfpipe.live.engine import LiveEngine
from sfpipe.live.server import EXAMPLE_SCORE
from sfpipe.live.session import LiveSession
from sfpipe.omr.musicxml import read_musicxml
from sfpipe.pages.read import read_pages
from sfpipe.params.loading import load_params
from sfpipe.paths import Paths
from sfpipe.publishing import publish
from sfpipe.real_performances.sound_alignment import Features, warp
from sfpipe.score.stage import scores, unroll_piece
from sfpipe.store.bank import load_bank
from sfpipe.store.inspect import describe_store
from sfpipe.store.pack import pack, unpack
from sfpipe.store.reader import (
    augmentation,
    dataset_of,
    list_performances,
    read_performances,
    read_scores,
    strip_height,
)
from sfpipe.store.schema import SAMPLE_RATE
from sfpipe.store.window import WINDOWS
from sfpipe.training.checkpoint import load_checkpoint, save_checkpoint
from tests.alignment.conftest import write_tiny
from tests.datasets.test_fetch import FILES, INDEX, archive
from tests.fuzz.mutations import (
    any_of,
    mutate_bytes,
    mutate_hdf5,
    mutate_json,
    mutate_text,
    mutate_zip,
)
from tests.fuzz.run import Reader
from tests.importers.test_msmd_archive import write_npz, write_v1
from tests.importers.test_tismir import write_piece
from tests.notation.midi import midi_file
from tests.notation.test_musicxml import ATTRIBUTES, TEMPO, document
from tests.notation.test_random_edits import MEASURES, TRACK, TUNES
from tests.pages.music import musicxml as printed_music
from tests.pages.printed import verovio_pages
from tests.pipeline.closure import ROOT
from tests.store.test_stores import performance, score, scores_file, spectrograms_file
from tests.tunes import engrave_toy

PUBLISHED = ROOT / "models" / "pretrained" / "nottingham-ppo"
HERE = Path()
text_or_bytes = any_of(mutate_text, mutate_text, mutate_bytes)
json_or_bytes = any_of(mutate_json, mutate_json, mutate_json, mutate_text, mutate_bytes)


def each(*reads: Callable[[], Any]) -> None:
    """All of the readings; the first refusal is raised when all have been tried."""
    refused: list[SfpipeError] = []
    for one in reads:
        try:
            one()
        except SfpipeError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def by_suffix(**reads: Callable[[Path], Any]) -> Callable[[list[Path]], None]:
    """Read each file that was changed as its suffix says."""

    def read(changed: list[Path]) -> None:
        each(*(lambda p=path: reads[p.suffix[1:]](p) for path in changed))

    return read


# Melodies


def melodies(folder: Path) -> None:
    for i, tune in enumerate(TUNES):
        (folder / f"{i}.abc").write_text(tune)
    xml = document(ATTRIBUTES + TEMPO + MEASURES[0], *MEASURES[1:])
    (folder / "a.musicxml").write_bytes(xml)
    (folder / "a.mid").write_bytes(midi_file(TRACK))
    compress(xml, folder / "a.mxl")


def compress(xml: bytes, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as box:
        root = '<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>'
        box.writestr("META-INF/container.xml", root)
        box.writestr("s.xml", xml)


def melody(path: Path) -> None:
    read_melody(path, None, params.EngraveParams())


# Piano music


def lilypond(folder: Path) -> None:
    shutil.copy(ROOT / "tests/data/piano.ly", folder)
    placed = {
        "output_scale": 1.75,
        "top_margin": 10.0,
        "start": [0, 1, 0, 1],
        "systems": [
            {
                "page": 1,
                "x": 1.0,
                "y": 2.0,
                "staves": [[1.0, 2.0, 3.0, 4.0, 5.0, 1.0]],
                "heads": [[1.0, 2.0, 3.0, 1.0, 60, 2, False, True, 0, 1, 0, 1, 1, 4]],
            }
        ],
    }
    (folder / "placed.json").write_text(json.dumps(placed))


def lilypond_text(changed: list[Path]) -> None:
    version_of(decode((HERE / "piano.ly").read_bytes()))
    read_placement(HERE / "placed.json")


# Human performances


def tiny(folder: Path) -> None:
    write_tiny(folder)


# Sound


def recordings(folder: Path) -> None:
    sound = (8000 * np.sin(np.arange(11_025) / 9)).astype(np.int16)
    soundfile.write(folder / "a.wav", sound, 22_050)
    soundfile.write(folder / "b.wav", np.stack([sound, sound], 1), 44_100, subtype="PCM_24")
    soundfile.write(folder / "a.aiff", sound, 22_050)
    write_flac(folder / "a.flac", sound)
    for name in ("a.mp3", "a.ogg", "a.m4a", "a.webm"):
        command = [find_ffmpeg(), "-v", "error", "-i", folder / "a.wav", folder / name]
        subprocess.run(command, check=True)


def recording(path: Path) -> None:
    load_audio(path, tell=lambda line: None)


# A user's own score and recordings


def own_recordings(folder: Path) -> None:
    written = write_tiny(folder)
    (folder / "mine" / "tiny").mkdir(parents=True)
    for name, path in (("score.musicxml", written.score), ("a.mid", written.midi)):
        path.rename(folder / "mine" / "tiny" / name)
    written.match.rename(folder / "mine" / "tiny" / "b.match")
    sound = np.zeros(8 * SAMPLE_RATE, np.int16)
    for onset in written.onset_s:
        start = round(onset * SAMPLE_RATE)
        sound[start : start + 8000] += (4000 * np.sin(np.arange(8000) / 9)).astype(np.int16)
    for name in ("a.flac", "b.flac"):
        write_flac(folder / "mine" / "tiny" / name, sound)


def import_own(changed: list[Path]) -> None:
    own, said = load_params(ROOT / "params.yaml"), []
    import_recordings(HERE / "mine", own, Paths("own", HERE / "data"), jobs=1, tell=said.append)
    if left_out := [line for line in said if "left out: " in line and "folders left" not in line]:
        raise SfpipeError(left_out[0])


def compile_alignment() -> None:
    """What aligning sound with sound waits for once, 16 s on a slow core."""
    sound = Features(np.ones((12, 100), np.float32), np.ones((12, 100), np.float32), 0)
    warp(sound, sound)


# Scores that are followed: pages, and what a browser sends


def printed_page(folder: Path) -> None:
    page = verovio_pages(printed_music(3, staves=1), "Leland")[0].image(110)
    picture = Image.fromarray(page)
    for suffix in ("png", "jpg", "tif", "webp", "bmp", "pdf"):
        picture.save(folder / f"page.{suffix}")


def notation(folder: Path) -> None:
    melodies(folder)
    (folder / "a.musicxml").write_text(printed_music(4))
    compress(printed_music(4).encode(), folder / "a.mxl")
    mei = write_mei(read_melody(folder / "0.abc", None, params.EngraveParams()).score)
    (folder / "a.mei").write_text(mei)


def page(path: Path) -> None:
    read_pages(path)


def messages(folder: Path) -> None:
    stream = {"type": "open", "rate": 16_000, "channels": 2}
    place = {"type": "place", "page": 0, "x": 300.5, "y": 80}
    said = [stream, place, {"type": "restart"}, {"type": "end"}, stream]
    (folder / "messages.json").write_text(json.dumps(said))
    (folder / "sound").write_bytes(np.sin(np.arange(8000) / 9).astype("<f4").tobytes())


@cache
def engine() -> LiveEngine:
    return LiveEngine(read_pages(EXAMPLE_SCORE))


def talk(changed: list[Path]) -> None:
    text = (HERE / "messages.json").read_text("utf-8", "replace")
    try:
        told = [json.dumps(one) for one in json.loads(text)]
    except (ValueError, TypeError, RecursionError):
        told = [text]
    sound = (HERE / "sound").read_bytes()
    events: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    for one in told:
        events += [{"type": "websocket.receive", "text": one}]
        events += [{"type": "websocket.receive", "bytes": sound}] * ('"open"' in one)
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return events.pop(0) if events else {"type": "websocket.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    async def connect() -> None:
        socket = WebSocket({"type": "websocket", "headers": []}, receive, send)
        await socket.accept()
        await LiveSession(socket, engine()).run()

    asyncio.run(connect())
    said = [json.loads(a["text"]) for a in answers if a["type"] == "websocket.send"]
    if errors := [one["text"] for one in said if one["type"] == "error"]:
        raise SfpipeError(errors[0])


# Stores


def stores(folder: Path) -> None:
    strips = scores_file(folder, {"a": score(), "b": score(1, split="test")})
    played = spectrograms_file(folder, {"a": {"p": performance()}})
    pack(strips, played, folder / "packed.h5")


def all_of_a_store(changed: list[Path]) -> None:
    strips, played, packed = (HERE / f"{n}.h5" for n in ("scores", "spectrograms", "packed"))
    window = replace(WINDOWS["nottingham"])
    each(
        lambda: read_scores(strips),
        lambda: strip_height(strips),
        lambda: describe_store(strips),
        lambda: read_performances(played),
        lambda: list_performances(played),
        lambda: augmentation(played),
        lambda: dataset_of(played),
        lambda: describe_store(played),
        lambda: load_bank(strips, played, window),
        lambda: pack(strips, played, HERE / "new" / "p.h5"),
        lambda: read_scores(packed),
        lambda: read_performances(packed),
        lambda: describe_store(packed),
        lambda: unpack(packed, HERE / "new" / "s.h5", HERE / "new" / "q.h5"),
    )


# Agents and results


def agent(folder: Path) -> None:
    (folder / "agent").mkdir()
    card = json.loads((PUBLISHED / "agent.json").read_text())
    save_agent(folder / "agent", ActorCritic(WINDOWS["nottingham"]), card)


def play_agent(changed: list[Path]) -> None:
    load_follower(HERE / "agent")


def mm_loc(folder: Path) -> None:
    save_mm_loc(folder, MmLoc(WINDOWS["nottingham"], buckets=8), {"seed": 1})


def checkpoint(folder: Path) -> None:
    state = {"w": torch.arange(100.0), "n": 3, "of": {"frames": 7, "name": "ppo", "l": [1, None]}}
    save_checkpoint(folder / "c.pt", state)


def results(folder: Path) -> None:
    for name in ("metrics", "published/nottingham-ppo", "agent"):
        (folder / name).mkdir(parents=True)
    for target in ("metrics/eval.json", "published/nottingham-ppo/eval.json"):
        shutil.copy(PUBLISHED / "eval.json", folder / target)
    evaluation = json.loads((PUBLISHED / "eval.json").read_text())
    figures = {k: v for k, v in evaluation.items() if k not in ("players", "meta")}
    followers = {"ppo": figures, "midi-odtw": figures | {"label": "MIDI-ODTW"}}
    condition = {"label": "room", "simulated": True, "followers": followers}
    real = {"conditions": {"room": condition}, "meta": {**evaluation["meta"], "agent": "ppo"}}
    write_json(folder / "metrics/real.json", real)
    write_json(folder / "metrics/baselines/ryan/midi-odtw.json", evaluation)
    plots = folder / "metrics" / "plots"
    plots.mkdir()
    columns = "piece,performance,r_on,tempo_qpm,onsets_per_s,tracking_ratio\n"
    (plots / "difficulty.csv").write_text(columns + "a,p,0.5,120,2.5,0.5\nb,q,1,90,3,1\n")
    (plots / "error_histogram.csv").write_text("error_px,agent\n-1,0.25\n0,0.5\n1,0.25\n")
    shutil.copy(PUBLISHED / "agent.json", folder / "agent")
    # A card says of no more weights than these.
    torch_file = folder / "agent" / "weights.safetensors"
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(3)}, str(torch_file))


def all_results(changed: list[Path]) -> None:
    evaluation = HERE / "metrics" / "eval.json"

    def report() -> None:
        out, pages = HERE / "report.html", HERE / "pages"
        write_report(HERE / "metrics", out, pages=pages, pretrained=HERE / "published")

    def put() -> None:
        real = HERE / "metrics" / "real.json"
        publish("nottingham-ppo", HERE / "agent", evaluation, HERE / "new", real=real)

    each(
        lambda: summary_of(evaluation),
        lambda: read_tables(HERE / "metrics", HERE / "published"),
        report,
        put,
    )


def summary_of(path: Path) -> None:
    summary(read_evaluation(path), file=path)


# What stages leave


def engraved(folder: Path) -> None:
    engrave_toy(folder)
    for name in ("rich", "waltz", "chords"):
        shutil.rmtree(folder / "engraved" / name)
    index = json.loads((folder / "raw/index.json").read_text())
    index["pieces"] = [p for p in index["pieces"] if p["id"] == "plain"]
    write_json(folder / "raw/index.json", index)
    report = {"done": ["plain"], "skipped": {}}
    write_json(folder / "engraved/report.json", report)
    write_json(folder / "clean.json", {"accepted": {"valid": ["plain"]}})
    audio = folder / "audio" / "plain"
    audio.mkdir(parents=True)
    sound = (8000 * np.sin(np.arange(60_000) / 9)).astype(np.int16)
    write_flac(audio / "font-x1.00.flac", sound)
    write_onsets(audio / "font-x1.00.csv", np.array([0.0, 0.5, 1.0, 2.0]))
    recipe = {"tempo_factor": 1.0, "soundfont": {"name": "font"}, "piece": "plain"}
    write_json(audio / "font-x1.00.json", recipe)
    made = {"fluidsynth": "2.3.1", "augment": None, "skipped": {}}
    write_json(folder / "audio" / "report.json", made)


def all_stages(changed: list[Path]) -> None:
    piece = HERE / "engraved" / "plain"
    each(
        lambda: read_index(HERE / "raw"),
        lambda: validate(HERE / "raw"),
        lambda: is_done(piece, "ab"),
        lambda: read_noteheads(piece).onsets(),
        lambda: score_onsets(piece / "noteheads.csv"),
        lambda: read_systems(piece),
        lambda: read_description(piece),
        lambda: read_midi(piece / "score.mid"),
        lambda: unroll_piece(piece, None),
        lambda: clean(params.CleanParams(), HERE / "engraved", HERE / "new" / "clean.json", jobs=1),
        lambda: scores(
            params.ScoresParams(),
            HERE / "clean.json",
            HERE / "engraved",
            HERE / "s.h5",
            dataset="a",
            jobs=1,
        ),
        lambda: list(made_files(HERE / "audio" / "plain")),
        lambda: spectrograms(
            params.SpectrogramsParams(),
            HERE / "audio",
            HERE / "clean.json",
            HERE / "p.h5",
            dataset="a",
            jobs=1,
        ),
    )


# Other people's archives


def msmd(folder: Path) -> None:
    write_v1(folder / "v1", "piece")
    write_npz(folder / "npz", "piece")


def msmd_v1_piece(changed: list[Path]) -> None:
    piece = HERE / "v1" / "piece"
    names = {p.parent.name for p in msmd_v1.performances(piece).values()}
    unroll_pages(msmd_v1.read_pages(piece, sorted(names)), min(names))


def msmd_npz_piece(changed: list[Path]) -> None:
    [path] = msmd_npz.find_pieces(HERE / "npz").values()
    unroll_pages(msmd_npz.read_pages(path), msmd_npz.RECORDING)


def tar(folder: Path) -> None:
    (folder / "toy.tar.gz").write_bytes(archive(FILES))
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as box:
        info = tarfile.TarInfo("repo-1/a.txt")
        info.size = 3
        box.addfile(info, io.BytesIO(b"one"))
    (folder / "plain.tar").write_bytes(plain.getvalue())


def untar(changed: list[Path]) -> None:
    toy = replace(NOTTINGHAM, mirror_file="toy.tar.gz", prefix="repo-1/")
    fetch_files(toy, mirror=".", hashes=INDEX)


def parameters(folder: Path) -> None:
    shutil.copy(ROOT / "params.yaml", folder)


READERS: dict[str, Reader] = {
    "melodies": Reader(
        melodies,
        {
            "*.abc": text_or_bytes,
            "a.musicxml": text_or_bytes,
            "a.mid": mutate_bytes,
            "a.mxl": any_of(mutate_zip, mutate_bytes),
        },
        by_suffix(abc=melody, musicxml=melody, mid=melody, mxl=melody),
        2,
    ),
    "human performances": Reader(
        tiny,
        {"*.mid": mutate_bytes, "*.match": text_or_bytes, "*.musicxml": text_or_bytes},
        by_suffix(mid=read_midi, match=read_match, musicxml=read_score_notes),
    ),
    "LilyPond": Reader(lilypond, {"*.ly": text_or_bytes, "*.json": json_or_bytes}, lilypond_text),
    "Audiveris": Reader(
        lambda folder: shutil.copy(ROOT / "tests/data/audiveris.musicxml", folder),
        {"*.musicxml": text_or_bytes},
        lambda changed: read_musicxml(changed, (10.0, 500.0)),
        0.5,
    ),
    "recordings": Reader(
        recordings,
        dict.fromkeys(("*.wav", "*.aiff", "*.flac"), mutate_bytes),
        by_suffix(wav=recording, flac=recording, aiff=recording),
    ),
    "recordings by ffmpeg": Reader(
        recordings,
        dict.fromkeys(("*.mp3", "*.ogg", "*.m4a", "*.webm"), mutate_bytes),
        by_suffix(mp3=recording, ogg=recording, m4a=recording, webm=recording),
        0.2,
    ),
    "own recordings": Reader(
        own_recordings,
        {
            "mine/**/*.musicxml": text_or_bytes,
            "mine/**/*.match": text_or_bytes,
            "mine/**/*.mid": mutate_bytes,
            "mine/**/*.flac": mutate_bytes,
        },
        import_own,
        0.1,
        compile_alignment,
    ),
    "pages, pictures": Reader(
        printed_page,
        {"page.*": mutate_bytes},
        by_suffix(**dict.fromkeys(("png", "jpg", "tif", "webp", "bmp", "pdf"), page)),
        0.3,
    ),
    "pages, notation": Reader(
        notation,
        {
            "*.abc": text_or_bytes,
            "*.musicxml": text_or_bytes,
            "*.mei": text_or_bytes,
            "a.mid": mutate_bytes,
            "a.mxl": any_of(mutate_zip, mutate_bytes),
        },
        by_suffix(**dict.fromkeys(("abc", "musicxml", "mei", "mid", "mxl"), page)),
        0.25,
    ),
    "messages of a browser": Reader(
        messages, {"messages.json": json_or_bytes, "sound": mutate_bytes}, talk, 0.5, engine
    ),
    "stores, bytes": Reader(stores, {"*.h5": mutate_bytes}, all_of_a_store, 2),
    "stores, nodes": Reader(stores, {"*.h5": mutate_hdf5}, all_of_a_store, 2),
    "agents": Reader(
        agent,
        {"agent/agent.json": json_or_bytes, "agent/weights.safetensors": mutate_bytes},
        play_agent,
        0.6,
    ),
    "MM-Loc": Reader(
        mm_loc,
        {"*.json": json_or_bytes, "*.safetensors": mutate_bytes},
        lambda changed: load_mm_loc(HERE),
        0.5,
    ),
    "checkpoints": Reader(
        checkpoint,
        {"c.pt": any_of(mutate_bytes, mutate_zip)},
        lambda changed: load_checkpoint(changed[0]),
    ),
    "results": Reader(
        results,
        {
            "**/*.json": json_or_bytes,
            "metrics/plots/*.csv": text_or_bytes,
            "agent/weights.safetensors": mutate_bytes,
        },
        all_results,
        0.35,
    ),
    "stages": Reader(
        engraved,
        {
            "**/*.json": json_or_bytes,
            "**/*.csv": text_or_bytes,
            "**/*.png": mutate_bytes,
            "**/*.mid": mutate_bytes,
            "**/*.flac": mutate_bytes,
        },
        all_stages,
        2,
    ),
    "params.yaml": Reader(
        parameters, {"params.yaml": text_or_bytes}, lambda changed: load_params(changed[0]), 1.5
    ),
    "2019 layout": Reader(
        write_piece,
        {"score/*.npz": any_of(mutate_bytes, mutate_zip)},
        by_suffix(npz=tismir.read_score),
    ),
    "MSMD, pages": Reader(
        msmd, {"npz/**/*.npz": any_of(mutate_bytes, mutate_zip)}, msmd_npz_piece, 0.5
    ),
    "MSMD v1.1": Reader(
        msmd, {"v1/**/*.xml": text_or_bytes, "v1/**/*.png": mutate_bytes}, msmd_v1_piece, 0.5
    ),
    "archives": Reader(tar, {"toy.tar.gz": mutate_bytes}, untar, 0.5),
}
