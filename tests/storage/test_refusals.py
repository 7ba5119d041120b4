"""Servers that answer, and refuse: what each of their errors means for every verb, and that trust comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeAlias

import pytest

from pika_redis import AccessDeniedError, CacheServerError, CacheUnavailableError, HealthStatus, RedisService
from pika_redis.testing import EmbeddedServer

from ..wire.timing import turned
from .conftest import StartOwn
from .fleet import Source
from .raw import Raw
from .tap import near_of


@pytest.fixture
def own(start_own: StartOwn) -> EmbeddedServer:
    return start_own({"enable-debug-command": "yes", "busy-reply-threshold": "10"})


@pytest.fixture
def shell(own: EmbeddedServer) -> Iterator[Raw]:
    with Raw(own) as shell:
        yield shell


@pytest.fixture
async def service(own: EmbeddedServer) -> AsyncIterator[RedisService]:
    async with RedisService(own.url, l1=False) as service:
        await service.set("k", "old")
        await service.set("other", "old")
        yield service


async def back(service: RedisService) -> None:
    await turned(lambda: not near_of(service).standing.cut and near_of(service).journal.waiting == 0)


# -- servers that write for nobody ---------------------------------------------------------------------------------


def fail_to_save(own: EmbeddedServer, shell: Raw) -> None:
    """A save that fails: where the file should go there is a directory."""
    (own.directory / "dump.rdb").mkdir()
    shell("CONFIG", "SET", "save", "3600 1")
    shell("BGSAVE")
    while b"rdb_last_bgsave_status:ok" in shell("INFO", "persistence"):
        pass


Fault: TypeAlias = Callable[[EmbeddedServer, Raw], object]
WRITES_STOP: dict[str, tuple[Fault, Fault]] = {
    "NOREPLICAS": (
        lambda _, shell: shell("CONFIG", "SET", "min-replicas-to-write", 1),
        lambda _, shell: shell("CONFIG", "SET", "min-replicas-to-write", 0),
    ),
    "MISCONF": (fail_to_save, lambda _, shell: shell("CONFIG", "SET", "save", "")),
    "READONLY": (
        lambda _, shell: shell("REPLICAOF", "127.0.0.1", 1),
        lambda _, shell: shell("REPLICAOF", "NO", "ONE"),
    ),
}


@pytest.mark.parametrize("error", WRITES_STOP)
async def test_what_a_server_refuses_to_delete_is_read_by_nobody_and_deleted_later(
    service: RedisService, own: EmbeddedServer, shell: Raw, error: str
) -> None:
    stop, go = WRITES_STOP[error]
    stop(own, shell)
    assert await service.get("k") == "old"  # reading works
    assert await service.get_or_load("new", Source("loaded")) == "loaded"
    await service.set("other", "set")
    assert await service.get("other") == "set"
    assert await service.delete("k") is False
    assert await service.get("k") is None
    assert await service.get_or_load("k", Source("anew")) == "anew"
    report = await service.health_check()
    assert report.status is HealthStatus.DEGRADED
    assert error in report.detail
    with pytest.raises((CacheServerError, CacheUnavailableError), match=error):
        await service.increment("n")
    go(own, shell)
    await back(service)
    assert await service.get_many(["k", "other"]) == [None, None]
    assert (await service.health_check()).status is HealthStatus.HEALTHY


async def test_what_is_asked_of_a_server_that_refused_to_delete_brings_no_copy_to_life(
    own: EmbeddedServer, shell: Raw
) -> None:
    """`set` reads the nonces of its tags there, `add` the entry; both still stand as they were."""
    stop, go = WRITES_STOP["NOREPLICAS"]
    async with RedisService(own.url) as service:
        await service.set("tagged", "old", tags=["t"])
        await service.set("k", "old")
        await service.get_many(["tagged", "k"])
        assert {"pika:tagged", "pika:k"} <= near_of(service).copies.keys()
        stop(own, shell)
        await service.invalidate_tags(["t"])
        await service.delete("k")
        await service.set("other", 1, tags=["t"])
        with pytest.raises((CacheServerError, CacheUnavailableError)):
            await service.add("absent", 1)
        assert await service.add("k", 1) is False
        assert await service.get_many(["tagged", "k"]) == [None, None]
        go(own, shell)
        await back(service)
        assert await service.get_many(["tagged", "k", "other"]) == [None, None, None]


@pytest.mark.parametrize("error", WRITES_STOP)
async def test_who_wants_to_know_is_told_by_the_servers_own_word(own: EmbeddedServer, shell: Raw, error: str) -> None:
    async with RedisService(own.url, on_unavailable="raise", retry_attempts=0) as service:
        WRITES_STOP[error][0](own, shell)
        for call in (service.set("k", 1.5), service.delete("k"), service.invalidate_tags(["t"])):
            with pytest.raises((CacheServerError, CacheUnavailableError), match=error):
                await call


# -- servers that serve nobody ---------------------------------------------------------------------------------------


async def test_a_server_that_is_busy_in_a_script_is_gone_for_a_while(
    service: RedisService, shell: Raw, own: EmbeddedServer
) -> None:
    with Raw(own) as busy, Raw(own) as killer:
        busy._socket.sendall(b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n")
        await turned(lambda: b"BUSY" in _said(shell))
        assert await service.get("k") is None
        await service.set("k", "meanwhile")
        assert await service.get("k") == "meanwhile"
        assert await service.delete("other") is False
        assert "BUSY" in (await service.health_check()).detail
        with pytest.raises(CacheUnavailableError, match="BUSY"):
            await service.increment("n")
        killer("SCRIPT", "KILL")
    await back(service)
    assert await service.get_many(["k", "other"]) == [None, None]


def _said(shell: Raw) -> bytes:
    try:
        return bytes(shell("PING"), "ascii") if isinstance(answer := shell("PING"), str) else bytes(answer)
    except Exception as error:  # noqa: BLE001 (hiredis' own)
        return str(error).encode()


async def test_a_server_that_loads_its_data_is_gone_for_a_while(own: EmbeddedServer, service: RedisService) -> None:
    with Raw(own) as shell, Raw(own) as other:
        shell("CONFIG", "SET", "key-load-delay", 100)
        shell("CONFIG", "SET", "loading-process-events-interval-bytes", 1024)
        shell("DEBUG", "POPULATE", 20_000)
        shell._socket.sendall(b"*2\r\n$5\r\nDEBUG\r\n$6\r\nRELOAD\r\n")
        await turned(lambda: b"LOADING" in _said(other))
        assert await service.get("k") is None
        assert await service.get_or_load("k", Source("meanwhile")) == "meanwhile"
        assert await service.get("k") == "meanwhile"
        await service.delete("other")
        assert "LOADING" in (await service.health_check()).detail
        other("CONFIG", "SET", "key-load-delay", 0)
        await back(service)
    assert await service.get("other") is None
    assert await service.get("k") == "old"


async def test_a_server_without_room_for_another_client_is_gone(own: EmbeddedServer, shell: Raw) -> None:
    shell("CONFIG", "SET", "maxclients", 1)
    async with RedisService(own.url) as service:
        assert await service.get_or_load("k", Source("meanwhile")) == "meanwhile"
        assert "max number of clients" in (await service.health_check()).detail
        shell("CONFIG", "SET", "maxclients", 100)
        await back(service)
        assert await service.get("k") is None


async def test_without_room_for_another_client_the_connection_that_stands_goes_on(
    own: EmbeddedServer, shell: Raw
) -> None:
    async with RedisService(own.url, lazy_connect=False, retry_attempts=0) as service:
        shell("CONFIG", "SET", "maxclients", 1)
        await service.set("k", "v")
        assert await service.get("k", consistency="strict") == "v"
        assert await service.increment("n") == 1
        with pytest.raises(CacheUnavailableError, match="max number of clients"):
            await service.execute("PING")  # over a connection of its own
        assert await service.delete("k") is True
        assert (await service.get_stats()).outages == 0
        shell("CONFIG", "SET", "maxclients", 100)


async def test_a_login_that_is_refused_is_an_outage_and_no_crash(own: EmbeddedServer, shell: Raw) -> None:
    url = own.url.replace("redis://", "redis://nobody:sesame@")
    async with RedisService(url) as service:
        assert await service.get_or_load("k", Source("meanwhile")) == "meanwhile"
        assert await service.get("k") == "meanwhile"
        detail = (await service.health_check()).detail
        assert "WRONGPASS" in detail
        assert "sesame" not in detail
        with pytest.raises(AccessDeniedError):
            await service.connect()
        shell("ACL", "SETUSER", "nobody", "on", ">sesame", "~*", "&*", "+@all")
        await back(service)
        await service.set("k", "there")
    with Raw(own) as other:
        assert other("EXISTS", "pika:k") == 1


# -- users who may not do everything ---------------------------------------------------------------------------------


async def _locked(service: RedisService) -> None:
    async with service.lock("lock", 5, wait=0):
        pass


async def _guarded(service: RedisService) -> None:
    async with service.guard(["g"], ["gt"]):
        pass


VERBS: dict[str, Callable[[RedisService], Awaitable[object]]] = {
    "get": lambda service: service.get("a"),
    "get another": lambda service: service.get("n"),
    "set": lambda service: service.set("a", 1.5),
    "set with tags": lambda service: service.set("b", 1.5, tags=["t"]),
    "load": lambda service: service.get_or_load("l", lambda: [1], tags=["t"]),
    "load_many": lambda service: service.get_or_load_many(["m1", "m2"], lambda keys: [[key] for key in keys]),
    "get_many": lambda service: service.get_many(["a", "b"]),
    "add": lambda service: service.add("added", 1.5, tags=["t"]),
    "lock": _locked,
    "guard": _guarded,
    "mark_stale": lambda service: service.mark_stale("b"),
    "exists": lambda service: service.exists("a"),
    "delete": lambda service: service.delete("a"),
    "invalidate_tags": lambda service: service.invalidate_tags(["t"]),
    "increment": lambda service: service.increment("i", ttl=60),
    "remaining_ttl": lambda service: service.remaining_ttl("b"),
    "touch": lambda service: service.touch("n", 50),
    "touch of an entry": lambda service: service.touch("b", 50),
    "delete_pattern": lambda service: service.delete_pattern("z*"),
    "clear": lambda service: service.clear(),
    "get_stats": lambda service: service.get_stats(exact=True),
    "get_stats of all": lambda service: service.get_stats(),
    "health_check": lambda service: service.health_check(),
}
NEEDED = {
    "dbsize": {"get_stats of all"},
    "eval": {
        "add",
        "clear",
        "delete",
        "guard",
        "increment",
        "invalidate_tags",
        "lock",
        "mark_stale",
        "touch of an entry",
    },
    "evalsha": {"add", "clear", "invalidate_tags", "lock", "touch of an entry"},
    "exists": {"increment", "touch"},
    "get": {"add", "get another", "guard", "increment", "lock", "mark_stale"},
    "getrange": {"add", "increment", "lock", "mark_stale", "touch of an entry"},
    "incrby": {"increment"},
    "mget": {
        "add",
        "exists",
        "get",
        "get another",
        "get_many",
        "mark_stale",
        "remaining_ttl",
        "set",
        "set with tags",
        "touch",
        "touch of an entry",
    },
    "pexpire": {"increment", "touch"},
    "pttl": {"exists", "remaining_ttl", "touch", "touch of an entry"},
    "scan": {"clear", "delete_pattern", "get_stats"},
    "set": {"add", "guard", "lock", "set", "set with tags", "touch of an entry"},
    "unlink": {"clear", "delete", "guard", "invalidate_tags", "lock"},
}
"""By command: the verbs that can't do without it. All others go on."""
NOT_NEEDED = [
    "setrange",  # then what is marked stale is deleted
    "client|setname",
    "client|info",
    "client|kill",
    "client|tracking",
    "client",
    "info",
    "time",
    "ping",
    "hello",
]


