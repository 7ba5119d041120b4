"""A refused login is told in our words: what the server says may hold the password, or a part of it."""

from __future__ import annotations

import asyncio
import re
import traceback
from typing import Any, cast

import pytest

from pika_redis import AccessDeniedError, CacheUnavailableError, RedisService
from pika_redis.errors import ArgumentError, CacheError
from pika_redis.model.clock import SystemClock
from pika_redis.testing import EmbeddedServer
from pika_redis.wire.connection import Connection
from pika_redis.wire.embedded import ServerKind
from pika_redis.wire.endpoint import Credentials
from pika_redis.wire.handshake import Login, shake_hands

from .fake_server import Command, FakeServer, Talk, bulk

PASSWORD = "Tok" + "A1b2C3d4" * 30


async def refused(answer: str, password: str | None = PASSWORD) -> CacheError:
    """What `connect` raises when HELLO is answered so; `{}` stands for the password as the server got it."""

    def say(talk: Talk, words: Command) -> bytes | None:
        if words[0] not in (b"HELLO", b"AUTH"):
            return b"-NOAUTH Authentication required.\r\n"
        return answer.replace("{}", words[-1].decode()).replace("{cut}", words[-1][:40].decode()).encode() + b"\r\n"

    async with FakeServer(say).running() as server:
        service = RedisService(host="127.0.0.1", port=server.port, password=password, retry_attempts=0)
        try:
            with pytest.raises(CacheError) as caught:
                await service.connect()
            health = await service.health_check()
            assert PASSWORD[:9] not in repr(health)
        finally:
            await service.aclose()
    return caught.value


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (
            "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `{cut}",
            CacheUnavailableError,
            "refused AUTH: ERR",
        ),
        ("-ERR unknown command 'HELLO {}'", CacheUnavailableError, "refused AUTH: ERR"),
        ("-ERR invalid command HELLO 3 AUTH default {cut}...", CacheUnavailableError, "refused HELLO: ERR"),
        ("-NOPROTO unsupported protocol version {}", CacheUnavailableError, "refused AUTH: NOPROTO"),
        ("-WRONGPASS no such password: {}", AccessDeniedError, "refused this user or password: WRONGPASS"),
        ("-NOPERM {cut} may not", AccessDeniedError, "refused this user or password: NOPERM"),
        ("-LOADING {} is loading", CacheUnavailableError, "can't serve now: LOADING"),
        ("-ERR max number of clients reached {}", CacheUnavailableError, "can't serve now: max number of clients"),
        ("-DENIED Redis is running in protected mode {}", CacheUnavailableError, "protected mode.*: DENIED"),
        (
            "-ERR AUTH {} called without any password configured for the default user",
            CacheUnavailableError,
            "the server has none for this user: ERR",
        ),
        ("-{} is wrong", CacheUnavailableError, "refused HELLO: an error"),
        ("HTTP/1.1 400 bad {}", CacheUnavailableError, ""),
    ],
)
async def test_no_answer_to_the_login_is_quoted(answer: str, error: type[CacheError], told: str) -> None:
    raised = await refused(answer)
    assert isinstance(raised, error)
    assert re.search(told, str(raised))
    text = "".join(traceback.format_exception(raised))
    assert all(part not in text for part in (PASSWORD[:9], PASSWORD[8:17]))


@pytest.mark.parametrize("password", ["a", "er", "server", "WRONGPASS", "ERR"])
async def test_a_short_password_neither_garbles_the_text_nor_shows_in_it(password: str) -> None:
    told = str(await refused("-WRONGPASS invalid username-password pair or user is disabled.", password))
    code = "an error" if password == "WRONGPASS" else "WRONGPASS"
    assert told.endswith(f": the server refused this user or password: {code}")


async def test_a_missing_password_is_asked_for_by_its_setting() -> None:
    raised = await refused("-NOAUTH HELLO must be called with the client already authenticated", None)
    assert isinstance(raised, AccessDeniedError)
    assert "none is set (REDIS_PASSWORD)" in str(raised)


async def test_what_the_server_says_of_the_database_is_told() -> None:
    async with FakeServer(_no_such_db).running() as server:
        service = RedisService(host="127.0.0.1", port=server.port, db=9, retry_attempts=0)
        with pytest.raises(CacheUnavailableError, match=r"SELECT failed: .*DB index is out of range"):
            await service.connect()
        await service.aclose()


class Untouched:
    """A connection that must not be asked for anything."""

    asked = 0

    def call(self, command: Any) -> asyncio.Future[Any]:
        self.asked += 1
        return asyncio.get_running_loop().create_future()


async def test_a_login_that_cannot_be_written_asks_nothing() -> None:
    connection = Untouched()
    with pytest.raises(ArgumentError, match="lone surrogate"):
        await shake_hands(cast("Connection", connection), Login(Credentials("\ud800", "x")), None, SystemClock())
    assert connection.asked == 0


def _no_such_db(talk: Talk, words: Command) -> bytes | None:
    return b"-ERR DB index is out of range\r\n" if words[0] == b"SELECT" else None


# -- without RESP3 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["valkey", "redis"])
async def test_what_knows_no_hello_is_spoken_to_in_resp2(
    kind: ServerKind, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    request.getfixturevalue(f"{kind}_server")  # skips where there is none
    config = {"rename-command": 'HELLO ""', "requirepass": PASSWORD}
    with EmbeddedServer.start(kind, config=config) as server, caplog.at_level("WARNING", "pika_redis"):
        async with RedisService(f"{server.url}/3", lazy_connect=False) as service:
            await service.set("k", ["v"], tags=["t"])
            assert await service.get("k") == ["v"]
            assert "db=3" in (info := (await service.execute("CLIENT", "INFO")).decode())
            assert "resp=2" in info
            assert await service.execute("CLIENT", "GETREDIR") == -1  # it does not track for nothing
            await service.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
            assert await service.get("k") == ["v"]
            assert (await service.get_stats()).l1_hits == 0
        with pytest.raises(AccessDeniedError, match="refused this user or password: WRONGPASS") as caught:
            await RedisService(server.url.replace(PASSWORD, PASSWORD[::-1]), retry_attempts=0).connect()
        assert PASSWORD[::-1][:9] not in str(caught.value)
        with pytest.raises(AccessDeniedError, match="REDIS_PASSWORD"):
            await RedisService(server.url.replace(f":{PASSWORD}@", ""), retry_attempts=0).connect()
    said = [record.getMessage() for record in caplog.records if "changed keys" in record.getMessage()]
    assert said == ["the server does not tell of changed keys, every read asks it: it speaks RESP2, in which it can't"]


@pytest.mark.parametrize(("version", "served"), [("6.2.14", False), ("7.0.0", True), ("", True), ("strange", True)])
async def test_an_old_server_is_refused_by_its_version(version: str, served: bool) -> None:
    def say(talk: Talk, words: Command) -> bytes | None:
        if words[0] == b"HELLO":
            return b"-ERR unknown command `HELLO`\r\n"
        if words[0] == b"INFO":
            return bulk(f"# Server\r\nredis_version:{version}\r\n") if version else b"-ERR no INFO here\r\n"
        return None

    async with FakeServer(say).running() as server:
        service = RedisService(host="127.0.0.1", port=server.port, retry_attempts=0)
        if served:
            await service.connect()
        else:
            with pytest.raises(CacheUnavailableError, match=r"Redis 6\.2\.14; 7\.0 is the oldest"):
                await service.connect()
        await service.aclose()
