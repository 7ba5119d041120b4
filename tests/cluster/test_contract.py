"""The contract of the services, kept by a cluster: whatever is promised of one server beside nodes and slots."""

from __future__ import annotations

import pytest

from pika_redis import RedisService
from pika_redis.testing import ConformanceSuite, EmbeddedCluster

pytestmark = [pytest.mark.slow, pytest.mark.ci]


class TestCluster(ConformanceSuite):
    @pytest.fixture(autouse=True)
    def _on(self, shared: EmbeddedCluster, prefix: str) -> None:
        self.cluster, self.prefix = shared, prefix

    async def make_service(self) -> RedisService:
        return RedisService(self.cluster.url, key_prefix=self.prefix)


class TestClusterWithoutCopies(TestCluster):
    async def make_service(self) -> RedisService:
        return RedisService(self.cluster.url, key_prefix=self.prefix, l1=False)