@pytest.mark.parametrize("command", [*NEEDED, *NOT_NEEDED])
async def test_a_command_that_is_denied_is_named_and_all_else_goes_on(
    server: EmbeddedServer, prefix: str, command: str
) -> None:
    user = prefix.strip(":").replace(":", "-")
    with Raw(server) as shell:
        shell("SCRIPT", "FLUSH")
        shell("ACL", "SETUSER", user, "reset", "on", ">sesame", "~*", "&*", "+@all", f"-{command}")
        try:
            url = server.url.replace("redis://", f"redis://{user}:sesame@")
            async with (
                RedisService(server.url, key_prefix=prefix) as other,
                RedisService(url, key_prefix=prefix) as service,
            ):
                failed: dict[str, AccessDeniedError] = {}
                for name, verb in VERBS.items():
                    await other.set_many({"a": [1], "n": 1})
                    await other.set("b", [1], tags=["t"])
                    try:
                        await verb(service)
                    except AccessDeniedError as error:
                        failed[name] = error
                assert failed.keys() == NEEDED.get(command, set()), failed
                for denied in failed.values():
                    assert denied.code == "NOPERM"
                    assert command in str(denied).lower()
                    assert "sesame" not in str(denied)
                assert not near_of(service).standing.cut  # it was not taken for an outage
        finally:
            shell("ACL", "DELUSER", user)


async def test_every_command_that_is_sent_is_among_those_that_are_denied_above(
    own: EmbeddedServer, shell: Raw, prefix: str
) -> None:
    shell("CONFIG", "RESETSTAT")
    async with RedisService(own.url, key_prefix=prefix) as service:
        for verb in VERBS.values():
            await verb(service)
    said = shell("INFO", "commandstats").decode()
    sent = {line.removeprefix("cmdstat_").split(":")[0] for line in said.splitlines() if line.startswith("cmdstat_")}
    assert {"get", "evalsha", "scan", "set", "incrby"} <= sent
    assert sent - {"config|resetstat"} <= {*NEEDED, *NOT_NEEDED}
