import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import save_file

import craterlab as cl
from craterlab.detect import raw_circles
from craterlab.grid import grid_of
from craterlab.nn import adsnet
from craterlab.nn.adsnet import CELL, LAYERS, AdsNet, slope
from craterlab.nn.fusion import PatchAttention, ScSE
from craterlab.nn.mask_circles import mask_circles
from craterlab.nn.zoo import ARCHITECTURES, Model, load

torch.set_num_threads(1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_scse_is_the_sum_of_both_gates():
    torch.manual_seed(0)
    block, x = ScSE(6), torch.randn(1, 6, 5, 4)
    a, b = block.channel[0], block.channel[2]
    (wa, ba), (wb, bb) = ((m.weight.detach().numpy(), m.bias.detach().numpy()) for m in (a, b))
    u = x[0].numpy()
    channel = sigmoid(wb @ np.maximum(wa @ u.mean((1, 2)) + ba, 0) + bb)
    space = sigmoid(np.einsum("c,cyx->yx", block.space.weight.detach().numpy().ravel(), u) + block.space.bias.item())
    np.testing.assert_allclose(block(x)[0].detach(), u * channel[:, None, None] + u * space, atol=1e-5)


def test_patch_attention_is_the_published_formula():
    """Feature = F1 + softmax(q k' / d_k) F2, written out patch by patch."""
    torch.manual_seed(1)
    channels, patch, d_k, side = 3, 4, 5, 12
    block = PatchAttention(channels, patch, d_k)
    # Weights so large that the softmax is far from even, and a root of d_k in its place would show.
    block.query.weight.data *= 20
    f1, f2 = torch.randn(channels, side, side), torch.randn(channels, side, side)

    def cut(f):
        return np.array(
            [
                f[:, r : r + patch, c : c + patch].numpy().ravel()
                for r in range(0, side, patch)
                for c in range(0, side, patch)
            ]
        )

    p1, p2 = cut(f1), cut(f2)
    wq, wk = (m.weight.detach().numpy().reshape(d_k, -1) for m in (block.query, block.key))
    scores = (p1 @ wq.T) @ (p2 @ wk.T).T / d_k
    weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    got = block(f1[None], f2[None])[0].detach()
    np.testing.assert_allclose(cut(got), p1 + weights @ p2, atol=1e-4)


def test_slope_of_a_plane_and_of_unknown_ground():
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    plane = (np.tan(np.radians(20)) * (0.6 * x + 0.8 * y))[None, None] + 3000
    plane[0, 0, 4, 4] = torch.nan
    got = slope(plane)[0, 0]
    assert got[2, 2].item() == pytest.approx(2.0, abs=1e-3)
    assert (got[[4, 4, 3, 5], [3, 5, 4, 4]] == 0).all() and torch.isfinite(got).all()
    assert (got[0] == 0).all() and (got[:, -1] == 0).all()


def parameters(variant, width=32):
    return sum(p.numel() for p in AdsNet(width, variant).parameters())


def test_parameters_at_the_widths_of_the_specification():
    """32-64-128-256-512 and 256 tokens a level: what each ablation takes away is known without the code."""
    w = np.array([32, 64, 128, 256, 512])
    full = parameters("full")
    patches = np.array([16, 8, 4, 2, 1])
    assert full - parameters("concat") == 2 * 64 * (w * patches**2).sum()
    assert full - parameters("no-residual") == 2 * (32 + (w[1:] * w[:-1]).sum())
    gates = w[:4] * w[:4] + w[:4] // 2 + w[:4] + w[:4] + 1
    assert full - parameters("no-scse") == gates.sum()
    encoder = (9 * (np.array([1, *w[:-1]]) * w + w * w) + 4 * w).sum() + 32 + (w[1:] * w[:-1]).sum()
    assert parameters("concat") - parameters("no-dem") == encoder + (w * w).sum()  # and half of each bridge
    assert parameters("dem-only") == parameters("no-dem")
    print({v: parameters(v) for v in LAYERS})


@pytest.mark.parametrize("variant", LAYERS)
def test_a_variant_looks_at_its_layers_alone(variant):
    torch.manual_seed(2)
    net = AdsNet(2, variant).eval()
    image, height = torch.randn(1, 1, 128, 128), torch.randn(1, 1, 128, 128)
    base = net(torch.cat([image, height], 1))
    assert base.shape == (1, 1, 128, 128)
    other_image = net(torch.cat([image.flip(-1), height], 1))
    other_height = net(torch.cat([image, height.flip(-1)], 1))
    assert (not torch.equal(base, other_image)) == ("image" in LAYERS[variant])
    assert (not torch.equal(base, other_height)) == ("dem" in LAYERS[variant])
    alone = torch.cat([{"image": image, "dem": height}[layer] for layer in LAYERS[variant]], 1)
    assert torch.equal(base, net(alone))


def test_variants_are_different_networks():
    torch.manual_seed(3)
    state, x = AdsNet(2).state_dict(), torch.randn(1, 2, 128, 128)
    said = {}
    for variant in ("full", "no-residual", "concat", "no-scse"):
        net = AdsNet(2, variant).eval()
        net.load_state_dict({k: state[k] for k in net.state_dict()})  # what they share is the same
        said[variant] = net(x)
    for variant in ("no-residual", "concat", "no-scse"):
        assert (said[variant] - said["full"]).abs().max() > 1e-4


def test_a_cell_is_seen_in_its_own_window():
    torch.manual_seed(4)
    net, x = AdsNet(2).eval(), torch.randn(1, 2, 4 * CELL, 3 * CELL)
    whole = net(x)
    part = net(x[..., CELL:, CELL:])
    # The first cells of the part look over its edge; the others see what they saw before.
    torch.testing.assert_close(part[..., CELL:, CELL:], whole[..., 2 * CELL :, 2 * CELL :], atol=1e-5, rtol=1e-5)
    assert (part[..., :CELL, :] - whole[..., CELL : 2 * CELL, CELL:]).abs().max() > 1e-3


def disc_mask(discs, shape=(160, 200)):
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.where(np.any([np.hypot(x - a, y - b) <= d / 2 for a, b, d in discs], 0), 2.0, -2.0)


def circles(discs):
    found = mask_circles(disc_mask(discs), 31.0)
    order = np.argsort(found["x_px"])
    return np.column_stack([found[k] for k in ("x_px", "y_px", "diameter_px")])[order], found["logit"]


def test_separate_discs_come_back_as_circles():
    discs = [(20.2, 30.7, 6.0), (60.0, 60.0, 21.3), (150.4, 99.9, 47.0)]
    found, logit = circles(discs)
    np.testing.assert_allclose(found[:, :2], np.array(discs)[:, :2], atol=0.3)
    np.testing.assert_allclose(found[:, 2], np.array(discs)[:, 2], atol=0.6)
    assert (logit == 2).all()


@pytest.mark.parametrize(("apart", "most"), [(1.0, 0.02), (0.8, 0.08)])
def test_touching_discs_are_told_apart(apart, most):
    """Two discs whose centres are `apart` diameters from each other; what lies beyond the chord is lost."""
    d = 30.0
    discs = [(60.0, 80.0, d), (60.0 + apart * d, 80.0, d)]
    found, _ = circles(discs)
    assert len(found) == 2
    angle = np.arccos(apart)
    left = np.sqrt(1 - (angle - np.sin(angle) * np.cos(angle)) / np.pi)
    np.testing.assert_allclose(found[:, 2], d * left, rtol=0.03)  # a column of pixels on the chord goes to one of them
    np.testing.assert_allclose(found[:, 2], d, rtol=most)
    np.testing.assert_allclose(found[:, 0], [p[0] for p in discs], atol=0.06 * d)


def test_a_nested_crater_leaves_no_trace_in_a_mask():
    found, _ = circles([(80.0, 80.0, 40.0), (85.0, 80.0, 10.0)])
    np.testing.assert_allclose(found, [[80, 80, 40]], atol=0.3)


def test_masks_without_craters_and_masks_too_wide():
    assert not len(mask_circles(np.full((40, 50), -1.0), 31.0)["x_px"])
    assert not len(mask_circles(np.full((40, 50), 1.0), 31.0)["x_px"])
    assert not len(circles([(100.0, 80.0, 120.0)])[0])


def weights(tmp_path, variant="full", name="adsnet"):
    torch.manual_seed(5)
    net = AdsNet(2, variant)
    net.head.bias.data.fill_(0.0)  # half of the ground is crater to a network that knows nothing
    path = tmp_path / f"{name}.safetensors"
    metadata = {"architecture": "adsnet", "sets": "none"} | {k: json.dumps(v) for k, v in net.settings.items()}
    save_file(net.state_dict(), path, metadata=metadata)
    return path


def scene_with_dem(rows=200, cols=330):
    rng = np.random.default_rng(6)
    image, dem = rng.normal(100, 20, (rows, cols)), 500 + rng.normal(0, 3, (rows, cols))
    layers = {"image": image.astype(np.float32), "dem": dem.astype(np.float32)}
    return xr.Dataset({k: (("y", "x"), v) for k, v in layers.items()}, attrs={"pixel_size_m": 10.0})


def test_a_scene_with_a_dem_goes_through_detect(tmp_path):
    path, scene = weights(tmp_path), scene_with_dem()
    assert load(path).layers == ("image", "dem")
    options = {"model": path, "threshold": 0.0, "precision": "float32"}
    whole = cl.detect(scene, tile=4096, **options)
    assert len(whole) > 20 and whole.score.between(0, 1).all() and (whole.diameter_m > 0).all()
    tiled = cl.detect(scene, tile=CELL, **options)
    columns = ["x_px", "y_px", "diameter_px"]
    a, b = (t.sort_values(columns)[columns].to_numpy() for t in (whole, tiled))
    np.testing.assert_allclose(a, b, atol=1e-6)
    # The same heights on another datum have the same slopes.
    moved = cl.detect(scene.assign(dem=scene.dem - 3000), tile=4096, **options)
    assert len(moved) == pytest.approx(len(whole), abs=2)


def test_unknown_heights_are_taken(tmp_path):
    path, scene = weights(tmp_path), scene_with_dem()
    holed = scene.copy(deep=True)
    holed.dem[:, :120] = np.nan
    options = {"model": path, "threshold": 0.0, "precision": "float32"}
    found, whole = cl.detect(holed, **options), cl.detect(scene, **options)
    assert np.isfinite(found[["x_px", "y_px", "diameter_px", "score"]].to_numpy()).all() and len(found) > 10
    assert list(found.x_px) != list(whole.x_px)
    assert len(cl.detect(scene.assign(dem=scene.dem * np.nan), **options)) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.drop_vars("dem"), r"model 'adsnet' needs a DEM.*open_scene\(image, dem="),
        (lambda s: s.image, "needs a DEM"),
        (lambda s: s.assign(dem=(("v", "u"), np.zeros((50, 60), np.float32))), r"another grid.*'v': 50"),
        (lambda s: s.drop_attrs(), "pixel_size"),
    ],
)
def test_a_dem_that_cannot_be_used_says_what_to_type(tmp_path, change, message):
    with pytest.raises(cl.CraterlabError, match=message):
        cl.detect(change(scene_with_dem()), model=weights(tmp_path))


