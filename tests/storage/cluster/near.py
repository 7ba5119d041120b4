"""Looking into the near side of a cluster."""

from __future__ import annotations

from typing import cast

from pika_redis import RedisService
from pika_redis.storage.cluster.near import ClusterNear
from pika_redis.testing import EmbeddedCluster, EmbeddedServer

from ..tap import near_of

__all__ = ["elsewhere", "key_on", "near_cluster"]


def near_cluster(service: RedisService) -> ClusterNear:
    return cast("ClusterNear", near_of(service))


def key_on(cluster: EmbeddedCluster, prefix: str, node: EmbeddedServer, name: str = "k") -> str:
    """A key, without the prefix, that this node serves."""
    return next(key for number in range(1000) if cluster.primary_of(prefix + (key := f"{name}{number}")) is node)


def elsewhere(cluster: EmbeddedCluster, *nodes: EmbeddedServer) -> EmbeddedServer:
    """A primary that is none of these."""
    return next(node for node in cluster.primaries if node not in nodes)
