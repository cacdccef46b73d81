"""The networks of `segment`: published sizes, the expansion and the attention against their formulas."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from craterlab.nn.marslsnet import Expansion, MarsLsNet, PixelAttention, conv_bn_relu, parameter_count  # noqa: E402
from craterlab.nn.unet import UNet, width_of  # noqa: E402

# Paheding et al. (2024), Table 3: millions of parameters.
PUBLISHED = {
    ("S", 3): 0.0476, ("S", 4): 0.0770, ("S", 5): 0.1149, ("M", 3): 0.1770, ("M", 4): 0.2932, ("M", 5): 0.4427,
    ("L", 3): 0.3883, ("L", 4): 0.6487, ("L", 5): 0.9835,
}  # fmt: skip


@pytest.mark.parametrize(("size", "kernel"), PUBLISHED)
def test_parameters_are_as_published(size, kernel):
    assert parameter_count(MarsLsNet(size, kernel)) == pytest.approx(PUBLISHED[size, kernel] * 1e6, rel=0.01)


def test_l5_with_full_attention_is_the_default():
    assert MarsLsNet().settings == {"size": "L", "kernel": 5, "attention": "full", "pe": True}


def test_the_expansion_is_the_series_of_exp():
    x = torch.linspace(0, 2, 9)
    assert torch.equal(Expansion(1)(x), x)
    assert torch.allclose(Expansion(2)(x), x + x**2 / 2)
    assert torch.allclose(Expansion(4)(x), sum(x**n / math.factorial(n) for n in range(1, 5)))
    assert torch.allclose(Expansion(20)(x), torch.expm1(x))


@pytest.mark.parametrize("kernel", [3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_convolutions_keep_rows_and_columns(kernel, dilation):
    assert conv_bn_relu(2, 3, kernel, dilation)(torch.zeros(1, 2, 9, 12)).shape == (1, 3, 9, 12)


def test_attention_is_softmax_of_queries_and_keys():
    torch.manual_seed(0)
    layer = PixelAttention(8, pool=1)
    x = torch.randn(2, 8, 4, 5)
    q, k, v = (m(x).flatten(2).unflatten(1, (2, -1)) for m in (layer.query, layer.key, layer.value))
    weights = torch.softmax(q.mT @ k / math.sqrt(8), -1)  # keys of 8 channels
    joined = (weights @ v.mT).mT.flatten(1, 2).unflatten(2, (4, 5))
    assert torch.allclose(layer(x), layer.out(joined), atol=1e-6)


def test_pooled_attention_is_full_attention_to_the_means_of_cells():
    torch.manual_seed(0)
    full, pooled = PixelAttention(8, pool=1), PixelAttention(8, pool=2)
    pooled.load_state_dict(full.state_dict())
    cells = torch.randn(1, 8, 3, 4)
    even = cells.repeat_interleave(2, 2).repeat_interleave(2, 3)  # every pixel is the mean of its cell
    assert torch.allclose(full(even), pooled(even), atol=1e-6)


def test_full_and_pooled_attention_share_their_weights():
    full, pooled = MarsLsNet("S", 3, "full"), MarsLsNet("S", 3, "pooled")
    pooled.load_state_dict(full.state_dict())
    assert pooled.eval()(torch.rand(1, 7, 128, 128)).shape == (1, 1, 128, 128)


def test_ablations_leave_out_what_they_say():
    whole = parameter_count(MarsLsNet("S", 3, "pooled"))
    assert parameter_count(MarsLsNet("S", 3, "pooled", pe=False)) == whole  # the expansion has no weights
    without = MarsLsNet("S", 3, None)
    assert not any("attention" in name for name in without.state_dict())
    assert parameter_count(without) < whole


@pytest.mark.parametrize(("size", "kernel"), [("S", 3), ("M", 4), ("L", 5)])
def test_the_peer_has_as_many_parameters(size, kernel):
    wanted = parameter_count(MarsLsNet(size, kernel))
    assert parameter_count(UNet(width_of(wanted))) == pytest.approx(wanted, rel=0.1)


def test_the_peer_gives_a_logit_for_each_pixel():
    assert UNet(4).eval()(torch.rand(2, 7, 32, 48)).shape == (2, 1, 32, 48)
