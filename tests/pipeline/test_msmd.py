"""MSMD through all stages of data, from the real sources; it needs LilyPond and the mirror."""

import numpy as np
import pytest

from sfpipe.audio.soundfonts import DECLARED, find_soundfont
from sfpipe.audio.stage import spectrograms, synthesize
from sfpipe.cleaning.stage import clean
from sfpipe.datasets.index import read_index, write_index
from sfpipe.datasets.stage import download
from sfpipe.engraving.stage import engrave
from sfpipe.params import load_params
from sfpipe.score.stage import scores
from sfpipe.store.bank import load_bank
from sfpipe.store.reader import read_scores, strip_height
from sfpipe.store.window import window_for
from tests.pipeline.closure import ROOT

# Repeats and grace notes; chorale; two voices on a staff; triplets; chords and ties.
PIECES = (
    "Anonymous__lesgraces__lesgraces",
    "BachJS__BWV259__bwv-259",
    "BachJS__BWV1006a__bwv-1006a_5",
    "BurgmullerJFF__O100__25EF-03",
    "BrahmsJ__O39__waltz-op39-10",
)


@pytest.mark.slow
def test_five_pieces_from_their_sources_to_the_stores(mirror, lilypond, tmp_path):
    if find_soundfont(DECLARED["TimGM6mb"]) is None:
        pytest.skip("the sound font TimGM6mb is not on this machine: see `sfpipe doctor`")
    p = load_params(ROOT / "params.yaml")
    raw, engraved, verdict = tmp_path / "raw", tmp_path / "engraved", tmp_path / "clean.json"
    download("msmd", p.download, p.seed, raw, mirror=str(mirror))
    index = read_index(raw)
    index.pieces[:] = [piece for piece in index.pieces if piece.id in PIECES]
    write_index(raw, index)
    assert len(engrave(p.engrave, raw, engraved).done) == len(PIECES)
    judged = clean(p.clean, engraved, verdict)
    assert judged["rejected"] == {}
    plain = p.synthesize.test.model_copy(update={"soundfonts": ["TimGM6mb"]})
    chosen = p.synthesize.model_copy(update={"train": plain, "test": plain})
    synthesize(chosen, verdict, engraved, tmp_path / "audio", seed=p.seed)
    specs, strips = tmp_path / "spectrograms.h5", tmp_path / "scores.h5"
    spectrograms(p.spectrograms, tmp_path / "audio", verdict, specs, dataset="msmd")
    scores(p.scores, verdict, engraved, strips, dataset="msmd")
    window = window_for(strip_height(strips))
    assert window.name == "msmd"
    for split, names in judged["accepted"].items():
        if names:
            bank = load_bank(strips, specs, window, split=split, device="cpu")
            assert len(bank) == len(names)
    for record in read_scores(strips).values():
        assert record.strip.shape[0] == 200 and (np.diff(record.onset_quarter) > 0).all()


def test_les_graces_is_where_the_original_has_it(mirror, reference, lilypond, tmp_path):
    """Our strip beside the authors' own: the same music at the same place within a few pixels."""
    p = load_params(ROOT / "params.yaml")
    download("msmd", p.download, p.seed, tmp_path / "raw", mirror=str(mirror))
    index = read_index(tmp_path / "raw")
    index.pieces[:] = [piece for piece in index.pieces if piece.id == PIECES[0]]
    write_index(tmp_path / "raw", index)
    engrave(p.engrave, tmp_path / "raw", tmp_path / "engraved", jobs=1)
    clean(p.clean, tmp_path / "engraved", tmp_path / "clean.json")
    scores(
        p.scores, tmp_path / "clean.json", tmp_path / "engraved", tmp_path / "s.h5", dataset="msmd"
    )
    ours = read_scores(tmp_path / "s.h5")[PIECES[0]]
    golden = np.load(reference / "trajectories" / f"inputs_{PIECES[0]}.npz")
    assert abs(ours.strip.shape[1] - golden["sheet"].shape[1]) < 12
    assert ours.strip.shape[0] == golden["sheet"].shape[0]
    theirs = np.unique(golden["coords"][:, 1])
    nearest = np.abs(ours.onset_x_px[:, None] - theirs[None]).min(axis=1)
    assert len(ours.onset_x_px) == pytest.approx(len(theirs), abs=3)
    assert np.median(nearest) < 8
