"""Asking one node who serves what in its cluster."""

from __future__ import annotations

from typing import Final

from ..errors import AccessDeniedError, CacheServerError, CacheUnavailableError
from .address import HostPort, shown_place
from .node import Node
from .slot_map import SlotMap, read_shards, read_slots

__all__ = ["survey"]

_DISABLED: Final = "cluster support disabled"


async def survey(node: Node, place: HostPort, *, tls: bool) -> SlotMap:
    """The slot map as the node at `place` has it. Raises CacheUnavailableError, AccessDeniedError."""
    where = shown_place(*place)
    await node.ready()
    try:
        return _served(read_shards(await node.call(("CLUSTER", "SHARDS"), attempts=0), place, tls=tls))
    except CacheServerError as error:
        if _DISABLED in str(error):
            raise CacheUnavailableError(
                f"{where}: it is no node of a cluster (cluster support is disabled there); the URL of a single server "
                "begins with redis://"
            ) from error
    except ValueError as error:
        raise CacheUnavailableError(f"{where}: what it says of the cluster can't be used: {error}") from error
    try:  # one that does not know that command, or a user who may not use it
        return _served(read_slots(await node.call(("CLUSTER", "SLOTS"), attempts=0), place))
    except AccessDeniedError:
        raise
    except (CacheServerError, ValueError) as error:
        raise CacheUnavailableError(f"{where}: it does not say who serves what in the cluster: {error}") from error


def _served(found: SlotMap) -> SlotMap:
    if not found.primaries:
        raise ValueError("no slot is served by anybody")
    return found
