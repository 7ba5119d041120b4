"""Commands of the user's own: on one server as they come, in a cluster each on the node that has its key.

Which words of a command are keys only the server knows, for its modules too: in a cluster it is asked first, unless the
caller names a key. A command without keys (INFO, DBSIZE, SCAN) is meant for one node, and which one only the caller can
say: by any key of that node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, cast

from ..errors import AccessDeniedError, ArgumentError, CacheServerError, CacheUnavailableError
from ..storage.near import Near
from ..wire.connection import Command, Reply
from ..wire.node import Repeat
from ..wire.replies import Disconnected, Redirected
from ..wire.slot_map import slot_of

if TYPE_CHECKING:
    from ..storage.cluster.near import ClusterNear
    from ..wire.cluster import Cluster

__all__ = ["ClusterExecution", "Execution", "SingleExecution"]

_MOST_HOPS: Final = 5
_ASKING: Final[Command] = ("ASKING",)


class Execution(Protocol):
    """Runs commands over connections that nobody else uses meanwhile."""

    async def run(self, near: Near, commands: Sequence[Command], key: str | None, *, blocking: bool) -> list[Reply]:
        """Their replies, errors among them. Raises CacheUnavailableError, OutcomeUnknownError, ArgumentError."""
        ...


class SingleExecution:
    """On one server."""

    async def run(self, near: Near, commands: Sequence[Command], key: str | None, *, blocking: bool) -> list[Reply]:
        """See `Execution`."""
        node = near.single
        lease = node.own() if blocking else node.exclusive()
        async with lease as connection:
            try:
                return await connection.call_many(commands)
            except Disconnected as lost:
                return await node.again(partial(connection.call_many, commands), lost, Repeat.NEVER)


class ClusterExecution:
    """On the nodes of a cluster, side by side; of one node in their order."""

    async def run(self, near: Near, commands: Sequence[Command], key: str | None, *, blocking: bool) -> list[Reply]:
        """See `Execution`."""
        cluster = cast("ClusterNear", near).cluster
        await cluster.ready()
        keys = [key or await _key_in(cluster, command) for command in commands]
        replies: list[Reply] = [None] * len(commands)
        groups: dict[object, list[int]] = {}
        for at, one in enumerate(keys):
            groups.setdefault(cluster.owner(one), []).append(at)

        async def ask(group: list[int]) -> None:
            found = await _on_one(cluster, keys[group[0]], [commands[at] for at in group], blocking=blocking)
            for at, reply in zip(group, found, strict=True):
                replies[at] = reply

        await asyncio.gather(*map(ask, groups.values()))
        for at, reply in enumerate(replies):
            if isinstance(reply, Redirected):
                replies[at] = await _follow(cluster, keys[at], commands[at], reply, blocking=blocking)
        return replies


async def _on_one(cluster: Cluster, key: str | bytes, commands: Sequence[Command], *, blocking: bool) -> list[Reply]:
    async with cluster.lent(key, blocking=blocking) as (node, connection):
        try:
            return await connection.call_many(commands)
        except Disconnected as lost:
            return await node.again(partial(connection.call_many, commands), lost, Repeat.NEVER)


async def _follow(
    cluster: Cluster, key: str | bytes, command: Command, redirected: Redirected, *, blocking: bool
) -> Reply:
    """The reply of the node that a command belongs to. Raises CacheUnavailableError when they do not agree."""
    reply: Reply = redirected
    for _ in range(_MOST_HOPS):
        if not isinstance(reply, Redirected):
            return reply
        owner = cluster.owner(key)
        place = (reply.host or ("" if owner is None else owner.place[0]), reply.port)
        if reply.code == "ASK":
            node = cluster.members.at(place).node
            lease = node.own() if blocking else node.exclusive()
            async with lease as connection:
                _, reply = await connection.call_many([_ASKING, command])
        else:
            cluster.members.atlas.moved(reply.slot, place)
            (reply,) = await _on_one(cluster, key, [command], blocking=blocking)
    raise CacheUnavailableError(f"the nodes of the cluster send each other's keys back and forth, at last: {reply}")


async def _key_in(cluster: Cluster, command: Command) -> bytes:
    """The first key of a command, of which all have one slot. Raises ArgumentError for others."""
    name = command[0].decode(errors="replace") if isinstance(command[0], bytes) else str(command[0])
    keys: list[bytes] = []
    try:
        keys = await _keys_of(cluster, command)
    except AccessDeniedError:
        raise
    except CacheServerError as error:
        raise ArgumentError(
            f"{name} names no key by which its node of the cluster could be told; give key=, any key of that node"
        ) from error
    if not keys:
        raise ArgumentError(f"{name} was given no key; in a cluster give key=, any key of the node that is meant")
    if len({slot_of(key) for key in keys}) > 1:
        raise ArgumentError(
            f"the keys of {name} lie in different slots of the cluster; those of one command need one: write them with "
            "the same part in {braces}, or send one command a key"
        )
    return keys[0]


async def _keys_of(cluster: Cluster, command: Command) -> list[bytes]:
    """What any node says that can be asked. Raises CacheServerError, CacheUnavailableError."""
    primaries = sorted(cluster.members.primaries, key=lambda one: not one.node.connection.usable)
    for at, member in enumerate(primaries, 1):
        try:
            return cast("list[bytes]", await member.node.call(("COMMAND", "GETKEYS", *command)))
        except CacheUnavailableError:
            if at == len(primaries):
                raise
    raise CacheUnavailableError("no node of the cluster serves any slot")
