"""Reads in a cluster that are queued and have not left: each at the node of its key."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import cast

from ...wire.cluster import Cluster
from ...wire.progress import Proof
from ..unsent import Unsent

__all__ = ["ClusterUnsent"]


class ClusterUnsent(Unsent):
    """The reads of a cluster, by what is read: the epoch's key, the key, and more."""

    def __init__(self, loop: asyncio.AbstractEventLoop, cluster: Cluster) -> None:
        super().__init__(loop, cluster)
        self._cluster = cluster

    def _proof(self, what: Hashable) -> Proof:
        owner = self._cluster.owner(cast("tuple[str, str]", what)[1])
        return (self._cluster if owner is None else owner.node).connection.proof
