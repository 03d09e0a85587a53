"""MM-Loc: what it is shown, that it learns, that it follows alike one by one and all at once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.agents.weights import WEIGHTS
from sfpipe.baselines.mm_loc import CARD, CONTEXT, MmLoc, load_mm_loc, save_mm_loc
from sfpipe.baselines.mm_loc_examples import Examples
from sfpipe.errors import SfpipeError
from sfpipe.following.mm_loc import MmLocFollower, MmLocPlaces, play_mm_loc
from sfpipe.game.follower import follow
from sfpipe.store.bank import Bank
from sfpipe.store.schema import EXCERPT
from sfpipe.store.window import WINDOWS
from sfpipe.training.mm_loc_crops import random_examples
from tests.toy import NOTTINGHAM, performance_record, score_record, two_pieces


def records(window=NOTTINGHAM):
    return two_pieces(window, x=([20, 61, 140], [33, 90, 200]))


def network_for(window) -> MmLoc:
    generator = torch.Generator().manual_seed(0)
    network = MmLoc(window).initialise(generator)
    for parameter in network.parameters():  # biases are zero at first
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    return network.placed("cpu").eval()


def test_it_has_the_layers_of_the_tables_and_the_papers_context():
    for name, seconds in (("nottingham", 4), ("msmd", 2)):
        network = MmLoc(WINDOWS[name])
        assert network.context == CONTEXT[name] == 20 * seconds
        score = torch.zeros(3, 1, *WINDOWS[name].image_shape)
        assert network(score, torch.zeros(3, 1, 78, network.context)).shape == (3, 40)
    first = MmLoc(NOTTINGHAM).score[0]
    assert (first.in_channels, first.out_channels, first.kernel_size) == (1, 16, (5, 5))


@given(x=st.floats(0, 150), n=st.integers(2, 60))
@settings(max_examples=60, deadline=None)
def test_soft_targets_are_read_back_as_the_place(x, n):
    network = MmLoc.__new__(MmLoc)
    torch.nn.Module.__init__(network)
    network.window, network.buckets = NOTTINGHAM, n
    label = network.labels(torch.tensor([x], dtype=torch.float64))
    assert label.sum().item() == pytest.approx(1, abs=1e-5) and (label > 0).sum() <= 2
    half = 75 / n  # no bucket's centre is nearer to the edge
    expected = min(max(x, half), 150 - half)
    assert network.places(label.log()).item() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", WINDOWS)
def test_examples_by_hand(name):
    """Snippet and excerpt cut from the records themselves, and the place of the newest frame."""
    window, context = WINDOWS[name], 80
    scores, performances = records(window)
    bank = Bank(scores, performances, window)
    examples = Examples(bank, context)
    for p, record in enumerate(performances):
        for frame in (0, 5, 69):
            at = examples.first_frames(torch.tensor([p]), torch.tensor([frame]))
            heard = examples.images(bank.columns(torch.tensor([p]), torch.tensor([300.0])), at)[1]
            padded = np.pad(record.spectrogram, ((0, 0), (context, 0)))
            expected = padded[:, frame + 1 : frame + 1 + context]
            np.testing.assert_array_equal(heard[0, 0].numpy(), expected)
    drawn = random_examples(examples, 500, torch.Generator().manual_seed(0))
    middle = window.width / 2
    assert (drawn.x - middle).abs().max() <= window.threshold_px + 1
    assert (drawn.x - middle).abs().max() > 0.8 * window.threshold_px
    snippets, excerpts = examples.images(drawn.column, drawn.first_frame)
    assert snippets.shape == (500, 1, *window.image_shape) and excerpts.shape == (
        500,
        1,
        78,
        context,
    )
    # Every frame between the first and the last onset is drawn, and no other.
    first, last = examples.first_frames(torch.tensor([0, 1]), torch.tensor([5, 79])).tolist()
    assert drawn.first_frame.min() == first and drawn.first_frame.max() == last


def test_the_place_is_that_of_the_target_in_the_snippet():
    """With a column of ink at the target of a still piece, the place is where the ink is."""
    score = score_record("a", [200, 200], width=500)
    score.strip[:] = 255
    score.strip[:, 200] = 0
    bank = Bank({"a": score}, [performance_record("a", [0.2, 3.2], frames=70)], NOTTINGHAM)
    examples = Examples(bank, 80)
    drawn = random_examples(examples, 50, torch.Generator().manual_seed(0))
    snippets = examples.images(drawn.column, drawn.first_frame)[0]
    assert torch.equal(snippets[:, 0, 0].argmax(1).to(torch.float64), drawn.x)
    assert snippets.max() == 1 and len(drawn.x.unique()) > 20


def test_bfloat16_examples_are_the_float32_ones_rounded():
    bank = Bank(*records(), NOTTINGHAM)
    examples = Examples(bank, 80)
    drawn = random_examples(examples, 20, torch.Generator().manual_seed(0))
    exact = examples.images(drawn.column, drawn.first_frame)
    rounded = examples.images(drawn.column, drawn.first_frame, bfloat16=True)
    for a, b in zip(exact, rounded, strict=True):
        assert torch.equal(a.to(torch.bfloat16), b)
    with pytest.raises(IndexError, match="leaves an image"):
        examples.images(drawn.column, torch.full((1,), examples.spectrogram.shape[1]))


@pytest.mark.parametrize("name", WINDOWS)
def test_sliding_estimates_equal_forward_passes(name):
    window = WINDOWS[name]
    bank, network = Bank(*records(window), window), network_for(WINDOWS[name])
    examples = Examples(bank, network.context)
    drawn = random_examples(examples, 30, torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = network(*examples.images(drawn.column, drawn.first_frame))
    x = MmLocPlaces(network, examples)(drawn.column, drawn.first_frame)
    torch.testing.assert_close(x, network.places(logits), atol=0.05, rtol=0)
    assert x.std() > 0.1


def test_alone_and_all_at_once_are_the_same_games():
    scores, performances = records()
    bank, network = Bank(scores, performances, NOTTINGHAM), network_for(NOTTINGHAM)
    batched = play_mm_loc(bank, network)
    follower = MmLocFollower(network)
    assert follower.lead_frames == 0
    for record, game in zip(performances, batched, strict=True):
        alone = follow(follower, scores[record.piece], record, NOTTINGHAM)
        assert (alone.piece, alone.lost) == (game.piece, game.lost)
        np.testing.assert_allclose(alone.position_px, game.position_px, atol=0.05)
        assert alone.reward_sum == pytest.approx(game.reward_sum, abs=0.05)
    only = play_mm_loc(bank, network, performances=[1])
    np.testing.assert_allclose(only[0].position_px, batched[1].position_px, atol=1e-3)


class Oracle(MmLoc):
    """Says that the music is a fixed distance right of the middle."""

    def places(self, logits):
        return torch.full((len(logits),), 75.0 + 2.0)


def test_each_snippet_is_centred_on_the_last_estimate():
    scores, performances = records()
    bank = Bank(scores, performances, NOTTINGHAM)
    network = Oracle(NOTTINGHAM).eval()
    # Piece a: 41 px in 20 frames, then 79 px in 40; the oracle walks 2 px a frame.
    game = play_mm_loc(bank, network)[0]
    np.testing.assert_allclose(game.position_px, 20 + 2 * np.arange(1, 61), atol=1e-4)
    alone = follow(MmLocFollower(network), scores["a"], performances[0], NOTTINGHAM)
    np.testing.assert_allclose(alone.position_px, game.position_px, atol=1e-4)
    assert not game.lost and game.onsets_reached == 3


def test_a_follower_says_what_is_missing():
    follower = MmLocFollower(network_for(NOTTINGHAM))
    with pytest.raises(SfpipeError, match="no score to follow"):
        follower.step(np.zeros(78, np.float32))
    follower.reset(records()[0]["a"])
    with pytest.raises(SfpipeError, match=r"78 bins, this one has the shape \(77,\)"):
        follower.step(np.zeros(77, np.float32))


def test_saved_and_read_back(tmp_path):
    network = network_for(NOTTINGHAM)
    save_mm_loc(tmp_path, network, {"seed": 3})
    again, card = load_mm_loc(tmp_path)
    assert card["seed"] == 3 and card["buckets"] == 40 and not again.training
    for a, b in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_damaged_files_are_one_line_each(tmp_path):
    with pytest.raises(SfpipeError, match="no such file") as error:
        load_mm_loc(tmp_path)
    assert error.value.remedy == "train it first: sfpipe baseline mm-loc --train"
    save_mm_loc(tmp_path, network_for(NOTTINGHAM), {})
    whole = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(whole[:1000])
    with pytest.raises(SfpipeError, match="does not hold this network's weights"):
        load_mm_loc(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(SfpipeError, match="no such file"):
        load_mm_loc(tmp_path)
    network = network_for(NOTTINGHAM)
    network.place[0].bias.data[0] = float("nan")
    save_mm_loc(tmp_path, network, {})
    with pytest.raises(SfpipeError, match="holds NaN or infinity"):
        load_mm_loc(tmp_path)
    for card in ("{}", "[]", '{"window": "x", "buckets": 3}', '{"window": "msmd", "buckets": "x"}'):
        (tmp_path / CARD).write_text(card)
        with pytest.raises(SfpipeError, match="is not what sfpipe writes"):
            load_mm_loc(tmp_path)


def test_silence_is_put_between_performances_not_the_other_ones_sound():
    bank = Bank(*records(), NOTTINGHAM)
    same = Examples(bank, EXCERPT)
    assert same.spectrogram is bank.spectrogram and same.base is bank.frame_base
    longer = Examples(bank, EXCERPT + 40)
    assert longer.spectrogram.shape[1] == bank.spectrogram.shape[1] + 2 * 40
    silent = longer.spectrogram[:, longer.base[1] : longer.base[1] + EXCERPT + 40]
    assert not silent.any() and longer.spectrogram[:, longer.base[1] - 1].any()
