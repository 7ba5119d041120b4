"""Servers of the matrix alone, since they are mistreated: one set a topology and kind, whole again after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pika_redis.testing.server import ServerKind

from .stages import Stage, Topology, Victim, staged


@pytest.fixture(scope="session")
def lasting(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Servers of the topology and kind that the test names."""
    topology: Topology
    kind: ServerKind
    topology, kind = request.param
    request.getfixturevalue(f"{kind}_server")  # skips where there is none
    with staged(topology, kind) as stage:
        yield stage


@pytest.fixture
def stage(lasting: Stage) -> Iterator[Stage]:
    yield lasting
    lasting.heal()


@pytest.fixture
def victim(stage: Stage, prefix: str) -> Iterator[Victim]:
    one = Victim(stage, prefix)
    yield one
    one.close()
