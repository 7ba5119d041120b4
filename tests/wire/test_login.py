"""Logins that are asked for at every connect, and that show nowhere."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import traceback
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from pika_redis import AccessDeniedError, CacheUnavailableError, RedisService
from pika_redis.errors import CacheTimeoutError
from pika_redis.model.secret import Secret
from pika_redis.testing import EmbeddedServer
from pika_redis.wire.backoff import denied_delay
from pika_redis.wire.embedded import ServerKind
from pika_redis.wire.endpoint import Credentials, Endpoint
from pika_redis.wire.link import Link
from pika_redis.wire.login import credentials_of

from .test_link import linked
from .timing import in_virtual_time

PASSWORD = "hunter2SECRET"
DENIED = AccessDeniedError("wrong password", code="WRONGPASS")


def asking(provider: Callable[[], Any], timeout: float = 5.0) -> Endpoint:
    return Endpoint(credentials=Credentials(db=3), provider=provider, connect_timeout=timeout)


async def _later() -> str:
    await asyncio.sleep(0)
    return PASSWORD


class Vault:
    async def __call__(self) -> tuple[str, str]:
        return "alice", PASSWORD


@pytest.mark.parametrize(
    ("provider", "username"),
    [
        (lambda: PASSWORD, None),
        (lambda: Secret(PASSWORD), None),
        (lambda: ("alice", PASSWORD), "alice"),
        (lambda: ("alice", Secret(PASSWORD)), "alice"),
        (lambda: (None, PASSWORD), None),
        (_later, None),
        (lambda: _later(), None),  # noqa: PLW0108 (a plain function that gives something to wait for)
        (Vault(), "alice"),
    ],
)
async def test_a_function_gives_a_password_or_both(provider: Callable[[], Any], username: str | None) -> None:
    credentials = await credentials_of(asking(provider))
    assert (credentials.username, credentials.password, credentials.db) == (username, PASSWORD, 3)
    assert PASSWORD not in f"{credentials!r} {asking(provider)!r} {asking(provider)}"


async def test_without_a_function_it_is_what_is_set() -> None:
    credentials = Credentials("alice", PASSWORD)
    assert await credentials_of(Endpoint(credentials=credentials)) is credentials


async def test_a_plain_function_may_block() -> None:
    async with asyncio.timeout(5):
        threads = [await credentials_of(asking(lambda: threading.current_thread().name))]
    assert threads[0].password != threading.current_thread().name


def _fails() -> str:
    raise ValueError(PASSWORD)


async def _fails_later() -> str:
    raise LookupError(PASSWORD)


async def _never() -> str:
    await asyncio.Event().wait()
    return PASSWORD


@pytest.mark.parametrize(
    ("provider", "error", "said"),
    [
        (_fails, CacheUnavailableError, "credentials= failed: ValueError"),
        (_fails_later, CacheUnavailableError, "credentials= failed: LookupError"),
        (_never, CacheTimeoutError, "credentials= gave nothing within 0.05 s"),
        (lambda: None, CacheUnavailableError, "must give a password, or a tuple"),
        (PASSWORD.encode, CacheUnavailableError, "must give a password, or a tuple"),
        (lambda: ("alice", PASSWORD, "x"), CacheUnavailableError, "must give a password, or a tuple"),
        (lambda: (5, PASSWORD), CacheUnavailableError, "must give a password, or a tuple"),
    ],
)
async def test_nothing_of_a_failure_is_shown_but_its_type(
    provider: Callable[[], Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        await credentials_of(asking(provider, 0.05))
    raised: BaseException | None = caught.value
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    while raised is not None:  # the chain that an error tracker walks
        assert PASSWORD not in repr(raised)
        raised = raised.__cause__ or raised.__context__


async def test_a_caller_that_goes_is_not_kept() -> None:
    task = asyncio.create_task(credentials_of(asking(_never)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("failures", "low", "high"), [(0, 0.5, 1), (1, 1, 2), (2, 2, 4), (5, 15, 30), (99, 15, 30)])
def test_after_a_refused_login_pauses_are_long(failures: int, low: float, high: float) -> None:
    assert denied_delay(failures, 0.0) == low
    assert denied_delay(failures, 1.0) == high


async def _tried(link: Link, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        with contextlib.suppress(AccessDeniedError, CacheUnavailableError):
            await link.ready()
        await asyncio.sleep(0.05)


@in_virtual_time
async def test_a_refused_login_is_not_hammered() -> None:
    link, dialer, _ = linked()
    dialer.usual = DENIED
    await _tried(link, 100)
    pauses = [late - early for early, late in pairwise(dialer.times)]
    assert pauses[0] >= 1
    assert all(late > early for early, late in pairwise(pauses[:4]))
    assert 5 <= len(dialer.times) <= 12
    dialer.usual = None
    await asyncio.sleep(31)
    await link.ready()
    await link.aclose()


# -- a real server -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("user", ["app", None])
async def test_a_password_that_changes(server: EmbeddedServer, prefix: str, user: str | None, unix: bool) -> None:
    name, asked = user or "default", 0
    current = "first"

    async def login() -> tuple[str | None, str] | str:
        nonlocal asked
        asked += 1
        return current if user is None else (user, current)

    kind: ServerKind = "redis" if "redis-server" in repr(server) else "valkey"
    with EmbeddedServer.start(kind, unix=unix, config={"user": f"{name} on >first ~* &* +@all"}) as own:
        url = own.url.replace("unix:///", "unix:///")
        async with RedisService(url, key_prefix=prefix, credentials=login, lazy_connect=False) as service:
            await service.set("k", "v")
            assert await service.execute("ACL", "WHOAMI") == name.encode()
            before = asked
            await service.execute("ACL", "SETUSER", name, ">second", "<first")
            current = "second"
            await service.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
            assert await service.get("k") == "v"
            assert asked > before
        current = "wrong-one"
        wrong = RedisService(url, credentials=login, on_unavailable="raise", retry_attempts=0)
        with pytest.raises(AccessDeniedError) as refused:
            await wrong.connect()
        assert "wrong-one" not in "".join(traceback.format_exception(refused.value))
        await wrong.aclose()


async def test_a_login_that_is_missing_names_what_gives_it() -> None:
    with EmbeddedServer.start(config={"requirepass": "sesame"}) as own:
        url = f"redis://{own.host}:{own.port}"
        service = RedisService(url, credentials=lambda: "", on_unavailable="raise", retry_attempts=0)
        with pytest.raises(AccessDeniedError, match="refused this user or password: WRONGPASS"):
            await service.connect()
        await service.aclose()
