"""Any score, followed live: in a terminal or in a browser."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfpipe.commands.options import LivePitch, in_group
from sfpipe.errors import SfpipeError

if TYPE_CHECKING:
    from sfpipe.live.sources import SoundStream

command = in_group("follow")
Anywhere = Annotated[
    bool,
    typer.Option("--anywhere/--in-order", help="Whether the music may jump and begin anywhere."),
]
REMEDY = "name --audio FILE, --midi FILE, --mic or --keyboard"

Score = Annotated[Path, typer.Argument(help="PDF, picture, MusicXML, MEI, ABC, MIDI or LilyPond.")]
LiveAgent = Annotated[
    str | None, typer.Option("--agent", help="Agent; default: by the number of staves.")
]
Staves = Annotated[
    int | None, typer.Option(min=1, help="Staves of a system to follow, from the lowest.")
]


@command()
def follow(
    score: Score,
    audio: Annotated[Path | None, typer.Option(help="A recording, in any format.")] = None,
    mic: Annotated[bool, typer.Option("--mic", help="Listen to the microphone.")] = False,
    midi: Annotated[Path | None, typer.Option(help="A MIDI file.")] = None,
    keyboard: Annotated[
        str | None, typer.Option(help='A MIDI port, by the begin of its name; "": the first.')
    ] = None,
    agent: LiveAgent = None,
    staves: Staves = None,
    anywhere: Anywhere = True,
    out: Annotated[Path | None, typer.Option(help="Table of the positions (CSV).")] = None,
    page: Annotated[
        Path | None, typer.Option(help="A page (HTML) with the score, the sound and the cursor.")
    ] = None,
    *,
    pitch: LivePitch,
) -> None:
    """Follow any score through a recording, a microphone, a MIDI file or a keyboard."""
    from sfpipe.audio.decoding import AUDIO_SUFFIXES
    from sfpipe.following.registry import load_follower
    from sfpipe.live.engine import LiveEngine
    from sfpipe.live.follow import describe, describe_time, follow_sound, write_positions
    from sfpipe.live.midi import synthesize_performance
    from sfpipe.live.notes import NOTES, follow_notes
    from sfpipe.live.replay import write_replay
    from sfpipe.pages.read import read_pages

    named = [source for source in (audio, midi, keyboard, mic or None) if source is not None]
    if len(named) != 1:
        what = "only one performance can be followed at once"
        raise SfpipeError(what if named else "what is to be followed?", remedy=REMEDY)
    if score.suffix.lower() in AUDIO_SUFFIXES:
        remedy = "name the score first, and the recording after --audio"
        raise SfpipeError("is a recording, not a score", file=score, remedy=remedy)
    told = pitch.told()
    page_set = read_pages(score, staves=staves)
    follower = None
    if agent == NOTES:
        follower = follow_notes(page_set)
    elif agent:
        follower = load_follower(agent, deterministic=True)
    engine = LiveEngine(page_set, follower, told, anywhere=anywhere)
    positions = []
    said: tuple[int, str] | None = None
    pitch_said: tuple[str, int, bool] | None = None
    with _source(audio, midi, keyboard) as sound:
        try:
            for position in follow_sound(engine, sound):
                positions.append(position)
                known = position.pitch, position.semitones, position.pitch_confidence > 0
                if known != pitch_said:
                    pitch_said = known
                    print(f"{describe_time(position)}  {position.pitch_words}", flush=True)
                if (position.system, position.state) != said:
                    said = position.system, position.state
                    print(describe(position, len(page_set.systems)), flush=True)
        except KeyboardInterrupt:  # how one stops listening to a microphone
            pass
    if out:
        write_positions(out, positions)
        print(out)
    if page:
        write_replay(page, page_set, positions, synthesize_performance(midi) if midi else audio)
        print(page)


def _source(
    audio: Path | None, midi: Path | None, keyboard: str | None
) -> AbstractContextManager[SoundStream]:
    """What is named; else the microphone."""
    from sfpipe.live import midi as ports
    from sfpipe.live.sources import microphone, recording

    if audio is not None:
        return recording(audio)
    if midi is not None:
        return ports.midi_file(midi)
    return microphone() if keyboard is None else ports.keyboard(keyboard)


@command()
def serve(
    score: Annotated[Path | None, typer.Argument(help="Shown at once.")] = None,
    port: Annotated[int | None, typer.Option(help="Default: 8642, or any that is free.")] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0: other machines, too.")] = "127.0.0.1",
    agent: LiveAgent = None,
    staves: Staves = None,
    anywhere: Anywhere = True,
    example: Annotated[bool, typer.Option("--example", help="Show the package's example.")] = False,
    browser: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share those who follow.")
    ] = 1,
    certificate: Annotated[Path | None, typer.Option(help="PEM file, for https.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, PEM file.")] = None,
    *,
    pitch: LivePitch,
) -> None:
    """Follow any score in a browser: prints the address."""
    from sfpipe.errors import optional

    optional("uvicorn", "live"), optional("starlette", "live"), optional("websockets", "live")
    from sfpipe.live.server import Served, serve

    def ready(address: str) -> None:
        print(address, flush=True)
        if browser:
            _open_browser(address)

    served = Served(score, example, agent, staves, host, pitch.told(), anywhere)
    serve(served, port, workers=workers, certificate=certificate, key=key, ready=ready)


def _open_browser(address: str) -> None:
    """Show a page, where there is a screen: browsers for terminals can do nothing with it."""
    import webbrowser

    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if screen or sys.platform in ("darwin", "win32"):
        webbrowser.open(address)
    else:
        print("open this address in a browser", flush=True)
