"""What `detect` does with weights that are no weights, and with images that are hardly images."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import craterlab as cl
from craterlab.nn.craternet import HALO
from craterlab.nn.zoo import WEIGHTS, models

torch.set_num_threads(1)
IMAGE = np.zeros((64, 64), np.float32)


def changed(path, state=None, **metadata):
    """A copy of the shipped weights with other tensors, or other metadata (None takes a key away)."""
    with safe_open(WEIGHTS / "craternet.safetensors", "pt") as f:
        meta = f.metadata() | {k: v for k, v in metadata.items() if v is not None}
    for key in [k for k, v in metadata.items() if v is None]:
        del meta[key]
    save_file(state or load_file(WEIGHTS / "craternet.safetensors"), path, metadata=meta)
    return path


def test_an_unknown_model_lists_the_names():
    with pytest.raises(cl.CraterlabError, match=f"nothing.*{models()[0]}"):
        cl.detect(IMAGE, model="nothing")
    with pytest.raises(cl.CraterlabError, match=r"no model 'gone\.safetensors'"):
        cl.detect(IMAGE, model="gone.safetensors")


@pytest.mark.parametrize("keep", [0, 4, 5000, -100])
def test_a_damaged_file_is_named(tmp_path, keep):
    path = tmp_path / "broken.safetensors"
    path.write_bytes((WEIGHTS / "craternet.safetensors").read_bytes()[:keep])
    with pytest.raises(cl.CraterlabError, match=r"broken\.safetensors is no whole .safetensors file"):
        cl.detect(IMAGE, model=path)


def test_a_folder_is_no_weights_file(tmp_path):
    path = tmp_path / "folder.safetensors"
    path.mkdir()
    with pytest.raises(cl.CraterlabError, match=r"folder\.safetensors"):
        cl.detect(IMAGE, model=path)


def test_weights_of_another_architecture_list_the_known(tmp_path):
    path = changed(tmp_path / "other.safetensors", architecture="abacus")
    with pytest.raises(cl.CraterlabError, match=r"other\.safetensors holds a 'abacus'; known: .*craternet"):
        cl.detect(IMAGE, model=path)
    with pytest.raises(cl.CraterlabError, match=r"prior\.safetensors holds a .*; known: .*craternet"):
        cl.detect(IMAGE, model=WEIGHTS / "prior.safetensors")


def test_weights_of_another_version_say_so(tmp_path):
    state = load_file(WEIGHTS / "craternet.safetensors")
    fewer = dict(list(state.items())[:-2])
    wider = {k: torch.cat([v, v]) if v.ndim else v for k, v in state.items()}
    for path in (
        changed(tmp_path / "fewer.safetensors", fewer),
        changed(tmp_path / "wider.safetensors", wider),
        changed(tmp_path / "nameless.safetensors", width=None),
        changed(tmp_path / "worded.safetensors", width="wide"),
    ):
        with pytest.raises(cl.CraterlabError, match=rf"{path.name} does not fit the craternet.*another version"):
            cl.detect(IMAGE, model=path)


@pytest.mark.parametrize("threshold", [-0.01, 1.01, float("nan")])
def test_a_threshold_is_a_probability(threshold):
    with pytest.raises(cl.CraterlabError, match="0 to 1"):
        cl.detect(IMAGE, threshold=threshold)


def test_both_backends_are_listed():
    with pytest.raises(cl.CraterlabError, match="'torch' or 'openvino'"):
        cl.detect(IMAGE, backend="abacus")


@pytest.mark.parametrize("shape", [(2, 2), (2, 300), (5, 7), (HALO - 1, HALO // 2)])
def test_an_image_smaller_than_the_halo_is_searched(shape):
    noise = np.random.default_rng(0).normal(100, 5, shape).astype(np.float32)
    found = cl.detect(noise)
    assert "diameter_m" in found and (found.diameter_px <= 1.3 * max(shape)).all()


def test_a_crater_in_an_image_smaller_than_the_halo_is_found():
    from craterlab.simulate import Law, render

    law = Law(min_diameter_px=14, max_diameter_px=20, coverage=(0.2, 0.2), erosion_scale_px=(1.0, 1.0), secondaries=0)
    out = render(1, 96, seed=5, law=law, incidence_deg=60, relief_px=0.3, noise=0.1)
    s = cl.match.scores(cl.detect(out.image[0].numpy()), out.truth[0], min_diameter_px=10, shape=(96, 96))
    assert s.tp >= 1


@pytest.mark.parametrize("value", [0.0, 255.0, -3e4, 1e30])
def test_a_constant_image_has_no_craters(value):
    assert len(cl.detect(np.full((100, 80), value, np.float32))) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 300)])
def test_a_row_of_pixels_is_no_image(shape):
    with pytest.raises(cl.CraterlabError, match="at least 2 x 2"):
        cl.detect(np.zeros(shape, np.float32))