def test_a_network_of_the_image_alone_needs_no_dem(tmp_path):
    path = weights(tmp_path, "no-dem", "image-only")
    assert load(path).layers == ("image",)
    assert "score" in cl.detect(scene_with_dem().image, model=path, threshold=0.0)


class SteepGround(torch.nn.Module):
    """A network that takes ground steeper than 10 degrees for craters, and the point of a cone with it."""

    def forward(self, x):
        wide = torch.nn.functional.max_pool2d(slope(x[:, -1:]), 5, 1, 2)
        return -torch.nn.functional.max_pool2d(-wide, 5, 1, 2) - 1


def steep_model():
    how = replace(ARCHITECTURES["adsnet"], decode=adsnet.decode)
    metadata = {"architecture": "adsnet", "width": 2, "variant": "dem-only"}
    return Model("steep", "", how, SteepGround().eval(), torch.device("cpu"), metadata)


def cones(shape, pixel_m, degrees_, centres, diameters, stretch=1):
    """Heights in metres of cones of one slope on a plain; columns are `stretch` times as many as the ground's."""
    y, x = np.mgrid[: shape[0], : shape[1] * stretch] + 0.5
    out = np.zeros(x.shape)
    for (cx, cy), d in zip(centres, diameters, strict=True):
        fall = np.clip(d / 2 - np.hypot(x / stretch - cx, y - cy), 0, None) * pixel_m * np.tan(np.radians(degrees_))
        out += fall
    return out.astype(np.float32)


