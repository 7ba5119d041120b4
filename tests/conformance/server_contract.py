"""What holds on every server beyond the suite: the bytes in it, and what other clients and processes do to them."""

from __future__ import annotations

import asyncio
import enum
import math
from dataclasses import dataclass

import pytest

from pika_redis import (
    AccessDeniedError,
    BatchError,
    CacheServerError,
    CommandRefusedError,
    MemoryCacheService,
    NotAnIntegerError,
    RedisService,
    cache,
    use_service,
)
from pika_redis.testing import ConformanceSuite, EmbeddedServer, age_entries
from pika_redis.testing.assertions import all_refuse, until

from .ancestor import AncestorExamples

FOREIGN = (
    *(b"", b"V", b"V" * 60, b"S" + b"\0" * 30, b"\x80\x04K\x01.", b"not ours", b"\xff", b"007", b"-0", b"+1", b"{}"),
    *(b"- 5", b"1.0", b"1e3", b" 1", b"9223372036854775808", b"-9223372036854775809", b"1" * 40, "\u0661".encode()),
)  # fmt: skip


class Size(enum.Enum):
    SMALL = "small"


@dataclass
class Line:
    article: str
    size: Size


@dataclass
class Order:
    number: int
    lines: list[Line]


ORDER = Order(7, [Line("lamp", Size.SMALL)])


