"""environment.yml names what pyproject.toml asks for, by conda-forge's names, with the same bounds."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA_NAME = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "opencv-python-headless": "py-opencv",
    "build": "python-build",
}


def resolve(requirements: list[str]) -> dict[str, SpecifierSet]:
    """Name -> bounds, the project's own extras resolved."""
    out: dict[str, SpecifierSet] = {}
    for text in requirements:
        r = Requirement(text)
        if r.name == "craterlab":
            found = resolve([x for extra in r.extras for x in EXTRAS[extra]])
        else:
            found = {r.name: r.specifier}
        for name, bounds in found.items():
            assert out.setdefault(name, bounds) == bounds, f"two bounds for {name}: {out[name]} and {bounds}"
    return out


def test_environment_is_pyproject_on_conda_forge():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"][0] == "conda-forge"
    listed = {}
    for line in environment["dependencies"]:
        assert isinstance(line, str), f"from conda-forge alone: {line}"
        name, _, bounds = line.partition(" ")
        assert name not in listed, f"{name} is listed twice"
        listed[name] = SpecifierSet(bounds)
    assert listed.pop("python") == SpecifierSet(PROJECT["requires-python"])
    listed.pop("pip")
    wanted = resolve([*PROJECT["dependencies"], "craterlab[all]"])
    assert listed == {CONDA_NAME.get(name, name): bounds for name, bounds in wanted.items()}


def test_all_is_every_extra_but_pnp():
    (everything,) = EXTRAS["all"]
    assert Requirement(everything).extras == set(EXTRAS) - {"all", "pnp"}


@pytest.mark.parametrize("text", [*PROJECT["dependencies"], *(x for e in EXTRAS.values() for x in e)])
def test_every_dependency_has_a_lower_bound(text):
    r = Requirement(text)
    assert r.name == "craterlab" or any(s.operator == ">=" for s in r.specifier), text
    assert r.url is None


def test_lower_bounds_have_a_reason():
    """Each line of the base dependencies says why its bound is what it is."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("\ndependencies = [\n")[1].split("\n]")[0]
    assert all("# " in line for line in block.splitlines()), block


def test_workflows_are_yaml_and_cover_the_supported_pythons():
    workflows = ROOT / ".github" / "workflows"
    if not workflows.exists():
        pytest.skip("no .github here: not a checkout")
    parsed = {p.name: yaml.safe_load(p.read_text(encoding="utf-8")) for p in workflows.glob("*.yml")}
    matrix = parsed["test.yml"]["jobs"]["newest"]["strategy"]["matrix"]
    classified = [
        c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if c.startswith("Programming Language :: Python :: 3.")
    ]
    assert matrix["python"] == classified
    assert {os.split("-")[0] for os in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert "lowest" in parsed["test.yml"]["jobs"]
    assert "build" in parsed["release.yml"]["jobs"]
