"""The lock files have every package that a development environment needs, at the versions of constraints.txt."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGES, TORCH, CUDA = FILES = ("packages.lock", "torch.lock", "cuda.lock")


def entries(name):
    """Package -> versions, and how many hashes each of its entries has."""
    found = {}
    text = (ROOT / "requirements" / name).read_text()
    for line, hashes in re.findall(r"^([^#\s].*?) ?\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)*)", text, re.M):
        requirement = Requirement(line)
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        found.setdefault(canonicalize_name(requirement.name), []).append((pin.version, hashes.count("sha256")))
    return found


@pytest.fixture(scope="module")
def locked():
    return entries(PACKAGES) | entries(TORCH)


def needed():
    """The requirements of the package, of its extra `dev` with all that it includes, and of its build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    todo = [Requirement(text) for text in (*project["project"]["dependencies"], *extras["dev"])]
    todo += [Requirement(text) for text in project["build-system"]["requires"]]
    while todo:
        requirement = todo.pop()
        if requirement.name == "unibind":
            todo += [Requirement(text) for extra in requirement.extras for text in extras[extra]]
        else:
            yield requirement


def test_every_requirement_is_locked_at_a_version_that_suits(locked):
    for requirement in needed():
        versions = [version for version, _ in locked.get(canonicalize_name(requirement.name), [])]
        assert versions, f"{requirement} is not locked; run `make lock`"
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_constraints_and_lock_agree(locked):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {name: [v for v, _ in locked[canonicalize_name(name)]] for name in pins} == {n: [v] for n, v in pins.items()}


@pytest.mark.parametrize("name", FILES)
def test_every_package_has_hashes_and_no_address(name):
    text = (ROOT / "requirements" / name).read_text()
    found = entries(name)
    assert sum(map(len, found.values())) == len(re.findall(r"^[a-zA-Z]", text, re.M)) > 0
    assert all(hashes for versions in found.values() for _, hashes in versions)
    assert "://" not in text


def test_the_cuda_libraries_are_apart(locked):
    cuda = entries(CUDA)
    assert all(name.startswith(("cuda-", "nvidia-", "triton")) for name in cuda)
    assert not cuda.keys() & locked.keys()
