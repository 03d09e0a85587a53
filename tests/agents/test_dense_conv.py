"""A branch on a wide image: every window's features equal those of the window alone."""

import pytest
import torch

from sfpipe.agents.dense_conv import DenseBranch
from sfpipe.agents.networks import ActorCritic
from sfpipe.store.schema import BINS, EXCERPT
from sfpipe.store.window import WINDOWS


def branch_of(name: str, part: str) -> tuple[ActorCritic, torch.nn.Sequential, DenseBranch]:
    window = WINDOWS[name]
    network = ActorCritic(window).initialise(torch.Generator().manual_seed(0)).eval()
    branch = getattr(network, part)
    size = window.image_shape if part == "score" else (BINS, EXCERPT)
    return network, branch, DenseBranch(branch, 2, size)


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("part", ["score", "spectrogram"])
def test_windows_share_convolutions(name, part):
    _, branch, shared = branch_of(name, part)
    rows, columns = shared.size
    image = torch.rand(2, 2, rows, shared.width(4), generator=torch.Generator().manual_seed(1))
    features = shared.dense(shared.cut(shared.maps(image)))
    for i in range(4):
        alone = branch(image[..., i * shared.stride : i * shared.stride + columns])
        torch.testing.assert_close(features[:, i], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("part", ["score", "spectrogram"])
def test_windows_at_every_column_share_their_first_layers(name, part):
    network, branch, shared = branch_of(name, part)
    rows, columns = shared.size
    windows = shared.whole(shared.stride + 1)
    assert windows == 2 * shared.stride
    wide = columns + windows - 1
    images = torch.rand(2, 2, rows, wide, generator=torch.Generator().manual_seed(1))
    features = shared.every(images)
    assert features.shape == (2, windows, network.branch_widths[part == "spectrogram"])
    for i in range(windows):
        alone = branch(images[..., i : i + columns])
        torch.testing.assert_close(features[:, i], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("part", ["score", "spectrogram"])
@pytest.mark.parametrize("step", [1, 2, 4, 8])
def test_windows_some_columns_apart_are_every_so_manieth(name, part, step):
    _, _, shared = branch_of(name, part)
    rows, columns = shared.size
    wide = columns + 2 * shared.stride - 1
    images = torch.rand(2, 2, rows, wide, generator=torch.Generator().manual_seed(1))
    some = shared.every(images, step)
    torch.testing.assert_close(some, shared.every(images)[:, ::step], atol=1e-5, rtol=1e-4)


def test_gradients_reach_the_branch():
    network = ActorCritic(WINDOWS["nottingham"]).initialise(torch.Generator().manual_seed(0))
    shared = DenseBranch(network.spectrogram, 2, (BINS, EXCERPT))
    image = torch.rand(1, 2, BINS, shared.width(3))
    shared.dense(shared.cut(shared.maps(image))).sum().backward()
    assert all(bool(p.grad.abs().sum() > 0) for p in network.spectrogram.parameters())
