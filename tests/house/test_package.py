"""What users install is what stands in src: every file of the package, its types, and the command."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from .source import ROOT, SOURCE


def test_the_wheel_holds_the_whole_package_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        (commands,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert b"pika-redis = pika_redis.cli:main" in archive.read(commands)
    source = {file.relative_to(SOURCE).as_posix() for file in SOURCE.rglob("*") if file.is_file()}
    example = "pika_redis/cli/demo/airports.py"  # the demo's service, from examples/
    assert packed == {name for name in source if "__pycache__" not in name} | {example}
    assert "pika_redis/py.typed" in packed
