"""Every network's weights file that cannot serve is told apart: torn, another's, another version's."""

import pytest
from safetensors.torch import load_file, save_file

from craterlab.errors import CraterlabError
from craterlab.nn.chipnet import load_chipnet
from craterlab.nn.priors import load_prior
from craterlab.nn.weights import WEIGHTS, read_weights
from craterlab.nn.zoo import load
from craterlab.segment.model import load_segmenter

LOADERS = {
    "craternet": load,
    "adsnet": load,
    "chipnet": load_chipnet,
    "marslsnet": load_segmenter,
    "prior": lambda path: load_prior(str(path), "prior", "cpu"),
    "prior-gs": lambda path: load_prior(str(path), "prior-gs", "cpu"),
    "superres-net": lambda path: load_prior(str(path), "superres-net", "cpu"),
}


@pytest.mark.parametrize("name", LOADERS)
def test_what_cannot_serve_is_told(name, tmp_path):
    shipped, path = WEIGHTS / f"{name}.safetensors", tmp_path / "mine.safetensors"
    state, about = load_file(shipped), {"architecture": name}
    refused = {
        r"no model|no network|no prior": lambda: path.unlink(missing_ok=True),
        r"mine.safetensors is no whole .safetensors file": lambda: path.write_bytes(shipped.read_bytes()[:5000]),
        r"holds a 'abacus'; known: .*\w": lambda: save_file(state, path, {"architecture": "abacus"}),
        r"holds a None; known": lambda: save_file(state, path),
        r"holds a \[1\]; known": lambda: save_file(state, path, {"architecture": "[1]"}),
        rf"does not fit the {name} of this craterlab.*train it again": lambda: save_file(state, path, about),
    }
    for message, write in refused.items():
        write()
        with pytest.raises(CraterlabError, match=message):
            LOADERS[name](path)


@pytest.mark.parametrize("name", LOADERS)
def test_what_is_shipped_serves_with_its_hash(name):
    found = LOADERS[name](WEIGHTS / f"{name}.safetensors")
    assert found.sha256 == read_weights(WEIGHTS / f"{name}.safetensors")[2]
    net = found.denoise if "denoise" in vars(found) else found.net
    assert not net.training and not any(p.requires_grad for p in net.parameters())