@pytest.mark.parametrize("stretch", [1, 2])
def test_slopes_are_those_of_the_ground_at_every_level_and_on_stretched_grids(stretch):
    """Cones of 14 degrees are steeper than 10, those of 7 are not, however the map is drawn."""
    from affine import Affine

    pixel, shape = 50.0, (320, 320)
    metres = np.pi * 3396.19e3 / 180
    dlat, dlon = pixel / metres, pixel / metres / np.cos(np.radians(60.0)) / stretch
    transform = Affine(dlon, 0, 10, 0, -dlat, 60 + shape[0] * dlat / 2)
    centres, diameters = [(80, 90), (210, 200)], [24.0, 90.0]
    for degrees_, count in ((14, 2), (7, 0)):
        dem = cones(shape, pixel, degrees_, centres, diameters, stretch)
        ds = xr.Dataset({"image": (("y", "x"), np.ones_like(dem)), "dem": (("y", "x"), dem)})
        import rioxarray  # noqa: F401

        ds = ds.rio.write_crs("+proj=longlat +R=3396190 +no_defs").rio.write_transform(transform)
        grid = grid_of(ds)
        raw = raw_circles(ds["image"], grid, steep_model(), torch.float32, 8, dem=ds["dem"])
        metres_wide = raw["diameter_px"] * grid.metres_per_pixel(raw["x_px"], raw["y_px"])
        place = np.column_stack([raw["x_px"] / stretch, raw["y_px"]])
        hits = [np.hypot(*(place - c).T) < 0.1 * d for c, d in zip(centres, diameters, strict=True)]
        assert sum(h.any() for h in hits) == count
        for here, d in zip(hits[:count], diameters, strict=False):
            assert np.abs(metres_wide[here] / (d * pixel) - 1).min() < 0.12
