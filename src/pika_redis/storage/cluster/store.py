"""Entries of one namespace in a cluster (see `storage.remote`): the same verbs over steps that go to several nodes."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.missing import MISSING, MissingType
from ...wire.connection import Command
from ...wire.steps import Step
from ..leases import Leases
from ..near import Near
from ..remote import RemoteStore
from .keyspace import ClusterKeyspace
from .reader import ClusterReader
from .tags import ClusterTags

__all__ = ["ClusterOnlyStore", "ClusterStore"]


class _ApartLeases(Leases):
    """Leases and claims where an entry, its claim and its nonces lie on different nodes."""

    _apart = True


class ClusterStore(RemoteStore):
    """The entries of one namespace in a cluster."""

    _tags_kind = ClusterTags
    _reader_kind = ClusterReader
    _leases_kind = _ApartLeases
    _keyspace_kind = ClusterKeyspace

    async def get(self, key: str, *, strict: bool = False) -> object:
        return self._fresh_value(await self._reader.read(key, strict=strict))

    def _set_steps(self, near: Near, keys: Sequence[str], commands: Sequence[Command]) -> list[Step]:
        return [
            Step(key, [command], self._seen_written(near, (key,)), spare=True)
            for key, command in zip(keys, commands, strict=True)
        ]


class ClusterOnlyStore(ClusterStore):
    """The same where this process shall hold no copies: every read asks the nodes."""

    def hit(self, key: str, refresh_ms: float, share: bool = False) -> MissingType:
        return MISSING
