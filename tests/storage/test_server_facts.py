"""What servers track, push and in which order: the facts that the copies in this process's memory rest on.

Each is asked of a real server, without any of our code but the scripts. A PING is the fence: what the server had to
tell before stands before its reply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pika_redis.testing import EmbeddedServer
from pika_redis.wire.scripts import INVAL, MARK_STALE, RELEASE, RENEW, RENEW_TAG, REPLACE, Script

from .conftest import StartOwn
from .raw import Raw, Word

LEASE = b"L" + b"12345678"
VALUE = b"V" + b"abcdefgh" + b"payload"


@pytest.fixture
def near(server: EmbeddedServer) -> Iterator[Raw]:
    """A tracked connection."""
    with Raw(server, track=True) as connection:
        yield connection


@pytest.fixture
def far(server: EmbeddedServer) -> Iterator[Raw]:
    """Another client."""
    with Raw(server) as connection:
        yield connection


@pytest.fixture
def key(prefix: str) -> str:
    return f"{prefix}k"


def run(script: Script, key: str, *arguments: Word) -> tuple[Word, ...]:
    return ("EVAL", script.source, 1, key, *arguments)


# -- what is tracked ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        lambda key: ("GET", key),
        lambda key: ("MGET", "other", key),
        lambda key: ("GETRANGE", key, 0, 8),
        lambda key: ("EVAL", "return redis.call('GET', KEYS[1])", 1, key),
    ],
    ids=["GET", "MGET", "GETRANGE", "EVAL that reads"],
)
@pytest.mark.parametrize("found", ["a value", "nothing"])
def test_a_read_is_tracked_whether_it_finds_something_or_not(
    near: Raw, far: Raw, key: str, read: Callable[[str], tuple[Word, ...]], found: str
) -> None:
    if found == "a value":
        far("SET", key, VALUE)
    near(*read(key))
    assert near.told() == []
    far("SET", key, "other")
    assert near.told() == [key.encode()]
    far("SET", key, "again")
    assert near.told() == []  # told once, until it is read again


def test_the_lease_batch_makes_winner_and_loser_track_the_key(server: EmbeddedServer, far: Raw, key: str) -> None:
    with Raw(server, track=True) as winner, Raw(server, track=True) as loser:
        for one, nonce in ((winner, b"1"), (loser, b"2")):
            one.wire(("SET", key, b"L" + nonce * 8, "NX", "PX", 60_000), ("GETRANGE", key, 0, 8))
            one.told()
        far("DEL", key)
        assert winner.told() == loser.told() == [key.encode()]


@pytest.mark.parametrize(
    "write",
    [
        lambda key: ("SET", key, VALUE),
        lambda key: ("SET", key, VALUE, "GET"),
        lambda key: ("SET", key, VALUE, "NX", "GET"),
        lambda key: ("GETEX", key, "EX", 60),
        lambda key: run(REPLACE, key, LEASE, VALUE, 60_000),
    ],
    ids=["SET", "SET GET", "SET NX GET", "GETEX", "the store after a load"],
)
def test_an_own_write_is_not_tracked(near: Raw, far: Raw, key: str, write: Callable[[str], tuple[Word, ...]]) -> None:
    command = write(key)
    if "NX" not in command:
        far("SET", key, LEASE)
    near(*command)
    near.told()
    far("SET", key, "other")
    assert near.told() == []


def test_an_own_write_ends_the_tracking_that_a_read_began(near: Raw, far: Raw, key: str) -> None:
    near("GET", key)
    near("SET", key, VALUE)
    assert near.told() == [key.encode()]
    far("SET", key, "other")
    assert near.told() == []


def test_a_read_behind_the_store_is_tracked(near: Raw, far: Raw, key: str) -> None:
    far("SET", key, LEASE)
    near("GETRANGE", key, 0, 8)
    wire = near.wire(run(REPLACE, key, LEASE, VALUE, 60_000), ("GETRANGE", key, 0, 8))
    assert wire == [1, ("push", (key.encode(),)), VALUE[:9]]
    near.told()
    far("SET", key, "other")
    assert near.told() == [key.encode()]


# -- what is pushed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda key: ("SET", key, "other"),
        lambda key: ("DEL", key),
        lambda key: ("UNLINK", key),
        lambda key: ("EXPIRE", key, 100),
        lambda key: ("PEXPIRE", key, 100_000),
        lambda key: ("PERSIST", key),
        lambda key: ("GETEX", key, "EX", 100),
        lambda key: ("GETDEL", key),
        lambda key: ("SETRANGE", key, 0, "S"),
        lambda key: ("APPEND", key, "x"),
        lambda key: ("RENAME", key, key + "2"),
        lambda key: run(REPLACE, key, VALUE[:9], LEASE, 60_000),
        lambda key: run(MARK_STALE, key, "12345678"),
        lambda key: run(INVAL, key),
        lambda key: run(RELEASE, key, VALUE[:9]),
        lambda key: run(RENEW, key, VALUE[:9], 100_000),
    ],
    ids=lambda change: change("k")[0] if change("k")[0] != "EVAL" else None,
)
def test_every_change_by_another_client_is_told(
    near: Raw, far: Raw, key: str, change: Callable[[str], tuple[Word, ...]]
) -> None:
    far("SET", key, VALUE, "EX", 1000)
    near("GET", key)
    far(*change(key))
    assert near.told() == [key.encode()]


def test_a_renewed_tag_is_told_and_one_that_lives_long_enough_is_not(near: Raw, far: Raw, key: str) -> None:
    tag = b"T" + b"12345678"
    life = (1000).to_bytes(4, "big")
    far("SET", key, tag + life, "EX", 1000)
    near("GET", key)
    assert far(*run(RENEW_TAG, key, tag, life, 1_000_000)) == 1
    assert near.told() == []
    far("EXPIRE", key, 400)
    near.told()
    near("GET", key)
    assert far(*run(RENEW_TAG, key, tag, life, 1_000_000)) == 2
    assert near.told() == [key.encode()]


def test_an_expiry_is_told_when_somebody_touches_the_key(near: Raw, far: Raw, key: str) -> None:
    far("SET", key, VALUE, "PX", 50)
    while near("GET", key) is None:  # it took too long to come to that
        far("SET", key, VALUE, "PX", 50)
    near.pushed.clear()
    while far("EXISTS", key):
        pass
    assert near.told() == [key.encode()]


@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB"])
def test_a_flush_is_a_push_of_everything(start_own: StartOwn, command: str) -> None:
    own = start_own({})
    with Raw(own, track=True) as near, Raw(own) as far:
        near("GET", "k")
        far(command)
        assert near.told() == [None]
        near("GET", "k")
        far("SELECT", 1)
        far("FLUSHDB")  # of another database
        assert near.told() == [None]


def test_keys_that_fall_out_of_the_tracking_table_are_pushed(start_own: StartOwn) -> None:
    own = start_own({"tracking-table-max-keys": "5"})
    with Raw(own, track=True) as near:
        keys = {b"k%d" % number for number in range(12)}
        for name in keys:
            near("GET", name)
        while int(Raw.figure(near("INFO", "stats"), "tracking_total_keys")) > 5:
            near("PING")  # the server makes room in passing
        told = near.told()
        assert 7 <= len(told) <= 12
        assert set(told) <= keys
        with Raw(own) as far:
            for name in keys:
                far("SET", name, "x")
            assert set(near.told()) | set(told) == keys  # nobody is left out


def test_keys_of_another_database_are_told_by_the_same_name(near: Raw, far: Raw, key: str) -> None:
    near("GET", key)
    far("SELECT", 1)
    far("SET", key, "elsewhere", "PX", 1)
    assert near.told() == [key.encode()]


# -- what nobody is told -------------------------------------------------------------------------------------------


def test_with_noloop_an_own_write_ends_the_tracking_without_a_word(near: Raw, far: Raw, key: str) -> None:
    """So what another client writes next would never be told: why our connection doesn't ask for it."""
    near("CLIENT", "TRACKING", "OFF")
    near("CLIENT", "TRACKING", "ON", "NOLOOP")
    far("SET", key, "1")
    assert near("GET", key) == b"1"
    near("SET", key, "2")
    far("SET", key, "3")
    assert near.told() == []


