"""Labelled crops: the labels are those of the stores, the same seed draws the same."""

import numpy as np
import pytest
import torch

from sfpipe.belief.network import COLUMNS
from sfpipe.params import BeliefParams
from sfpipe.store.bank import Bank
from sfpipe.store.window import WINDOWS, Window
from sfpipe.training.belief_crops import (
    BeliefCropCutter,
    Jump,
    _reverberate,
    photographed,
    tempo_labels,
)
from tests.toy import UNEQUAL, performance_record, score_record, two_pieces

PLAIN = {"gain_db": 0.0, "equaliser_db": 0.0, "noise": 0.0}
PARAMS = BeliefParams(crops=6, frames=30, places=64, **PLAIN)


def sampler(window: Window, params: BeliefParams = PARAMS) -> BeliefCropCutter:
    scores, performances = two_pieces(window, **UNEQUAL)
    return BeliefCropCutter(Bank(scores, performances, window), scores, params)


def sample(of: BeliefCropCutter, seed: int = 0):
    return of.sample(torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", WINDOWS)
def test_shapes(name):
    window = WINDOWS[name]
    s = sampler(window)
    crops = sample(s)
    assert s.before == 66
    assert crops.strip.shape == (6, 1, window.image_shape[0], 64 * COLUMNS)
    assert crops.sound.shape == (6, 1, 78, s.before + 30)
    assert crops.target.shape == crops.played.shape == (6, 30)
    assert crops.log_quarters_per_px.shape == (6, 64)


@pytest.mark.parametrize("name", WINDOWS)
def test_sound_strip_and_target_belong_together(name):
    """The frame and the columns that a passage shows are found in the bank where it says."""
    s = sampler(WINDOWS[name])
    bank = s.bank
    sound = bank.spectrogram.numpy()
    seen = 0
    for seed in range(4):
        crops = sample(s, seed)
        for i in range(6):
            first = crops.sound[i, 0, :, s.before].numpy()
            at = int(np.abs(sound - first[:, None]).sum(0).argmin())
            assert np.abs(sound[:, at] - first).max() < 1e-4
            assert sound[:, at].any()
            target = float(bank.targets[at])
            begin = target - float(crops.target[i, 0])
            performance = 0 if at < int(bank.frame_base[1]) else 1
            column = int(bank.strip_base[performance] + begin / bank.window.shrink)
            middle = crops.strip[i, 0, 8:-8, 100].numpy()  # moved by up to two rows, paler
            there = bank.strip.numpy()[:, column + 100] / 255
            best = (
                max(
                    float(np.corrcoef(middle, np.roll(there, by)[8:-8])[0, 1])
                    for by in range(-2, 3)
                )
                if there.std() > 0
                else 1.0
            )
            assert best > 0.999
            seen += there.std() > 0
            heard = (bank.first_frame[performance] <= at - bank.frame_base[performance]) & (
                at - bank.frame_base[performance] <= bank.last_frame[performance]
            )
            assert bool(crops.played[i, 0]) == bool(heard)
    assert seen > 5


def test_silence_precedes_every_performance_however_far_is_heard():
    s = sampler(WINDOWS["nottingham"])
    sound, base = s.bank.spectrogram, s.bank.frame_base
    for which in (0, 1):
        at = base[which] + s.bank.first_frame[which]
        excerpt = s._excerpts(at[None], base[which][None])[0, 0]
        silent = s.before - int(at - base[which])
        assert silent > 0 and not excerpt[:, : silent + 40].any()
        assert torch.equal(excerpt[:, silent:], sound[:, base[which] :][:, : 96 - silent])


def test_the_same_seed_draws_the_same_and_another_another():
    s = sampler(WINDOWS["nottingham"], BeliefParams(crops=6, frames=30, places=64))
    a, b, other = sample(s, 3), sample(s, 3), sample(s, 4)
    assert all(torch.equal(x.nan_to_num(), y.nan_to_num()) for x, y in zip(a, b, strict=True))
    assert not torch.equal(a.sound, other.sound)


def test_half_of_the_sounds_are_changed_and_stay_sounds():
    wild = BeliefParams(crops=64, frames=30, places=64, noise=0.1)
    still = BeliefParams(crops=64, frames=30, places=64, **PLAIN)
    changed, plain = (sample(sampler(WINDOWS["nottingham"], p)) for p in (wild, still))
    same = [
        torch.allclose(a, b, atol=1e-4) for a, b in zip(changed.sound, plain.sound, strict=True)
    ]
    assert 16 < sum(same) < 48
    assert float(changed.sound.min()) >= 0
    assert changed.sound.isfinite().all()
    assert torch.equal(changed.target, plain.target)


def heard_after(jump: Jump, frame: int = 150) -> tuple[BeliefCropCutter, torch.Tensor]:
    """A cutter, and the second piece's sound, labelled from padded `frame` on, with a jump in it.

    Each frame of that sound is its own padded number, so that one can read where it is from.
    """
    s = sampler(WINDOWS["nottingham"])
    base = s.bank.frame_base[1:]
    s.bank.spectrogram[:, int(base) :] = torch.arange(s.bank.frames_packed - int(base))
    sound = s._excerpts(base + frame, base)[0]
    s._jump_in(sound, jump, base)
    return s, sound[0, 0]


def test_before_a_jump_sounds_what_precedes_the_note_before_which_the_music_left_off():
    # 66 frames come before the 150th; the jump is before the 160th, from before the 250th.
    _, sound = heard_after(Jump(frame=10, source=250))
    assert sound[:76].tolist() == list(range(174, 250))
    assert sound[76:].tolist() == list(range(160, 180))
    # What comes before a performance is silence: from its 40 frames of padding 20 are heard.
    _, sound = heard_after(Jump(frame=-6, source=20))
    assert sound[:40].tolist() == [0] * 40
    assert sound[40:60].tolist() == list(range(20))
    assert sound[60:].tolist() == list(range(144, 180))
    _, sound = heard_after(Jump(frame=10, source=250, silent=True))
    assert sound[:76].tolist() == [0] * 76
    assert sound[76:].tolist() == list(range(160, 180))


def test_in_a_stop_sound_dies_away_to_what_is_quietest():
    s = sampler(WINDOWS["nottingham"])
    base = s.bank.frame_base[1:]
    s.bank.spectrogram[:, int(base) + 200 :] = 1.0  # a magnitude of 9
    s.bank.spectrogram[:, int(base) : int(base) + 200] = 0.1
    sound = s._excerpts(base + 150, base)[0]
    s._jump_in(sound, Jump(frame=10, source=280, stop=30), base)
    assert torch.equal(sound[0, 0, :46], torch.ones(46))
    # 0.15 s are three frames: after three of them 9 / e is left, after 30 less than the quietest.
    dying = sound[0, 0, 46:76]
    assert float(dying[2]) == pytest.approx(np.log10(1 + 9 / np.e), abs=1e-5)
    assert float(dying[-1]) == pytest.approx(0.1)
    assert (dying[1:] <= dying[:-1]).all()


JUMPY = BeliefParams(crops=64, frames=60, places=64, jump_share=1.0, **PLAIN)


def test_labels_are_of_what_sounds_on_both_sides_of_a_jump():
    """The frames that a crop labels are found in the bank where their labels say."""
    s = sampler(WINDOWS["nottingham"], JUMPY)
    bank, crops = s.bank, sample(s)
    sound, targets = bank.spectrogram.numpy(), bank.targets.numpy()
    both = 0
    for i in range(64):
        heard = crops.sound[i, 0, :, s.before :].numpy()
        at = np.array([np.abs(sound - frame[:, None]).sum(0).argmin() for frame in heard.T])
        exact = np.abs(sound[:, at] - heard).max(0) < 1e-4
        exact &= heard.any(0) & crops.played[i].numpy()
        begin = targets[at[exact]] - crops.target[i].numpy()[exact]
        assert np.ptp(begin) < 1e-3
        both += bool((np.diff(at[exact]) != 1).any())
    assert both > 8


def test_jumps_lead_from_note_to_note_and_are_as_frequent_as_is_asked():
    s = sampler(WINDOWS["nottingham"], JUMPY)
    onsets = s.bank.infos[1].onset_frames + 40
    at, frame = torch.ones(64, dtype=torch.int64), torch.full((64,), 90)
    jumps = s._jumps(at, frame, torch.Generator().manual_seed(0), slice(None))
    kinds = set()
    for jump in (j for j in jumps if j):
        # Between a third of what is heard before, and two thirds of what is labelled.
        assert jump.frame + 90 in onsets or jump.frame + 90 > onsets[-1]
        assert jump.frame >= -22
        assert jump.source in onsets
        assert 0 <= jump.stop <= 60
        kinds.add((jump.stop > 0, jump.silent))
    assert kinds == {(False, False), (True, False), (False, True)}
    s.params = JUMPY.model_copy(update={"jump_share": 0.25})
    generator = torch.Generator().manual_seed(1)
    some = [j for _ in range(8) for j in s._jumps(at, frame, generator, slice(None))]
    assert 0.15 < sum(j is not None for j in some) / len(some) < 0.3


def test_processes_cut_the_same_jumps_as_one_does():
    s = sampler(WINDOWS["nottingham"], BeliefParams(crops=8, frames=60, places=64, jump_share=0.7))
    whole = sample(s, 5)
    parts = [
        s.sample(torch.Generator().manual_seed(5), own) for own in (slice(0, 3), slice(3, None))
    ]
    for name, *cut in zip(whole._fields, *parts, strict=True):
        torch.testing.assert_close(torch.cat(cut), getattr(whole, name), equal_nan=True)


def test_paces_are_quarter_notes_per_px_between_onsets():
    score = score_record("a", [20, 60, 60.5, 140, 130, 700, 720], width=800)
    # onset_quarter is 0, 1, 2, ...: onsets above the one before, or left of it, are passed over.
    labels = tempo_labels(score, 150)
    assert len(labels) == 800 + 300
    assert np.isnan(labels[:170]).all()
    assert labels[170:210] == pytest.approx(np.log(1 / 40))
    assert labels[210:290] == pytest.approx(np.log(2 / 80))
    assert np.isnan(labels[290:850]).all()  # farther than what is one note's
    assert labels[850:870] == pytest.approx(np.log(1 / 20))
    assert np.isnan(labels[870:]).all()


def test_a_room_leaves_a_tail_behind_each_sound_and_nothing_before_it():
    sound = torch.zeros(8, 1, 78, 40)
    sound[..., 20] = 1.0
    heard = _reverberate(sound, *torch.rand(2, 8, 1, 1, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(heard[..., :21], sound[..., :21])
    tail = heard[:, 0, 0, 21:]
    assert (tail > 0).all() and (tail[:, 1:] < tail[:, :-1]).all()
    assert (heard[:, 0, 0, 21] <= 1).all()
    per_second = 20 * torch.log10(tail[:, 0] / tail[:, 10]) * 2
    assert ((per_second > 58) & (per_second < 205)).all()  # 60 dB in 0.3 to 1 s


def test_a_photo_of_paper_is_grey_noisy_and_turned_by_at_most_a_degree():
    """A line of ink in the middle row, and paper elsewhere."""
    strips = torch.zeros(64, 1, 41, 401)
    strips[:, :, 19:22] = 1.0
    photo = photographed(strips.clone(), torch.Generator().manual_seed(0))
    assert photo.shape == strips.shape
    assert float(photo.min()) >= 0 and float(photo.max()) <= 1
    paper = photo[:, 0, 34:, 190:211].mean((1, 2))  # never reached by the line there
    assert 0 <= float(paper.min()) < 0.1 and 0.2 < float(paper.max()) < 0.4
    rows = torch.arange(41.0)[:, None]
    ink = (photo[:, 0] - photo[:, 0].median(1, keepdim=True).values).clamp(min=0.3) - 0.3
    middle, end = (
        (part * rows).sum((1, 2)) / part.sum((1, 2)) for part in (ink[..., 195:206], ink[..., -11:])
    )
    assert torch.allclose(middle, torch.full((64,), 20.0), atol=0.3)
    # 195 columns from the middle a degree is 3.4 rows.
    assert 2 < float((end - middle).abs().max()) < 3.6
    assert float((end - middle).min()) < -1 and float((end - middle).max()) > 1


def test_only_as_many_pictures_are_photos_as_is_asked():
    def params(share: float) -> BeliefParams:
        return BeliefParams(crops=64, frames=30, places=64, paper_share=share, **PLAIN)

    plain, some = (sample(sampler(WINDOWS["nottingham"], params(s))) for s in (0.0, 0.3))
    same = sum(torch.equal(a, b) for a, b in zip(plain.strip, some.strip, strict=True))
    assert 32 < same < 58
    assert torch.equal(plain.target, some.target)


def test_varied_performances_are_drawn_as_often_as_is_asked():
    window = WINDOWS["nottingham"]
    score = score_record("a", [20, 60, 140], width=301)
    played = [
        performance_record("a", [0.2, 1.2, 3.2], frames=70, name=name)
        for name in ("plain", "a-augmented0")
    ]
    bank = Bank({"a": score}, played, window)

    def share(weight: float) -> float:
        params = BeliefParams(frames=30, places=64, augmented_weight=weight)
        lengths = BeliefCropCutter(bank, {"a": score}, params).sampler.lengths
        return float(lengths[1] / lengths.sum())

    assert share(1.0) == pytest.approx(0.5)
    assert share(3.0) == pytest.approx(0.75)


@pytest.mark.parametrize("name", WINDOWS)
def test_a_strip_narrower_than_a_passage(name):
    """What lies behind the last strip is paper; the labels stay where the picture is."""
    window = WINDOWS[name]
    scores = {"a": score_record("a", [20, 60, 140], width=200, height=window.height)}
    performances = [performance_record("a", [0.2, 1.2, 3.2], frames=70)]
    params = PARAMS.model_copy(update={"places": 160})
    s = BeliefCropCutter(Bank(scores, performances, window), scores, params)
    crops = sample(s)
    columns = 160 * COLUMNS
    strip = s.bank.strip.numpy()
    assert columns * window.shrink > int(s.bank.strip_width[0])
    for i in range(6):
        at = int(
            np.abs(s.bank.spectrogram.numpy() - crops.sound[i, 0, :, s.before].numpy()[:, None])
            .sum(0)
            .argmin()
        )
        begin = float(s.bank.targets[at] - crops.target[i, 0])
        column = int(begin / window.shrink)
        shown = crops.strip[i, 0, 8:-8].numpy()
        there = np.pad(strip, ((0, 0), (0, columns)))[:, column : column + columns] / 255
        best = max(
            float(np.corrcoef(shown.ravel(), np.roll(there, by, 0)[8:-8].ravel())[0, 1])
            for by in range(-2, 3)
        )
        assert best > 0.99
