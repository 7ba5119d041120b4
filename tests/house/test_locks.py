"""The locks pin every direct dependency by hash, name no address, and agree with each other and pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .source import ROOT

PIN = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[\w.+!]+)(?: ; [^\\\n]+?)?(?P<hashes>(?: \\\n +--hash=sha256:[0-9a-f]{64})*)$",
    re.MULTILINE,
)
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
DEMO = [*PROJECT["project"]["dependencies"], *GROUPS["build"], *(one for extra in EXTRAS.values() for one in extra)]
TEST = [*DEMO, *GROUPS["test"]]
LOCKS = {
    "demo": DEMO,
    "test": TEST,
    "dev": [*TEST, *GROUPS["lint"], *GROUPS["bench"]],
    "uv": GROUPS["uv"],
}


def read(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")


def pins(lock: str) -> set[tuple[str, str]]:
    return {(canonicalize_name(found["name"]), found["version"]) for found in PIN.finditer(read(lock))}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_pins_with_hashes_and_nothing_else(lock: str) -> None:
    text = read(lock)
    assert all(found["hashes"] for found in PIN.finditer(text))
    assert PIN.sub("", text).strip() == ""


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_satisfies_pyproject(lock: str) -> None:
    locked = pins(lock)
    for wanted in map(Requirement, LOCKS[lock]):
        name = canonicalize_name(wanted.name)
        versions = [version for pinned, version in locked if pinned == name]
        assert name == "pika-redis" or versions, f"{name} is missing: make lock"
        assert all(wanted.specifier.contains(version) for version in versions), f"{wanted} is stale: make lock"


def test_the_locks_agree() -> None:
    assert pins("demo") <= pins("test") <= pins("dev")
