"""How much a service asks of its server: commands and round trips, counted where they leave."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pika_redis import MISSING, RedisService
from pika_redis.storage.near import Near
from pika_redis.storage.remote import RemoteStore
from pika_redis.storage.tiers import Tiers
from pika_redis.wire.progress import Proof

__all__ = ["Asked", "Tap", "heard", "is_served", "near_of", "server_of"]


@dataclass
class Asked:
    """What left over the connection T meanwhile."""

    commands: int = 0
    trips: int = 0
    """Writes: what is asked together leaves together."""

    @property
    def nothing(self) -> bool:
        return (self.commands, self.trips) == (0, 0)


class Tap:
    """Sees every write of this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._counts: list[tuple[RedisService, Asked]] = []
        wrote = Proof.wrote

        def seen(proof: Proof, commands: int, now: float) -> None:
            for service, asked in self._counts:
                if near_of(service).node.connection.proof is proof:
                    asked.commands += commands
                    asked.trips += 1
            wrote(proof, commands, now)

        monkeypatch.setattr(Proof, "wrote", seen)

    @contextlib.contextmanager
    def on(self, service: RedisService) -> Iterator[Asked]:
        """What this service asks within the block."""
        count = (service, Asked())
        self._counts.append(count)
        try:
            yield count[1]
        finally:
            self._counts = [other for other in self._counts if other is not count]


def near_of(service: RedisService) -> Near:
    """What the running loop holds of the server."""
    return service._nears.get()


def server_of(service: RedisService) -> RemoteStore:
    """The store that asks the server."""
    store = service._store
    server = store._server if isinstance(store, Tiers) else store
    assert isinstance(server, RemoteStore)
    return server


async def heard(service: RedisService) -> None:
    """Everything is heard that other clients have changed by now."""
    await near_of(service).hear()


def is_served(service: RedisService, key: str = "k") -> bool:
    """Whether a read of the key would be answered without asking."""
    return service._store.hit(service.name_of(key), 0.0) is not MISSING
