"""The soak itself, for some seconds, and its command line."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import pytest

from pika_redis import ArgumentError
from pika_redis.testing import EmbeddedServer, find_server
from pika_redis.testing.chaos import Soak, Stage, Topology, soak, stage_of
from pika_redis.testing.chaos import command as command_line
from pika_redis.testing.direct import ask
from pika_redis.testing.server import ServerKind


def servers_of(stage: Stage) -> list[EmbeddedServer]:
    """All of its servers, which `revive` sees to."""
    held: Any = stage
    if hasattr(held, "_server"):
        return [held._server]
    return held._cluster.nodes if hasattr(held, "_cluster") else [*held._sentinels.servers, *held._sentinels.sentinels]


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        pytest.param("valkey", 20, marks=[pytest.mark.valkey, pytest.mark.ci]),
        pytest.param("redis", 45, marks=pytest.mark.redis),
    ],
)
async def test_the_promise_holds_while_everything_fails_and_nothing_is_left_behind(
    kind: ServerKind, seconds: float
) -> None:
    if find_server(kind) is None:
        pytest.skip(f"no {kind}-server")
    told: list[str] = []
    report = await soak(Soak(seconds=seconds, every=1.5, kind=kind, processes=2, tasks=4, keys=40, seed=4), told.append)
    assert report.held, report.to_text()
    assert report.conclusive
    assert len(report.windows) >= seconds // 3
    assert report.figures.availability == 1
    assert len(report.figures.during) > 500
    assert told[0].startswith("chaos on ")
    assert "seed 4" in told[0]


@pytest.mark.valkey
@pytest.mark.parametrize(
    ("topology", "kinds"),
    [
        pytest.param("standalone", 20, marks=[pytest.mark.slow, pytest.mark.ci]),
        pytest.param("sentinel", 9, marks=pytest.mark.slow),
        pytest.param("cluster", 9, marks=pytest.mark.slow),
    ],
)
def test_every_fault_can_be_begun_and_ended(topology: Topology, kinds: int) -> None:
    with stage_of(topology, "valkey", 1) as stage:
        assert len({fault.name for fault in stage.faults}) == len(stage.faults) >= kinds
        dice = random.Random(1)
        for fault in stage.faults:
            fault.begin(dice)()
            stage.heal()
            assert all(ask(server, "PING") == b"PONG" for server in servers_of(stage))


@pytest.mark.parametrize(
    "wrong", [{"seconds": 1}, {"every": 0}, {"topology": "ring"}, {"kind": "memcached"}, {"faults": "burnt"}]
)
async def test_a_soak_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        await soak(Soak(**wrong))


def test_a_wrong_command_line_is_usage() -> None:
    assert command_line.main(["--seconds", "1"]) == 2
    with pytest.raises(SystemExit) as ended:
        command_line.main(["--topology", "ring"])
    assert ended.value.code == 2


def test_the_command_says_what_it_takes() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pika_redis.testing.chaos", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for word in ("--seconds", "--topology", "--faults", "--seed", "exit code"):
        assert word in ran.stdout
