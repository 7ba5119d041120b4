"""The files speak of the project alone: no place of one machine, no address of a package registry."""

from __future__ import annotations

import re
import subprocess

import pytest

from .source import ROOT

# Put together from pieces, so that this file doesn't contain what it looks for.
PLACES = ["/wo" + "rk/", "/tmp/la" + "b", "/ro" + "ot/", "/ho" + r"me/\w", "/Us" + r"ers/\w", "/opt/py" + "pi"]
REGISTRIES = ["py" + r"pi\.org", "python" + r"hosted\.org", "registry\\.npm" + "js", "conda" + r"\.anaconda"]
FOREIGN = re.compile("|".join([*(rf"(?<![\w.$}}~*-]){place}" for place in PLACES), *REGISTRIES]))


def tracked_files() -> list[str]:
    """Everything that is committed or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_place_of_a_machine_or_a_registry() -> None:
    names = tracked_files()
    assert "pyproject.toml" in names
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name in names
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if FOREIGN.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "see /wo" + "rk/main/notes",
        'open("/ro' + 'ot/x")',
        "--index-url https://py" + "pi.org/simple",
        "cd /ho" + "me/ann/src",
        "/tmp/la" + "b/x",
    ],
)
def test_a_foreign_word_is_seen(line: str) -> None:
    assert FOREIGN.search(line)


@pytest.mark.parametrize("line", ["tests/wo" + "rk/x", "$HO" + "ME/.pyenv", "/tmp/pika-redis-1", "~/ro" + "ot/"])
def test_an_innocent_word_is_not(line: str) -> None:
    assert not FOREIGN.search(line)
