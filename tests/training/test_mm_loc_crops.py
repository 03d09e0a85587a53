"""MM-Loc's crops: what it sees in them and what it must say are those of single examples."""

import pytest
import torch

from sfpipe.baselines.mm_loc import MmLoc
from sfpipe.baselines.mm_loc_examples import Examples
from sfpipe.params import MmLocParams
from sfpipe.store.schema import EXCERPT
from sfpipe.store.window import WINDOWS
from sfpipe.training.mm_loc_crops import MmLocCrops
from tests.toy import toy_bank


@pytest.mark.parametrize("name", WINDOWS)
def test_crops_show_what_examples_show(name):
    bank = toy_bank(WINDOWS[name])
    network = MmLoc(bank.window, dropout=0.0).initialise(torch.Generator().manual_seed(0)).eval()
    examples = Examples(bank, network.context)
    shown = MmLocCrops(network, examples, MmLocParams(crops=20, windows=3, excerpts=4))
    crops = shown.sampler.sample(20, torch.Generator().manual_seed(1))
    snippets, excerpts = shown._images(crops, False)
    p, w, e = crops.playable.nonzero().unbind(1)
    assert len(p) > 20
    performance, position = crops.performance[p], crops.position[p, w]
    column = bank.columns(performance, position)
    first = examples.first_frames(performance, crops.frame[p, e] - EXCERPT)
    alone = examples.images(column, first)
    for i in range(len(p)):
        at = int(w[i]) * shown._score.stride
        assert torch.equal(snippets[p[i], :, :, at : at + bank.window.image_shape[1]], alone[0][i])
        at = int(e[i]) * shown._sound.stride
        assert torch.equal(excerpts[p[i], :, :, at : at + network.context], alone[1][i])
    # The place to be named is that of the newest frame.
    target = bank.targets[bank.frame_base[performance] + crops.frame[p, e]]
    x = bank.window.width / 2 - crops.error[p, w, e]
    torch.testing.assert_close(x, target - (position - bank.window.width / 2))


def test_the_loss_is_that_of_single_examples():
    bank = toy_bank(WINDOWS["nottingham"])
    network = MmLoc(bank.window, dropout=0.0).initialise(torch.Generator().manual_seed(0))
    examples = Examples(bank, network.context)
    params = MmLocParams(
        crops=3, windows=3, excerpts=4, contrastive_coef=0.0, transcription_coef=0.0
    )
    shown = MmLocCrops(network, examples, params)
    with torch.no_grad():
        loss, n = shown.loss(torch.Generator().manual_seed(2))
        crops = shown.sampler.sample(3, torch.Generator().manual_seed(2))
        p, w, e = which = crops.playable.nonzero().unbind(1)
        performance = crops.performance[p]
        alone = network(
            *examples.images(
                bank.columns(performance, crops.position[p, w]),
                examples.first_frames(performance, crops.frame[p, e] - EXCERPT),
            )
        )
        labels = network.labels(bank.window.width / 2 - crops.error[which])
        expected = (labels * (labels.clamp(min=1e-30).log() - alone.log_softmax(1))).sum(1).mean()
    assert n == len(p)
    assert float(loss) == pytest.approx(float(expected), rel=1e-4)
    # An untrained reader says one half of 88 pitches: 61 nats, of which it must pay for most.
    shown.params = params.model_copy(update={"transcription_coef": 1.0})
    with torch.no_grad():
        more, _ = shown.loss(torch.Generator().manual_seed(2))
    assert float(more - loss) > 50
