from __future__ import annotations

import json
import subprocess
import sys
from unittest import mock

import pytest

from .command import called


@pytest.mark.slow
@pytest.mark.ci
def test_the_demo_keeps_its_promises() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pika_redis", "demo", "--json", "--requests", "500"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert [promise["held"] for promise in document["promises"]] == [True, True, True, True]
    assert document["rounds"]["server killed"]["failed"] == 0
    assert document["rounds"]["with cache"]["queries"] < document["rounds"]["without cache"]["queries"] == 500


@pytest.mark.parametrize("missing", ["airportsdata", "fastapi", "uvicorn"])
def test_without_its_packages_the_demo_says_what_to_install(missing: str) -> None:
    with mock.patch.dict(sys.modules, {missing: None}):
        ended = called("demo", environment={})
    assert ended.code == 2
    assert ended.complaint == f"the demo needs {missing}: pip install 'pika-redis[demo]'"