class ServerContract(AncestorExamples, ConformanceSuite):
    server: EmbeddedServer
    prefix: str

    async def make_service(self) -> RedisService:
        self.service = RedisService(self.server.url, key_prefix=self.prefix)
        return self.service

    async def advance(self, seconds: float) -> None:
        await age_entries(self.service, self.prefix, seconds)

    def another(self) -> RedisService:
        """The same cache in another process: nothing but the server is shared."""
        return RedisService(self.server.url, key_prefix=self.prefix)

    # -- bytes that are not ours ----------------------------------------------------------------------------------

    async def test_foreign_bytes_are_a_miss_and_a_count(self, service: RedisService) -> None:
        for raw in FOREIGN:
            await service.execute("SET", f"{self.prefix}k", raw)
            before = (await service.get_stats()).undecodable
            assert await service.get("k", default="miss") == "miss"
            assert await service.get_many(["k", "k"], default="miss") == ["miss", "miss"]
            assert (await service.get_stats()).undecodable == before + 3
            assert await service.exists("k") is False
            assert await service.remaining_ttl("k") is None
            assert await service.get_with_ttl("k") == (None, None)
            assert await service.touch("k", 60) is False
            assert await service.mark_stale("k") is False
            assert await service.execute("GET", f"{self.prefix}k") == raw

    async def test_damaged_entries_are_a_miss_and_a_count(self, service: RedisService) -> None:
        await service.set("k", {"a": [1, "two"]}, tags=["t"])
        whole = await service.execute("GET", f"{self.prefix}k")
        for cut in range(len(whole)):
            await service.execute("SET", f"{self.prefix}k", whole[:cut])
            assert await service.get("k", default="miss") == "miss"
        for tail in (b"\0", b"\xc1", whole):
            await service.execute("SET", f"{self.prefix}k", whole + tail)
            assert await service.get("k", default="miss") == "miss"
        await service.execute("SET", f"{self.prefix}k", whole)
        assert await service.get("k") == {"a": [1, "two"]}

    async def test_foreign_bytes_give_way_to_what_is_stored(self, service: RedisService) -> None:
        for raw in FOREIGN:
            for store in ("set", "add", "get_or_load"):
                await service.execute("SET", f"{self.prefix}k", raw)
                if store == "get_or_load":
                    assert await service.get_or_load("k", lambda: ["mine"], tags=["t"]) == ["mine"]
                else:
                    assert await getattr(service, store)("k", ["mine"], tags=["t"]) in (None, True)
                assert await service.get("k") == ["mine"]

    async def test_an_entry_whose_payload_cannot_be_decoded_is_a_miss_for_every_verb(
        self, service: RedisService
    ) -> None:
        for tags in ([], ["t"]):
            await service.set("k", "text", tags=tags)
            raw = await service.execute("GET", f"{self.prefix}k")
            broken = raw[: raw.rindex(b"\xa4text")] + b"\xc1"
            await service.execute("SET", f"{self.prefix}k", broken, "PX", 60_000)
            assert await service.get("k", default="miss") == "miss"
            assert await service.exists("k") is False
            assert await service.get_with_ttl("k") == (None, None)
            assert await service.touch("k", 60) is False
            with pytest.raises(NotAnIntegerError):
                await service.increment("k")
            assert await service.execute("GET", f"{self.prefix}k") == broken
            assert await service.get_or_load("k", lambda: "loaded") == "loaded"
            assert await service.get("k") == "loaded"
            await service.execute("SET", f"{self.prefix}k", broken)
            assert await service.add("k", "added") is True
            assert await service.get("k") == "added"

    async def test_a_counter_never_overwrites_what_is_not_ours(self, service: RedisService) -> None:
        for raw in FOREIGN:
            await service.execute("SET", f"{self.prefix}k", raw)
            await all_refuse(NotAnIntegerError, "k", service.increment("k"), service.increment("k", create=False))
            assert await service.execute("GET", f"{self.prefix}k") == raw

    async def test_a_value_of_another_type_is_a_miss_that_stores_replace(self, service: RedisService) -> None:
        async def plant() -> None:
            await service.execute("DEL", f"{self.prefix}k")
            await service.execute("RPUSH", f"{self.prefix}k", "x", "y")

        await plant()
        assert await service.get("k", default="miss") == "miss"
        assert await service.get_many(["k"], default="miss") == ["miss"]
        assert await service.get_with_ttl("k") == (None, None)
        assert await service.exists("k") is False
        assert await service.touch("k", 60) is False
        assert await service.mark_stale("k") is False
        await all_refuse(NotAnIntegerError, "k", service.increment("k"))
        assert await service.execute("LRANGE", f"{self.prefix}k", 0, -1) == [b"x", b"y"]
        assert await service.get_or_load("k", lambda: "loaded", tags=["t"]) == "loaded"
        assert await service.get("k") == "loaded"
        await plant()
        assert await service.add("k", 5) is True
        assert await service.increment("k") == 6
        await plant()
        await service.set("k", "set")
        assert await service.get("k") == "set"
        await plant()
        assert await service.delete("k") is True
        assert (await service.get_stats()).errors == 0

    async def test_foreign_bytes_in_place_of_a_tag_or_the_epoch_are_replaced(self, service: RedisService) -> None:
        for key in ("#t:t", "#e"):
            for plant in (("SET", b"rubbish"), ("SET", b"T" + b"x" * 40), ("SET", b""), ("RPUSH", b"x")):
                await service.set("old", "old", tags=["t"])
                await service.execute("DEL", self.prefix + key)
                await service.execute(plant[0], self.prefix + key, plant[1])
                assert await service.get("old") is None
                await service.set("k", "set", tags=["t"])
                assert await service.get("k") == "set"
                await service.execute("DEL", self.prefix + key)
                await service.execute(plant[0], self.prefix + key, plant[1])
                assert await service.get_or_load("l", lambda: "loaded", tags=["t"]) == "loaded"
                assert await service.get("l") == "loaded"
                await service.invalidate_tags(["t"])
                assert await service.get_many(["k", "l"]) == [None, None]

    # -- other clients --------------------------------------------------------------------------------------------

    async def test_counters_are_plain_decimals_for_any_client(self, service: RedisService) -> None:
        await service.increment("n", 2**60)
        assert await service.execute("GET", f"{self.prefix}n") == str(2**60).encode()
        assert await service.execute("INCRBY", f"{self.prefix}n", 5) == 2**60 + 5
        assert await service.get("n") == 2**60 + 5
        await service.set("n", -7, ttl=100)
        assert await service.execute("GET", f"{self.prefix}n") == b"-7"
        await service.set_many({"n": 8})
        assert await service.execute("GET", f"{self.prefix}n") == b"8"
        await service.execute("SET", f"{self.prefix}n", "41", "PX", 60_000)
        assert await service.increment("n", ttl=5) == 42
        assert (await service.remaining_ttl("n") or 0) > 5
        await service.get_or_load("loaded", lambda: 10, ttl=1000, ttl_jitter=0)
        assert await service.increment("loaded") == 11
        assert await service.execute("GET", f"{self.prefix}loaded") == b"11"
        assert 0 < await service.execute("PTTL", f"{self.prefix}loaded") <= 1_000_000

    async def test_one_key_an_entry_and_no_index(self, service: RedisService) -> None:
        await service.set_many({f"k{number}": [number] for number in range(50)}, tags=["a", "b"])
        keys = await service.execute("KEYS", f"{self.prefix}*")
        assert sorted(key.removeprefix(self.prefix.encode()) for key in keys if b"#" in key) == [
            b"#e",
            b"#t:a",
            b"#t:b",
        ]
        assert len(keys) == 53
        assert (await service.get_stats(exact=True)).key_count == 50
        assert await service.execute("PTTL", f"{self.prefix}#e") == -1
        assert await service.execute("PTTL", f"{self.prefix}#t:a") > 3600 * 1000

    async def test_times_to_live_are_the_servers_own(self, service: RedisService) -> None:
        await service.set("k", "v", ttl=10)
        assert 9_000 < await service.execute("PTTL", f"{self.prefix}k") <= 10_000
        await service.set("k", "v", ttl=math.inf)
        assert await service.execute("PTTL", f"{self.prefix}k") == -1
        await service.execute("PEXPIRE", f"{self.prefix}k", 5_000)
        assert 4 < (await service.remaining_ttl("k") or 0) <= 5

    async def test_what_another_client_deletes_is_gone(self, service: RedisService) -> None:
        await service.set("k", "v", tags=["t"])
        await service.execute("DEL", f"{self.prefix}k")
        assert await service.get("k") is None
        await service.set("k", "v", tags=["t"])
        await service.execute("DEL", f"{self.prefix}#t:t")
        assert await service.get("k") is None
        await service.set("k", "v", tags=["t"])
        await service.execute("DEL", f"{self.prefix}#e")
        assert await service.get("k") is None
        await service.set("k", "v", tags=["t"])

    # -- other processes ------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("change", ["tag", "clear", "sweep", "set", "add", "increment"])
    async def test_a_load_of_another_process_does_not_outlive_a_change(
        self, service: RedisService, change: str
    ) -> None:
        reached, go = asyncio.Event(), asyncio.Event()

        async def load() -> str:
            reached.set()
            await go.wait()
            return "old"

        async with RedisService(self.server.url, key_prefix=self.prefix) as other:
            reader = asyncio.create_task(other.get_or_load("k", load, tags=["t"]))
            await reached.wait()
            if change == "tag":
                await service.invalidate_tags(["t"])
            elif change in ("clear", "sweep"):
                await service.clear(sweep=change == "sweep")
            elif change == "increment":
                await service.increment("k")
            else:
                await getattr(service, change)("k", "new")
            go.set()
            assert await reader == "old"
            left = {"set": "new", "add": "new", "increment": 1}.get(change)
            assert await service.get("k") == left
            assert await other.get("k") == left

    async def test_processes_share_values_tags_and_counters(self, service: RedisService) -> None:
        async with RedisService(self.server.url, key_prefix=self.prefix) as other:
            await service.set("k", [1], tags=["t"])
            assert await other.get("k") == [1]
            await other.set("l", [2], tags=["t"])
            await service.invalidate_tags(["t"])
            assert await other.get("k", consistency="strict") is None
            assert await other.get_many(["k", "l"]) == [None, None]
            await other.set("k", [3], tags=["t"])
            assert await service.get("k", consistency="strict") == [3]
            await asyncio.gather(*[one.increment("n") for one in (service, other) for _ in range(50)])
            assert await service.get("n") == 100
            added = await asyncio.gather(*[one.add("a", [1]) for one in (service, other) for _ in range(20)])
            assert added.count(True) == 1
            await other.clear()
            await service.execute("PING")  # behind its reply everything was heard
            assert await service.get_many(["k", "n"]) == [None, None]

    async def test_a_model_of_another_process_is_read_under_its_type(self, service: RedisService) -> None:
        await service.set("k", ORDER)
        await service.set("list", [ORDER])
        async with self.another() as other:
            assert await other.get("k") is None
            assert await other.get("k", type=Order) == ORDER
        async with self.another() as other:
            assert await other.get_many(["k", "x"], type=Order) == [ORDER, None]
        async with self.another() as other:
            assert await other.get("list", "default", type=list[Order]) == [ORDER]

    async def test_registering_a_model_registers_those_of_its_fields(self, service: RedisService) -> None:
        await service.set("k", ORDER)
        async with self.another() as other:
            other.register(Order)
            assert await other.get("k") == ORDER

    async def test_a_cached_function_peeks_at_what_another_process_has_loaded(self, service: RedisService) -> None:
        @cache(prefix="orders")
        async def order(number: int) -> Order:
            return ORDER

        async with self.another() as other:
            with use_service(service):
                await order(7)
            with use_service(other):
                assert await order.peek(7) == ORDER

    async def test_a_background_refresh_sees_the_age_that_the_entry_has_on_the_server(
        self, service: RedisService
    ) -> None:
        await service.get_or_load("k", lambda: "old", 1000, ttl_jitter=0)
        await self.advance(900)
        async with RedisService(self.server.url, key_prefix=self.prefix) as other:
            assert await other.get_or_load("k", lambda: "new", 1000, refresh_ahead=200) == "old"

            async def refreshed() -> bool:
                return bool(await service.get("k") == "new")

            await until(refreshed)

    # -- the server itself ----------------------------------------------------------------------------------------

    async def test_commands_that_change_a_shared_connection_are_refused(self, service: RedisService) -> None:
        for command in (("SELECT", 1), ("multi",), ("SUBSCRIBE", "c"), ("Reset",), ("CLIENT", "REPLY", "OFF")):
            await all_refuse(
                CommandRefusedError,
                str(command[0]),
                service.execute(*command),
                service.execute_many([("PING",), command]),
            )

    async def test_an_error_of_the_server_is_ours_with_its_code(self, service: RedisService) -> None:
        await service.execute("RPUSH", f"{self.prefix}list", "x")
        with pytest.raises(CacheServerError, match="WRONGTYPE") as caught:
            await service.execute("GET", f"{self.prefix}list")
        assert caught.value.code == "WRONGTYPE"

    async def test_a_command_without_the_right_to_it_is_denied(self, service: RedisService) -> None:
        user = self.prefix.strip(":").replace(":", "-")
        await service.execute("ACL", "SETUSER", user, "on", ">sesame", f"~{self.prefix}*", "+@all", "-set")
        url = self.server.url.replace("redis://", f"redis://{user}:sesame@")
        try:
            async with RedisService(url, key_prefix=self.prefix) as limited:
                await service.set("k", "v")
                assert await limited.get("k") == "v"
                await all_refuse(AccessDeniedError, "NOPERM", limited.set("k", "w"))
                assert await service.get("k") == "v"
                with pytest.raises(BatchError) as caught:
                    await limited.set_many({"k": "w"})
                assert isinstance(caught.value.failed["k"], PermissionError)
        finally:
            await service.execute("ACL", "DELUSER", user)

    async def test_a_wrong_password_is_denied_at_connect_and_not_told(self, service: RedisService) -> None:
        url = self.server.url.replace("redis://", "redis://nobody:sesame@")
        wrong = RedisService(url, retry_attempts=0)
        with pytest.raises(AccessDeniedError) as caught:
            await wrong.connect()
        assert "sesame" not in str(caught.value)
        for insisting in ({"lazy_connect": False}, {"on_unavailable": "raise"}):
            with pytest.raises(AccessDeniedError):
                async with RedisService(url, retry_attempts=0, **insisting):
                    pass
        async with RedisService(url) as starting:
            assert await starting.get("k") is None
        await wrong.aclose()

    async def test_the_server_tells_its_name_and_role(self, service: RedisService) -> None:
        report = await service.health_check()
        assert report.backend == "redis"
        assert (report.server or "").split()[0] in ("redis", "valkey")
        assert report.role == "master"
        stats = await service.get_stats()
        assert stats.exact is False
        assert stats.memory_usage > 0

    async def test_memory_and_server_report_the_same_fields(self, service: RedisService) -> None:
        async with MemoryCacheService() as memory:
            assert (await memory.get_stats()).to_dict().keys() == (await service.get_stats()).to_dict().keys()
