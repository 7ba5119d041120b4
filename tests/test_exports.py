"""The public face: these names and no others, each at home in `pika_redis`."""

from __future__ import annotations

import subprocess
import sys

import pika_redis
from pika_redis import errors, testing

NAMES = """
RedisService MemoryCacheService NullService CacheService FullCacheService
cache cached CacheOptions
create_redis_config RedisConfig CacheSettings
CacheItem CacheStats HealthReport HealthStatus Loaded DO_NOT_STORE MISSING escape_glob
set_default_service get_default_service use_service bypass_cache
AccessDeniedError ArgumentError ArgumentTypeError BatchError CacheClosedError CacheError CacheServerError
CacheTimeoutError CacheUnavailableError CacheUsageError CommandRefusedError ConfigurationError KeyNotFoundError
LoadFailedError LoadTimeoutError LockLostError LockNotAcquiredError NotAnIntegerError NotReplicatedError
OutcomeUnknownError OverloadedError SerializationError UnstableArgumentError ValueTooLargeError
"""
TESTING = """
ConformanceSuite EmbeddedCluster EmbeddedSentinels EmbeddedServer FakeClock FaultyWire age_entries find_server
free_port refuses unique_prefix until_healthy
"""


def test_the_face_has_exactly_these_names() -> None:
    assert sorted(pika_redis.__all__) == sorted(NAMES.split())
    assert len(set(pika_redis.__all__)) == len(pika_redis.__all__)


def test_every_name_says_that_it_lives_in_the_face() -> None:
    homes = {name: getattr(getattr(pika_redis, name), "__module__", "pika_redis") for name in pika_redis.__all__}
    assert {name for name, home in homes.items() if home != "pika_redis"} == set()


def test_every_error_is_public_and_of_one_tree() -> None:
    assert set(errors.__all__) <= set(pika_redis.__all__)
    for name in errors.__all__:
        assert issubclass(getattr(pika_redis, name), pika_redis.CacheError)


def test_cached_is_cache_under_a_name_that_functools_does_not_have() -> None:
    assert pika_redis.cached is pika_redis.cache


def test_the_testing_room_has_exactly_these_names() -> None:
    assert sorted(testing.__all__) == TESTING.split()


def test_the_testing_room_needs_no_pytest_until_the_suite_is_used() -> None:
    code = """
import sys
sys.modules["pytest"] = sys.modules["pytest_asyncio"] = None
import pika_redis.testing as testing
assert testing.FakeClock().monotonic() == 1000.0
try:
    class Mine(testing.ConformanceSuite): ...
except ModuleNotFoundError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert ran.stdout == "ConformanceSuite needs pytest: pip install pytest pytest-asyncio\n"
