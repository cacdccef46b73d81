import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

import craterlab as cl
from craterlab.detect.box_targets import LEAST_IOU, encode, gaussian_radius, loss
from craterlab.nn import hourglass, resnet
from craterlab.nn.centernet import MAPS, STRIDE, decode
from craterlab.nn.hourglass import HourglassNet
from craterlab.nn.resnet import ResNetCenterNet
from craterlab.nn.zoo import ARCHITECTURES
from craterlab.train.recipe import TRAINABLE

torch.set_num_threads(1)

NAMES = ("centernet-hourglass", "centernet-resnet50")
three = np.array([40.3, 90.9, 60.2]), np.array([33.1, 100.0, 71.7]), np.array([8.0, 51.0, 14.5])


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(("name", "stacks"), list(zip(NAMES, (2, 1), strict=True)))
def test_maps_lie_on_a_quarter_of_the_resolution_and_training_sees_every_stack(name, stacks):
    net = TRAINABLE[name].new(8)
    x = torch.randn(2, 1, 128, 192)
    assert net.train()(x).shape == (2, stacks * MAPS, 32, 48)
    assert net.eval()(x).shape == (2, MAPS, 32, 48)


def test_resnet50_has_its_published_size():
    """torchvision lists 25,557,032 parameters with a classifier of 2048 x 1000 + 1000 and three colours."""
    assert parameters(resnet.resnet50()) == 25_557_032 - (2048 * 1000 + 1000) - 2 * 64 * 7 * 7


def test_hourglass_at_full_width_has_256_channels_in_newells_blocks():
    """Counted from the drawing: 4 levels of 3 blocks and one at the bottom, twice."""

    def conv(kernel, cin, cout):
        return kernel**2 * cin * cout + 2 * cout  # with batch normalisation

    def head(maps):
        return 256 * 256 + 256 + 256 * maps + maps

    block = conv(1, 256, 128) + conv(3, 128, 128) + conv(1, 128, 256)
    stem = conv(7, 1, 128) + conv(1, 128, 128) + conv(3, 128, 128) + conv(1, 128, 256) + conv(1, 128, 256)
    stack = 13 * block + conv(3, 256, 256) + head(1) + head(2) + head(2)
    between = (256 * 256 + 256) + (256 + 256)
    assert parameters(HourglassNet()) == stem + 2 * stack + between == 7_446_154
    assert (parameters(HourglassNet(64)), parameters(ResNetCenterNet(64))) == (473_002, 2_058_229)
    assert parameters(ResNetCenterNet()) == 32_747_461


@pytest.mark.parametrize("name", NAMES)
def test_a_width_that_does_not_divide_is_refused(name):
    with pytest.raises(cl.CraterlabError, match="multiple of 4"):
        TRAINABLE[name].new(6)


@given(st.floats(1, 100), st.floats(0.2, 5), st.floats(0.1, 0.9))
def test_corners_a_radius_off_keep_the_least_iou(width, shape, least):
    height = width * shape
    r = float(gaussian_radius(np.array(width), np.array(height), least))
    area = width * height
    inside = (width - 2 * r) * (height - 2 * r) / area
    holding = area / ((width + 2 * r) * (height + 2 * r))
    common = (width - r) * (height - r)
    assert r > 0 and 2 * r < min(width, height)
    assert min(inside, holding, common / (2 * area - common)) == pytest.approx(least)


def test_encode_then_decode_gives_the_craters_back():
    x, y, d = three
    target, weight = encode(x, y, d, np.zeros(3, bool), (128, 128))
    assert target.shape == (MAPS, 32, 32) and weight.min() == 1
    found = decode(np.concatenate([np.where(target[:1] == 1, 5.0, -9.0), target[1:]]))
    i, j = np.argsort(found["x_px"]), np.argsort(x)
    np.testing.assert_allclose(found["x_px"][i], x[j], atol=1e-5)
    np.testing.assert_allclose(found["y_px"][i], y[j], atol=1e-5)
    np.testing.assert_allclose(found["diameter_px"][i], d[j], rtol=1e-6)