def test_a_reset_ends_the_tracking_without_a_word(near: Raw, far: Raw, key: str) -> None:
    """Why it is refused as a command of the caller's own."""
    near("GET", key)
    near("RESET")
    near("HELLO", 3)  # or no word could come
    far("SET", key, "x")
    assert near.told() == []


def test_databases_are_swapped_without_a_word(start_own: StartOwn) -> None:
    """What the documentation says is not promised."""
    own = start_own({})
    with Raw(own, track=True) as near, Raw(own) as far:
        far("SET", "k", "zero")
        assert near("GET", "k") == b"zero"
        far("SWAPDB", 0, 1)
        assert near.told() == []
        assert near("GET", "k") is None


# -- in which order -----------------------------------------------------------------------------------------------


def test_the_push_of_an_own_write_comes_behind_its_reply_and_before_that_of_the_read_behind_it(
    near: Raw, key: str
) -> None:
    pushed = ("push", (key.encode(),))
    for write in (("SET", key, VALUE), ("DEL", key), run(INVAL, key), run(MARK_STALE, key, "12345678")):
        near("SET", key, VALUE)
        near("GET", key)
        near.told()
        reply, push, read = near.wire(write, ("GET", key))
        assert not isinstance(reply, tuple)
        assert push == pushed
        assert not isinstance(read, tuple)


def test_the_read_before_an_own_write_in_the_same_segment_is_told(near: Raw, key: str) -> None:
    near("SET", key, VALUE)
    wire = near.wire(("GET", key), ("SET", key, "other"), ("GET", key))
    assert wire == [VALUE, b"OK", ("push", (key.encode(),)), b"other"]


def test_a_push_precedes_every_reply_to_what_was_asked_after_the_change(near: Raw, far: Raw, key: str) -> None:
    for round_ in range(50):
        near("GET", key)
        far("SET", key, round_)  # was answered, so it is done
        wire = near.wire(("PING",), ("GET", key))
        assert wire == [("push", (key.encode(),)), b"PONG", b"%d" % round_]


def test_who_waits_for_a_key_is_told_without_asking(near: Raw, far: Raw, key: str) -> None:
    near("GET", key)
    far("SET", key, LEASE, "NX")
    assert near.await_push() == key.encode()
    near("GETRANGE", key, 0, 8)
    far(*run(REPLACE, key, LEASE, VALUE, 60_000))
    assert near.await_push() == key.encode()


def test_changes_of_one_script_are_told_together_behind_its_reply(near: Raw, prefix: str) -> None:
    names = [f"{prefix}{letter}".encode() for letter in "abc"]
    for name in names:
        near("SET", name, VALUE)
    near("MGET", *names)
    wire = near.wire(("EVAL", INVAL.source, 3, *names), ("PING",))
    assert wire[0] == 3
    assert wire[-1] == b"PONG"
    assert [pushed for _, keys in wire[1:-1] for pushed in keys] == names
