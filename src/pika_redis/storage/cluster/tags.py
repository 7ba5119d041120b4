"""Tags and the epoch in a cluster, each on a node of its own.

A nonce that can't be made, because its node is down, is no reason to fail a load: its result is not stored then. What
proves that a captured nonce is current is a read of it in the same call: what is known may be older than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import CacheUnavailableError
from ...model.entry import Capture
from ..near import Near
from ..remote_tags import NOTHING, Making, RemoteTags

__all__ = ["ClusterTags"]


class ClusterTags(RemoteTags):
    """The tags of one namespace in a cluster."""

    def holds(self, near: Near, capture: Capture, looked: Mapping[str, bytes | None] = NOTHING) -> bool:
        if not capture.complete:
            return False
        captured = dict(zip(self.keys(list(capture.tags)), (capture.epoch, *capture.tags.values()), strict=True))
        return all(looked.get(key) == nonce for key, nonce in captured.items())

    def along(self, near: Near, seen: Capture, tags: Sequence[str], ttl: float) -> Making:
        return Making(self, near, tags, (), 0)

    async def required(self, near: Near, seen: Capture, tags: Sequence[str], ttl: float) -> Capture:
        return await super().complete(near, seen, tags, ttl)

    async def complete(self, near: Near, seen: Capture, tags: Sequence[str], ttl: float) -> Capture:
        try:
            return await super().complete(near, seen, tags, ttl)
        except CacheUnavailableError:
            return seen
