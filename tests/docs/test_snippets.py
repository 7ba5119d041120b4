"""Every Python block of the README and the guides runs as it stands, and so do the README's shell commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pika_redis.testing.server import EmbeddedServer

from ..silence import complaints

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("[gr]*/*.md"))]
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SLOW = re.compile(r"testing\.(checker|chaos)|EmbeddedCluster")
FAULT = re.compile(r"\.(kill|stall)\(\)")
_OUTAGE = re.compile(r"^the server can't be used, .*\n", re.MULTILINE)
SHELL = re.compile(r"^\$ (pika-redis .*)$", re.MULTILINE)


def _snippets() -> list[object]:
    found: list[object] = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in FENCE.finditer(text):
            line = text.count("\n", 0, block.start()) + 2
            marks = [pytest.mark.slow, pytest.mark.ci] if SLOW.search(block.group(1)) else []
            found.append(pytest.param(block.group(1), id=f"{page.relative_to(ROOT)}:{line}", marks=marks))
    return found


def _environment(server: EmbeddedServer) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_", "CACHE_"))}
    source = str(ROOT / "src")
    return {**kept, "REDIS_URL": server.url, "PYTHONPATH": source, "COLUMNS": "120"}


@pytest.mark.parametrize("code", _snippets())
def test_a_snippet_runs_as_a_reader_would_type_it(code: str, valkey_server: EmbeddedServer, tmp_path: Path) -> None:
    script = tmp_path / "snippet.py"
    script.write_text(code, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env=_environment(valkey_server),
        cwd=tmp_path,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = _OUTAGE.sub("", ran.stderr) if FAULT.search(code) else ran.stderr
    assert complaints(told) == ""


def test_the_readme_shows_enough_snippets() -> None:
    assert len(FENCE.findall((ROOT / "README.md").read_text("utf-8"))) >= 4


def test_the_shell_commands_of_the_readme_succeed(valkey_server: EmbeddedServer) -> None:
    commands = SHELL.findall((ROOT / "README.md").read_text("utf-8"))
    assert len(commands) >= 4
    for command in commands:
        ran = subprocess.run(
            [sys.executable, "-m", "pika_redis", *shlex.split(command)[1:]],
            capture_output=True,
            text=True,
            timeout=60,
            env=_environment(valkey_server),
            check=False,
        )
        assert ran.returncode == 0, f"{command}: {ran.stderr}"
