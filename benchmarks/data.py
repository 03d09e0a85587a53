"""What the benchmarks play: some tunes through the real data stages."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import reference_style as reference
from sfpipe.params import load_params, override
from sfpipe.store.bank import Bank, load_bank
from sfpipe.store.reader import read_scores
from sfpipe.store.window import WINDOWS

PIECES = 24
PARAMS = Path(__file__).parent.parent / "params.yaml"


@contextmanager
def data(folder: Path | None) -> Iterator[tuple[Path, dict[str, float]]]:
    """A folder with the engraved tunes and both stores, and how long making them took."""
    if folder is not None:
        yield folder, {} if (folder / "scores.h5").exists() else prepare(folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary), prepare(Path(temporary))


def prepare(root: Path) -> dict[str, float]:
    """Run the data stages on some tunes; seconds per stage."""
    from sfpipe.audio.stage import spectrograms, synthesize
    from sfpipe.cleaning.stage import clean
    from sfpipe.datasets.stage import download
    from sfpipe.engraving.stage import engrave
    from sfpipe.score.stage import scores

    p = load_params(PARAMS)
    few = override(p.download, max_pieces=PIECES)
    once = override(p.synthesize, train=override(p.synthesize.train, per_piece=1))
    tall = p.scores.model_copy(update={"height_px": 160})
    stages: dict[str, Callable[[], object]] = {
        "download": lambda: download("ryan", few, p.seed, root / "raw"),
        "engrave": lambda: engrave(p.engrave, root / "raw", root / "engraved"),
        "clean": lambda: clean(p.clean, root / "engraved", root / "clean.json"),
        "synthesize": lambda: synthesize(
            once, root / "clean.json", root / "engraved", root / "audio", seed=p.seed
        ),
        "spectrograms": lambda: spectrograms(
            p.spectrograms,
            root / "audio",
            root / "clean.json",
            root / "spectrograms.h5",
            dataset="ryan",
        ),
        "scores": lambda: scores(
            tall, root / "clean.json", root / "engraved", root / "scores.h5", dataset="ryan"
        ),
    }
    took = {}
    for name, stage in stages.items():
        started = time.perf_counter()
        stage()
        took[name] = time.perf_counter() - started
    return took


def augmented(root: Path) -> Path:
    """The spectrogram store of the same tunes with two augmented performances of each beside."""
    from sfpipe.audio.stage import spectrograms, synthesize

    store = root / "augmented.h5"
    if not store.exists():
        p = load_params(PARAMS)
        more = override(
            p.synthesize,
            train=override(p.synthesize.train, per_piece=1),
            # Rooms take an optional package and minutes to make, and cost training nothing either.
            augment=override(p.synthesize.augment, copies=2, room_share=0),
        )
        clean, audio = root / "clean.json", root / "audio-augmented"
        synthesize(more, clean, root / "engraved", audio, seed=p.seed)
        spectrograms(p.spectrograms, audio, clean, store, dataset="ryan")
    return store


def banks(root: Path) -> dict[str, tuple[Bank, list[reference.Song]]]:
    """For both windows, everything played: as a bank, and as the reference holds it."""
    strips = {piece: record.strip for piece, record in read_scores(root / "scores.h5").items()}
    found = {}
    for name, window in WINDOWS.items():
        bank = load_bank(root / "scores.h5", root / "spectrograms.h5", window)
        found[name] = (bank, reference.songs_of(bank, strips))
    return found
