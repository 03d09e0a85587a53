"""The two encoders: what a frame's and a place's vector depend on, and on what not."""

import pytest
import torch

from sfpipe.belief.network import COLUMNS, VECTOR, PlaceNetwork
from sfpipe.store.window import WINDOWS


@pytest.fixture(scope="module")
def network() -> PlaceNetwork:
    torch.manual_seed(1)
    made = PlaceNetwork(WINDOWS["nottingham"])
    made.train()
    with torch.no_grad():  # batch statistics that are not those of nothing
        made.encode_score(torch.rand(2, 1, 40, 160))
        made.encode_audio(torch.rand(2, 1, 78, 90))
    return made.eval()


@pytest.mark.parametrize("name", WINDOWS)
@torch.no_grad()
def test_a_vector_of_length_one_for_each_place_and_frame(name):
    window = WINDOWS[name]
    made = PlaceNetwork(window).eval()
    places = made.encode_score(torch.rand(2, 1, window.image_shape[0], 40 * COLUMNS))
    frames = made.encode_audio(torch.rand(2, 1, 78, 31))
    assert places.vector.shape == (2, 40, VECTOR)
    assert places.log_quarters_per_px.shape == (2, 40)
    assert frames.shape == (2, 31, VECTOR)
    for vectors in (places.vector, frames):
        assert torch.allclose(vectors.norm(dim=2), torch.ones(()), atol=1e-5)
    logits = made.similarity(frames, places.vector)
    assert logits.shape == (2, 31, 40)
    assert float(logits.abs().max()) <= float(made.sharpness.exp()) + 1e-3
    assert made.place_px == COLUMNS * window.shrink


@torch.no_grad()
def test_a_frame_is_heard_with_those_before_it_and_no_others(network):
    sound = torch.rand(1, 1, 78, 120)
    heard = network.encode_audio(sound)[0, 100]
    later, earlier, newest, oldest = (sound.clone() for _ in range(4))
    later[..., 101:] += 1
    earlier[..., : 101 - network.context] += 1
    newest[..., 100] += 1
    oldest[..., 101 - network.context] += 1
    assert torch.allclose(network.encode_audio(later)[0, 100], heard, atol=1e-6)
    assert torch.allclose(network.encode_audio(earlier)[0, 100], heard, atol=1e-6)
    assert not torch.allclose(network.encode_audio(newest)[0, 100], heard, atol=1e-4)
    assert not torch.equal(network.encode_audio(oldest)[0, 100], heard)


@torch.no_grad()
def test_the_newest_frames_alone_give_the_same_vector(network):
    sound = torch.rand(1, 1, 78, 120)
    whole = network.encode_audio(sound)[0]
    for end in (network.context, 90, 120):
        alone = network.encode_audio(sound[..., end - network.context : end])[0, -1]
        assert torch.allclose(alone, whole[end - 1], atol=1e-5)


@torch.no_grad()
def test_a_strip_moved_by_a_place_is_read_as_before(network):
    strip = torch.zeros(1, 1, 40, 180 * COLUMNS)
    strip[..., 320:400] = torch.rand(40, 80)
    first, second = network.encode_score(strip), network.encode_score(strip.roll(3 * COLUMNS, 3))
    assert torch.allclose(first.vector[0, 60:120], second.vector[0, 63:123], atol=1e-5)
    assert torch.allclose(
        first.log_quarters_per_px[0, 60:120], second.log_quarters_per_px[0, 63:123], atol=1e-5
    )


@torch.no_grad()
def test_more_steps_reach_farther_along_the_score():
    strip = torch.rand(1, 1, 40, 80 * COLUMNS)
    far = strip.clone()
    far[..., : 30 * COLUMNS] = torch.rand(40, 30 * COLUMNS)
    for steps, seen in (((1, 2), False), ((1, 2, 4), True)):
        made = PlaceNetwork(WINDOWS["nottingham"], score_steps=steps).eval()
        changed = (made.encode_score(strip).vector - made.encode_score(far).vector)[0].norm(dim=1)
        assert bool((changed[41] > 1e-5).item()) == seen  # twelve places right of what changed
        assert bool((changed[47:] < 1e-5).all())


def test_layers_that_an_older_network_lacks_begin_quietly():
    torch.manual_seed(2)
    older = PlaceNetwork(WINDOWS["nottingham"], score_steps=(1, 2), sound_steps=(1, 2)).eval()
    newer = PlaceNetwork(WINDOWS["nottingham"], score_steps=(1, 2, 4), sound_steps=(1, 2, 4)).eval()
    newer.begin_with(older)
    strip = torch.rand(1, 1, 40, 160)
    alike = (older.encode_score(strip).vector * newer.encode_score(strip).vector).sum(2).detach()
    assert 0.99 < float(alike.min()) < 1
    newer.train()
    newer.encode_score(strip).vector.sum().backward()
    grown = newer.along_score[2].layers[1].weight.grad
    assert grown is not None and float(grown.abs().max()) > 0


def test_soft_sounds_are_heard_louder_beside():
    torch.manual_seed(3)
    older = PlaceNetwork(WINDOWS["nottingham"], gains_db=(0.0,)).eval()
    newer = PlaceNetwork(WINDOWS["nottingham"], gains_db=(0.0, 30.0)).eval()
    newer.begin_with(older)
    sound = 0.01 * torch.rand(1, 1, 78, 80)
    with torch.no_grad():
        assert torch.allclose(older.encode_audio(sound), newer.encode_audio(sound), atol=1e-5)
    seen: list[torch.Tensor] = []
    newer.sound[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    newer.encode_audio(sound)
    plain, louder = seen[0][0]
    assert torch.equal(plain, sound[0, 0])
    magnitude = 10 ** plain.double() - 1
    assert torch.allclose(louder.double(), torch.log10(1 + 10**1.5 * magnitude), atol=1e-5)
    assert float(louder.mean()) > 20 * float(plain.mean())
