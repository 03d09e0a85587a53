"""The compiled ELU against PyTorch's: every bfloat16 value, float32, gradients, layouts."""

import pytest
import torch
from torch.nn import functional as F

from sfpipe.agents.activation import ELU

EVERY_BFLOAT16 = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)


def test_every_bfloat16_gives_the_nearest_one():
    x = EVERY_BFLOAT16.view(torch.bfloat16)
    expected = F.elu(x.double()).to(torch.bfloat16)
    found = ELU()(x.clone())
    numbers = ~x.isnan()
    assert torch.equal(found[numbers], expected[numbers])
    assert found[~numbers].isnan().all()


def test_float32_is_exact_to_the_last_bits():
    x = torch.cat([torch.linspace(-100, 10, 100_001), -torch.logspace(-30, 2, 10_001)])
    expected = F.elu(x.double())
    found = ELU()(x.clone()).double()
    assert ((found - expected).abs() <= 3e-7 * expected.abs()).all()
    special = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0])
    assert ELU()(special.clone())[0].isnan()
    assert ELU()(special.clone())[1:].tolist() == [float("inf"), -1.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_are_those_of_pytorch(dtype, layout):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 5, 7, 6, generator=generator).to(dtype).contiguous(memory_format=layout)
    weight = torch.randn(3, 5, 7, 6, generator=generator).to(dtype)
    gradients = []
    for activation in (ELU(), lambda v: F.elu(v)):
        leaf = x.clone().requires_grad_()
        out = activation(leaf * 1)
        (out * weight).sum().backward()
        gradients.append(leaf.grad)
    step = 2**-7 if dtype == torch.bfloat16 else 1e-6
    torch.testing.assert_close(*gradients, rtol=step, atol=step)


def test_an_expanded_gradient():
    x = torch.tensor([[-1.0, 2.0]], requires_grad=True)
    ELU()(x * 1).sum().backward()  # the gradient of a sum is one number, expanded
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.tensor([[torch.tensor(-1.0).exp(), 1.0]]))


def test_works_in_place_and_on_any_layout():
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    expected = F.elu(x)
    y = x.clone()
    assert ELU()(y).data_ptr() == y.data_ptr()
    torch.testing.assert_close(y, expected)
    strided = x.clone().repeat_interleave(2, dim=1)[:, ::2]
    torch.testing.assert_close(ELU()(strided), expected)
    torch.testing.assert_close(ELU()(x.double()), F.elu(x.double()))
