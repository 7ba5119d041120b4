"""The import contracts hold, and each of them notices what it is there for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = "from importlinter.cli import lint_imports_command as run; run()"

DIRECTION = "Imports go down"
PURE = "Rules and the model are pure"
CIRCLES = "No circles"
PLANTS = {
    "upward import": (DIRECTION, {"codec/planted.py": "from ..storage import anything"}),
    "upward import for types only": (
        DIRECTION,
        {"wire/planted.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..policy import anything"},
    ),
    "upward import inside a function": (
        DIRECTION,
        {"storage/planted.py": "def late():\n    from ..service import anything"},
    ),
    "sideways import": (DIRECTION, {"wire/planted.py": "from ..codec import anything"}),
    "core imports the ring": (DIRECTION, {"service/planted.py": "from ..testing import anything"}),
    "folder that no layer lists": (DIRECTION, {"attic/__init__.py": ""}),
    "module that no layer lists": (DIRECTION, {"attic.py": ""}),
    "event loop in a rule": (PURE, {"policy/rules/planted.py": "import asyncio"}),
    "network in the model": (PURE, {"model/planted.py": "import socket"}),
    "event loop in the codec": ("The codec knows no network", {"codec/planted.py": "import asyncio"}),
    "client library in storage": ("Storage and policy never see", {"storage/planted.py": "import hiredis"}),
    "framework in the service": ("Frameworks and terminals stay", {"service/planted.py": "import fastapi"}),
    "circle inside a room": (
        CIRCLES,
        {"storage/planted_a.py": "from . import planted_b", "storage/planted_b.py": "from . import planted_a"},
    ),
}


def lint(house: Path) -> tuple[int, str]:
    """The exit status and the report of import-linter about the copy, not about the installed package."""
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--config", str(house / "pyproject.toml")],
        cwd=house,
        env={**os.environ, "PYTHONPATH": str(house / "src"), "COLUMNS": "250"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package that may be vandalised."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_package_keeps_every_contract(house: Path) -> None:
    status, report = lint(house)
    assert (status, "BROKEN" in report) == (0, False), report


@pytest.mark.parametrize("fault", PLANTS)
def test_a_planted_fault_is_caught(house: Path, fault: str) -> None:
    contract, files = PLANTS[fault]
    for name, text in files.items():
        file = house / "src" / "pika_redis" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text + "\n")
    status, report = lint(house)
    broken = [line for line in report.splitlines() if line.endswith("BROKEN")]
    assert status == 1, report
    assert any(line.startswith(contract) for line in broken), report