def test_gaussians_are_a_third_of_the_radius_wide():
    """A crater of 60 px on the middle of a cell: exp(-1 / (2 s^2)) one cell away, s = r / 3."""
    target, _ = encode(np.array([66.0]), np.array([66.0]), np.array([60.0]), np.array([False]), (128, 128))
    sigma = 60 / STRIDE * (1 - np.sqrt(LEAST_IOU)) / 2 / 3  # for a square, lying inside is the strictest case
    assert target[0, 16, 16] == 1
    assert target[0, 16, 17] == pytest.approx(np.exp(-1 / (2 * sigma**2)), rel=1e-5)


def test_diameter_is_the_mean_of_the_sides_and_only_heat_of_0_34_is_kept():
    maps = np.zeros((MAPS, 8, 8))
    maps[0] = -9
    # Centres two cells apart, as of nested craters; the third is too faint.
    for row, column, heat in ((2, 2, 0.9), (2, 4, 0.35), (6, 6, 0.33)):
        maps[0, row, column] = np.log(heat / (1 - heat))
        maps[3:, row, column] = 10, 14
    found = decode(maps)
    assert found["x_px"].tolist() == [8, 16] and found["diameter_px"].tolist() == [12, 12]
    assert len(decode(maps, -3.0)["x_px"]) == 3


def test_loss_is_least_at_the_target_and_weighs_as_published():
    target, weight = (torch.from_numpy(a)[None] for a in encode(*three, np.zeros(3, bool), (128, 128)))
    right = target.clone()
    right[:, 0] = torch.where(target[:, 0] == 1, 20.0, -20.0)
    assert loss(right, target, weight)[0] < 1e-5
    for maps, off, wanted in ((slice(1, 3), 0.25, 0.5), (slice(3, 5), 3.0, 0.6)):
        wrong = right.clone()
        wrong[:, maps] += off
        assert loss(wrong, target, weight)[0] == pytest.approx(wanted, abs=1e-4)
        both = torch.cat([wrong, right], 1)
        assert loss(both, target, weight)[0] == pytest.approx(wanted / 2, abs=1e-4)


def test_focal_loss_of_a_coin_toss():
    """One centre and no Gaussian around it: every cell costs (1/2)^2 log 2, over one crater."""
    target, weight = torch.zeros(1, MAPS, 8, 8), torch.ones(1, 8, 8)
    target[0, 0, 3, 3] = 1
    value, _ = loss(torch.zeros(1, MAPS, 8, 8), target, weight)
    assert value.item() == pytest.approx(64 * np.log(2) / 4, rel=1e-6)


@pytest.mark.parametrize(("name", "align", "reach"), [(NAMES[0], hourglass.ALIGN, 448), (NAMES[1], resnet.ALIGN, 328)])
def test_nothing_beyond_the_halo_reaches_an_output_cell(name, align, reach):
    """NaN passes every layer, max-pooling too, so it marks all that a pixel can reach."""
    net = TRAINABLE[name].new(8).eval()
    far = []
    for edge in range(640, 640 + align, 4):
        for beyond in (slice(0, edge), slice(edge, None)):
            x = torch.zeros(1, 1, 64, 1280)
            x[..., beyond] = torch.nan
            with torch.inference_mode():
                touched = net(x).isnan().any(1).any(1)[0].nonzero()
            near = touched.max() + 1 if beyond.start == 0 else touched.min()
            far.append(abs(int(near) * STRIDE - edge))
    assert max(far) == reach
    how = ARCHITECTURES[name]
    assert how.align == align
    assert how.halo == reach + 2 * STRIDE  # the peak test looks a cell further, and an offset may leave its cell


@pytest.mark.parametrize("name", NAMES)
def test_tiled_equals_whole_for_a_network_from_a_file(name, tmp_path):
    torch.manual_seed(0)
    net = TRAINABLE[name].new(8)
    heads = net.heads[-1]
    torch.nn.init.zeros_(heads.maps[0][-1].bias)  # a fair coin in every cell: peaks everywhere
    path = tmp_path / "random.safetensors"
    save_file(net.state_dict(), path, metadata={"architecture": name, "width": "8"})
    image = np.random.default_rng(0).normal(100, 10, (150, 1300)).astype(np.float32)
    whole, tiled = (
        cl.detect(image, model=path, threshold=0, precision="float32", tile=t).sort_values(["x_px", "y_px"])
        for t in (4096, 200)
    )
    assert whole.attrs["model"] == "random" and len(whole) > 100
    columns = ["x_px", "y_px", "diameter_px", "score"]
    np.testing.assert_allclose(tiled[columns], whole[columns], atol=1e-3)
