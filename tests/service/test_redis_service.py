"""`RedisService` beyond the contract: construction, starting without a server, commands of one's own, faces, loops."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import math
import threading
from functools import partial
from typing import Any

import pytest
from tests.ids import shown

from pika_redis import (
    MISSING,
    AccessDeniedError,
    CacheClosedError,
    CacheServerError,
    CacheUnavailableError,
    ConfigurationError,
    HealthStatus,
    RedisConfig,
    RedisService,
    ValueTooLargeError,
    cache,
    create_redis_config,
)
from pika_redis.testing import EmbeddedServer, FakeClock, free_port, refuses
from pika_redis.testing.assertions import until


class JsonSerializer:
    def dumps(self, value: object) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> object:
        return json.loads(data)


def nowhere(**settings: Any) -> RedisService:
    return RedisService(f"redis://:sesame@127.0.0.1:{free_port()}", retry_attempts=0, **settings)


# -- construction ---------------------------------------------------------------------------------------------------


def test_making_a_service_connects_to_nothing() -> None:
    service = RedisService("redis://127.0.0.1:1", key_prefix="p:")
    assert service.prefix == "p:"


@pytest.mark.parametrize(
    ("config", "settings", "error"),
    [
        ("http://localhost", {}, ConfigurationError),
        ("redis://localhost:99999", {}, ConfigurationError),
        (5, {}, TypeError),
        (None, {"port": "6379"}, TypeError),
        (None, {"ttl": 0}, ValueError),
        (None, {"key_prefx": "p:"}, ConfigurationError),
        (None, {"connect_timeout": 10_000}, ConfigurationError),
        (None, {"max_value_bytes": 0}, ValueError),
        ("redis://localhost", {"key_prefix": 5}, TypeError),
    ],
)
def test_settings_that_make_no_sense_are_refused(config: Any, settings: dict[str, Any], error: type[Exception]) -> None:
    with refuses(error):
        RedisService(config, **settings)


async def test_the_environment_is_the_default(valkey_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", valkey_server.url)
    monkeypatch.setenv("REDIS_KEY_PREFIX", "from-env:")
    monkeypatch.setenv("DEFAULT_CACHE_TTL", "100")
    async with RedisService() as service:
        await service.set("k", "v")
        assert await service.execute("GET", "from-env:k") is not None
        assert 90 < (await service.remaining_ttl("k") or 0) <= 100
        await service.clear()


async def test_a_config_object_is_taken_as_it_is(valkey_server: EmbeddedServer, prefix: str) -> None:
    config = create_redis_config(host=valkey_server.host, port=valkey_server.port, key_prefix=prefix)
    assert isinstance(config, RedisConfig)
    async with RedisService(config) as service:
        await service.set("k", "v")
        assert await service.execute("EXISTS", f"{prefix}k") == 1


async def test_a_disabled_service_reads_misses_and_needs_no_server() -> None:
    async with nowhere(enabled=False, lazy_connect=False) as service:
        await service.set("k", "v")
        assert await service.get("k", default="miss") == "miss"
        assert await service.get_or_load("k", lambda: "loaded") == "loaded"
        with refuses(CacheUnavailableError, "switched off"):
            await service.increment("k")
        assert (await service.health_check()).detail.startswith("switched off")


async def test_a_memory_url_needs_no_server() -> None:
    async with RedisService("memory://", ttl=10) as service:
        await service.set("k", [1], tags=["t"])
        assert await service.get("k") == [1]
        assert await service.with_options(key_prefix="other:").get("k") is None
        await service.invalidate_tags(["t"])
        assert await service.get("k") is None
        assert (await service.health_check()).backend == "memory"
        with refuses(CacheUnavailableError, "memory://"):
            await service.execute("PING")


@pytest.mark.parametrize("there", [{"url": "memory://"}, {"url": "redis://127.0.0.1:1", "enabled": False}], ids=shown)
def test_without_a_server_plain_functions_and_the_synchronous_face_work(there: dict[str, Any]) -> None:
    service = RedisService(**there)
    kept = there["url"] == "memory://"
    calls: list[int] = []

    @cache(service=service, tags=["t"])
    def double(number: int) -> list[int]:
        calls.append(number)
        return [2 * number]

    assert [double(2), double(2)] == [[4], [4]]
    assert len(calls) == (1 if kept else 2)
    assert double.peek(2) == ([4] if kept else MISSING)
    assert double.refresh(2) == [4]
    assert double.invalidate(2) is kept
    cache_ = service.sync
    cache_.set("k", [1], tags=["t"])
    assert cache_.get("k") == ([1] if kept else None)
    other = service.with_options(key_prefix="other:").sync
    assert other.get("k") is None
    assert other.get_or_load("k", lambda: "loaded") == "loaded"
    cache_.invalidate_tags(["t"])
    assert cache_.get("k") is None
    with refuses(CacheUnavailableError):
        cache_.execute("PING")
    cache_.connect()
    cache_.aclose()
    with refuses(CacheClosedError):
        double(3)


def test_the_environment_may_choose_memory_for_plain_functions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "memory://")
    assert RedisService().sync.get_or_load("k", lambda: 5) == 5


async def test_there_is_no_synchronous_face_over_a_server() -> None:
    with refuses(TypeError, "async"):
        _ = RedisService("redis://127.0.0.1:1").sync


# -- a server that is not there ------------------------------------------------------------------------------------


async def test_an_unreachable_server_is_an_error_at_connect_that_tells_no_password() -> None:
    service = nowhere()
    for _ in range(2):
        with refuses(CacheUnavailableError, "127.0.0.1") as caught:
            await service.connect()
        assert isinstance(caught[0], ConnectionError)
        assert "sesame" not in str(caught[0])
    await service.aclose()


async def test_a_service_starts_without_its_server_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "pika_redis"):
        async with nowhere() as service:
            assert [record.message for record in caplog.records] == [caplog.records[0].message]
            assert "starting without the server" in caplog.text
            for _ in range(3):
                assert await service.get_or_load("k", lambda: "loaded") == "loaded"
            assert len(caplog.records) == 2
            assert "answers from this process's memory" in caplog.records[1].message
            assert "sesame" not in caplog.text
            await service.set("k", 1)
            assert await service.get_many(["k", "other"]) == [1, None]
            with refuses(CacheUnavailableError):
                await service.increment("k")


async def test_a_service_that_is_to_raise_raises_in_every_verb() -> None:
    async with nowhere(on_unavailable="raise") as service:
        for call in (
            service.get("k"),
            service.set("k", 1),
            service.increment("k"),
            service.get_many(["k"]),
            service.delete("k"),
            service.get_or_load("k", lambda: "loaded"),
            service.get_or_load_many(["k"], lambda keys: keys),
            service.get_stats(),
        ):
            with refuses(CacheUnavailableError):
                await call


async def test_a_service_may_insist_on_its_server() -> None:
    with refuses(CacheUnavailableError):
        async with nowhere(lazy_connect=False):
            pass


async def test_health_of_an_unreachable_server_is_a_report_and_no_error() -> None:
    for mode, status in (("raise", HealthStatus.UNHEALTHY), ("degrade", HealthStatus.DEGRADED)):
        async with nowhere(on_unavailable=mode) as service:
            report = await service.health_check()
        assert (report.status, report.connected, report.latency_ms) == (status, False, None)
        assert "sesame" not in json.dumps(report.to_dict())


async def test_a_wrong_password_is_denied_in_every_verb(valkey_server: EmbeddedServer) -> None:
    url = valkey_server.url.replace("redis://", "redis://nobody:sesame@")
    service = RedisService(url, retry_attempts=0, on_unavailable="raise")
    for call in (service.connect(), service.get("k"), service.set("k", 1), service.execute("PING")):
        with refuses(AccessDeniedError, "WRONGPASS") as caught:
            await call
        assert isinstance(caught[0], PermissionError)
        assert "sesame" not in str(caught[0])
    report = await service.health_check()
    assert (report.status, report.connected) == (HealthStatus.UNHEALTHY, False)
    assert "sesame" not in json.dumps(report.to_dict())
    await service.aclose()


async def test_a_user_who_may_not_ping_finds_the_server_degraded(server: EmbeddedServer, prefix: str) -> None:
    user = prefix.strip(":").replace(":", "-")
    async with RedisService(server.url, key_prefix=prefix) as service:
        await service.execute("ACL", "SETUSER", user, "on", ">sesame", f"~{prefix}*", "+@all", "-ping")
        try:
            async with RedisService(server.url.replace("redis://", f"redis://{user}:sesame@")) as limited:
                assert (await limited.health_check()).status is HealthStatus.DEGRADED
        finally:
            await service.execute("ACL", "DELUSER", user)


# -- commands of one's own -----------------------------------------------------------------------------------------


async def test_execute_gives_the_raw_reply(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url, key_prefix=prefix) as service:
        assert await service.execute("SET", f"{prefix}k", b"\x00\xff", "PX", 60_000) == b"OK"
        assert await service.execute("GET", f"{prefix}k", key=f"{prefix}k") == b"\x00\xff"
        assert await service.execute("INCRBYFLOAT", f"{prefix}f", 1.5) == b"1.5"
        assert await service.execute("GET", f"{prefix}absent") is None
        assert await service.execute("HSET", f"{prefix}h", "a", 1) == 1
        assert await service.execute("HGETALL", f"{prefix}h") == {b"a": b"1"}
        assert await service.execute_many([("PING",), ["EXISTS", f"{prefix}k"]]) == [b"PONG", 1]
        assert await service.execute_many([]) == []


async def test_execute_names_the_word_that_is_wrong() -> None:
    service = RedisService("redis://127.0.0.1:1")
    words: Any
    for words, part in (
        ((), "name"),
        ((5,), "name"),
        (("",), "name"),
        (("GET", None), "NoneType"),
        (("SET", True), "bool"),
    ):
        with refuses(TypeError, part):
            await service.execute(*words)
    text: Any = "PING"
    with refuses(TypeError, "('PING',)"):
        await service.execute_many([text])


async def test_the_first_error_of_a_pipeline_is_raised(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url, key_prefix=prefix) as service:
        with refuses(CacheServerError, "unknown command"):
            await service.execute_many([("SET", f"{prefix}k", "v"), ("NOSUCH",), ("ALSONOT",)])
        assert await service.execute("GET", f"{prefix}k") == b"v"


async def test_a_blocking_command_holds_up_nobody(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url, key_prefix=prefix) as service:
        waiting = asyncio.create_task(service.execute("BLPOP", f"{prefix}list", 0))
        await until(partial(_somebody_waits, service))
        assert await service.get("k") is None
        assert await service.execute("RPUSH", f"{prefix}list", "x") == 1
        assert await waiting == [f"{prefix}list".encode(), b"x"]


async def _somebody_waits(service: RedisService) -> bool:
    info: bytes = await service.execute("INFO", "clients")
    return b"blocked_clients:0" not in info


# -- faces, loops, values -------------------------------------------------------------------------------------------


async def test_faces_share_connections_and_counts(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url, key_prefix=prefix) as service:
        await service.connect()
        before = await service.execute("INFO", "stats")
        for number in range(20):
            await service.with_options(key_prefix=f"{prefix}{number}:", ttl=10).set("k", number)
        after = await service.execute("INFO", "stats")
        assert _connections(before) == _connections(after)
        assert (await service.get_stats()).sets == 20


def _connections(info: bytes) -> str:
    return next(line for line in info.decode().splitlines() if line.startswith("total_connections_received"))


async def test_a_sweep_of_an_empty_prefix_is_refused_but_its_epoch_may_turn(valkey_server: EmbeddedServer) -> None:
    async with RedisService(f"{valkey_server.url}/9", key_prefix="") as service:
        await service.set("k", "v", tags=["t"])
        with refuses(ConfigurationError):
            await service.clear()
        assert await service.get("k") == "v"
        await service.clear(sweep=False)
        assert await service.get("k") is None
        assert await service.delete_pattern("*") == 1
        await service.execute("DEL", "#e", "#t:t")


def test_one_service_serves_loop_after_loop_and_several_at_once(valkey_server: EmbeddedServer, prefix: str) -> None:
    service = RedisService(valkey_server.url, key_prefix=prefix)

    async def count() -> int:
        return await service.increment("n")

    assert [asyncio.run(count()) for _ in range(3)] == [1, 2, 3]
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(asyncio.run(count()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [4, 5, 6, 7]

    async def close() -> None:
        await service.clear()
        await service.aclose()
        with refuses(CacheClosedError):
            await service.get("n")

    asyncio.run(close())


async def test_a_value_beyond_the_limit_is_refused(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url, key_prefix=prefix, max_value_bytes=1024) as service:
        await service.set("k", "x" * 1000)
        with refuses(ValueTooLargeError, "1024"):
            await service.set("k", "x" * 1100)
        assert await service.get("k") == "x" * 1000
        for value in ("x" * 2000, ["x" * 2000], {"rows": [("x" * 2000,)]}):
            with refuses(ValueTooLargeError, "1024"):
                await service.set("k", value)
            assert await service.get_or_load("l", partial(copy.copy, value)) == value
            assert await service.exists("l") is False


async def test_a_pattern_may_be_counted_before_it_deletes(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url, key_prefix=prefix) as service:
        await service.set_many({f"k:{number}": number for number in range(1500)}, tags=["t"])
        assert await service.count_pattern("k:1??") == 100
        assert await service.count_pattern("*") == 1500
        assert await service.delete_pattern("k:*") == 1500
        assert await service.count_pattern("*") == 0


async def test_large_values_are_compressed_unless_it_is_switched_off(server: EmbeddedServer, prefix: str) -> None:
    value = {"text": "again and again " * 4000}
    sizes = []
    for compress in (True, False):
        async with RedisService(server.url, key_prefix=prefix, compression_enabled=compress) as service:
            await service.set("k", value)
            assert await service.get("k") == value
            assert await service.get_many(["k"]) == [value]
            sizes.append(await service.execute("STRLEN", f"{prefix}k"))
    assert sizes[0] < sizes[1] / 10


async def test_a_serializer_of_ones_own_decides_what_comes_back(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url, key_prefix=prefix, serializer=JsonSerializer()) as service:
        await service.set("k", (1, "two"))
        assert await service.get("k") == [1, "two"]
        assert b'[1, "two"]' in await service.execute("GET", f"{prefix}k")
        assert await service.increment("n") == 1
        with refuses(TypeError, "serializer"):
            await service.set("k", b"bytes")


async def test_a_clock_of_ones_own_does_not_move_the_servers_expiry(server: EmbeddedServer, prefix: str) -> None:
    clock = FakeClock()
    async with RedisService(server.url, key_prefix=prefix, clock=clock) as service:
        await service.set("k", "v", ttl=100)
        assert (await service.remaining_ttl("k") or math.inf) <= 100
        clock.advance(10)
        assert await service.get("k") == "v"
