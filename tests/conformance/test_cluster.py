"""The suite on a cluster, whose nodes share what one server has elsewhere; here Valkey and Redis."""

from __future__ import annotations

import pytest

from pika_redis import RedisService
from pika_redis.testing import ConformanceSuite, EmbeddedCluster, age_entries, unique_prefix

from .ancestor import AncestorExamples

pytestmark = [pytest.mark.slow, pytest.mark.ci]


class ClusterContract(AncestorExamples, ConformanceSuite):
    cluster: EmbeddedCluster
    prefix: str

    async def make_service(self) -> RedisService:
        self.service = RedisService(self.cluster.url, key_prefix=self.prefix)
        return self.service

    async def advance(self, seconds: float) -> None:
        await age_entries(self.service, self.prefix, seconds)


class TestOnValkey(ClusterContract):
    @pytest.fixture(autouse=True)
    def a_cluster(self, valkey_cluster: EmbeddedCluster) -> None:
        self.cluster, self.prefix = valkey_cluster, unique_prefix()


class TestOnRedis(ClusterContract):
    @pytest.fixture(autouse=True)
    def a_cluster(self, redis_cluster: EmbeddedCluster) -> None:
        self.cluster, self.prefix = redis_cluster, unique_prefix()
