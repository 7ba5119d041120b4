"""Entries of one namespace in a cluster (see `storage.remote`): the same verbs over steps that go to several nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...model.entry import Capture, Draft
from ...model.missing import MISSING, MissingType
from ...wire.connection import Reply
from ...wire.node import Repeat
from ...wire.steps import Step
from ..leases import Leases
from ..near import Near
from ..remote import RemoteStore
from ..sealing import Packed
from ..writes import Writes
from .keyspace import ClusterKeyspace
from .reader import ClusterReader
from .tags import ClusterTags

__all__ = ["ClusterOnlyStore", "ClusterStore"]


class _ApartLeases(Leases):
    """Leases and claims where an entry, its claim and its nonces lie on different nodes."""

    _apart = True


class _ApartWrites(Writes):
    """Writes where each entry and each nonce may lie on another node."""

    async def write(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        return await self._write_pages(items)

    async def _write_under(self, near: Near, packed: Sequence[Packed], capture: Capture) -> tuple[list[Reply], Capture]:
        tags = list(capture.tags)
        look = self._tags.look(near, tags)
        commands = self.commands(packed, capture)
        steps = [
            Step(key, [command], self.seen_written(near, (key,)), spare=True)
            for (key, _, _), command in zip(packed, commands, strict=True)
        ]
        *replies, _ = await near.node.take([*steps, look.step], Repeat.UNSENT)
        return [one for given in replies for one in given], self._tags.captured(near, tags, look.found)


class ClusterStore(RemoteStore):
    """The entries of one namespace in a cluster."""

    _tags_kind = ClusterTags
    _reader_kind = ClusterReader
    _leases_kind = _ApartLeases
    _keyspace_kind = ClusterKeyspace
    _writes_kind = _ApartWrites

    async def get(self, key: str, *, strict: bool = False, begun: object = None) -> object:
        return self._fresh_value(await self._reader.read(key, strict=strict))

    async def _read_values(self, keys: Sequence[str]) -> list[object]:
        return [self._fresh_value(record) for record in await self._reader.read_many(keys)]


class ClusterOnlyStore(ClusterStore):
    """The same where this process shall hold no copies: every read asks the nodes."""

    def hit(self, key: str, refresh_ms: float, share: bool = False) -> MissingType:
        return MISSING
