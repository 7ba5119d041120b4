"""Calls find the node of their key, whatever the nodes say meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from pika_redis.errors import CacheServerError, CacheUnavailableError, OutcomeUnknownError
from pika_redis.wire.connection import Reply
from pika_redis.wire.endpoint import Endpoint
from pika_redis.wire.node import Node, Repeat
from pika_redis.wire.replies import Redirected, reply_error
from pika_redis.wire.scripts import INVAL
from pika_redis.wire.slot_map import slot_of
from pika_redis.wire.slots import Observer
from pika_redis.wire.steps import Reads, Step

from .fake_cluster import FakeCluster, FakeNode, Notes, key_in
from .fake_server import FakeServer, bulk

DOWN = b"-CLUSTERDOWN The cluster is down\r\n"


@pytest.fixture
async def fakes() -> AsyncIterator[FakeCluster]:
    async with FakeCluster().running() as running:
        yield running


def moved(key: str, to: FakeNode, word: str = "MOVED") -> bytes:
    return f"-{word} {slot_of(key)} 127.0.0.1:{to.port}\r\n".encode()


async def test_a_call_goes_to_the_node_that_serves_its_slot(fakes: FakeCluster) -> None:
    async with fakes.client() as client:
        for node in fakes.nodes:
            key = fakes.key_of(node)
            assert await client.call(("GET", key)) == f"value of {key}".encode()
            assert node.sent("GET") == [[b"GET", key.encode()]]
    assert fakes.surveys() == 1


async def test_many_calls_at_the_beginning_read_the_map_once(fakes: FakeCluster) -> None:
    async with fakes.client() as client:
        key = fakes.key_of(fakes.nodes[2])
        replies = await asyncio.gather(*[client.call(("GET", key)) for _ in range(100)])
        assert set(replies) == {f"value of {key}".encode()}
    assert fakes.surveys() == 1


async def test_a_node_that_knows_no_shards_is_asked_for_slots(fakes: FakeCluster) -> None:
    seed, other = fakes.nodes[0], fakes.nodes[1]
    seed.says("CLUSTER SHARDS", b"-ERR unknown subcommand 'SHARDS'. Try CLUSTER HELP.\r\n")
    seed.says("CLUSTER SLOTS", b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n%s:%d\r\n" % (bulk(""), other.port))
    async with fakes.client() as client:
        await client.call(("GET", "any"))
    assert other.sent("GET")


async def test_the_other_seeds_are_asked_when_one_is_down(fakes: FakeCluster) -> None:
    fakes.nodes[0].says("CLUSTER SHARDS", b"-LOADING Redis is loading the dataset in memory\r\n")
    async with fakes.client(seeds=2) as client:
        key = fakes.key_of(fakes.nodes[2])
        assert await client.call(("GET", key)) == f"value of {key}".encode()


async def test_a_server_without_cluster_support_is_told_by_name(fakes: FakeCluster) -> None:
    fakes.nodes[0].says("CLUSTER SHARDS", b"-ERR This instance has cluster support disabled\r\n")
    async with fakes.client() as client:
        with pytest.raises(CacheUnavailableError, match=r"cluster support is disabled there.*begins with redis://"):
            await client.ready()
        with pytest.raises(CacheUnavailableError, match="cluster support is disabled there"):
            await client.call(("GET", "k"))


async def test_a_plain_url_of_a_node_of_a_cluster_is_told_by_name(fakes: FakeCluster) -> None:
    first, second = fakes.nodes[:2]
    first.says("GET", moved("k", second))
    first.says("MGET", b"-CROSSSLOT Keys in request don't hash to the same slot\r\n")
    node = Node(asyncio.get_running_loop(), Endpoint(port=first.port))
    try:
        for command in (("GET", "k"), ("MGET", "k", "l")):
            with pytest.raises(CacheServerError, match=r"begins with redis\+cluster://"):
                await node.call(command)
    finally:
        await node.aclose()


async def test_a_call_follows_a_slot_that_moved_and_the_next_one_goes_there_at_once(fakes: FakeCluster) -> None:
    old, new, _ = fakes.nodes
    key = fakes.key_of(old)
    notes = Notes()
    async with fakes.client(notes) as client:
        await client.call(("GET", key))
        old.says("GET", moved(key, new))
        slot = slot_of(key)
        fakes.ranges = [(0, slot - 1, old), (slot, slot, new), (slot + 1, 5460, old), *fakes.ranges[1:]]
        for _ in range(3):
            assert await client.call(("GET", key)) == f"value of {key}".encode()
        assert len(old.sent("GET")) == 2
        assert len(new.sent("GET")) == 3
        assert (notes.names().count("remapped"), notes.told.count(("moved", slot))) == (1, 1)
        await new.until(lambda: bool(new.sent("CLUSTER")))  # who is sent somewhere asks there


async def test_writes_that_may_run_once_follow_too(fakes: FakeCluster) -> None:
    old, new, _ = fakes.nodes
    key = fakes.key_of(old)
    old.says("SET", moved(key, new))
    async with fakes.client() as client:
        assert await client.call(("SET", key, "v"), Repeat.UNSENT) == b"OK"
        assert await client.take([Step(key, [("SET", key, "w")])], Repeat.UNSENT) == [[b"OK"]]
    assert [words[2] for words in new.sent("SET")] == [b"v", b"w"]


async def test_nodes_that_send_each_others_keys_back_and_forth_are_left_after_five_hops(fakes: FakeCluster) -> None:
    one, other, _ = fakes.nodes
    key = fakes.key_of(one)
    one.says("GET", moved(key, other))
    other.says("GET", moved(key, one))
    async with fakes.client() as client:
        with pytest.raises(CacheUnavailableError, match="back and forth"):
            await client.call(("GET", key))
    assert len(one.sent("GET")) + len(other.sent("GET")) == 6


async def test_a_key_on_its_way_is_asked_for_in_one_write_and_nothing_is_kept(fakes: FakeCluster) -> None:
    old, new, _ = fakes.nodes
    key = fakes.key_of(old)
    old.says("GET", moved(key, new, "ASK"))
    notes = Notes()

    def see(reply: Reply) -> Reply:
        notes.told.append(("seen", reply))
        return reply

    async with fakes.client(notes) as client:
        await client.call(("GET", fakes.key_of(new)))
        segments = len(new.talks[0].segments)
        assert await client.call(("GET", key), Repeat.ALWAYS, see) == f"value of {key}".encode()
        assert new.talks[0].segments[segments:] == [
            b"*1\r\n$6\r\nASKING\r\n*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key.encode())
        ]
        seen = [one for one in notes.told if one[0] in ("seen", "asked")]
        assert seen[-2:] == [("seen", f"value of {key}".encode()), ("asked", key)]
        await client.call(("GET", key))
    assert len(old.sent("GET")) == 2  # the map stays
    assert "remapped" not in notes.names()[2:]


async def test_each_command_of_a_step_on_its_way_says_asking(fakes: FakeCluster) -> None:
    old, new, _ = fakes.nodes
    key = fakes.key_of(old)
    ask = moved(key, new, "ASK")
    old.says("SET", ask)
    old.says("GET", ask)
    async with fakes.client() as client:
        found = await client.take([Step(key, [("SET", key, "v"), ("GET", key)])])
    assert found == [[b"OK", f"value of {key}".encode()]]
    assert [words[0] for words in new.talks[0].commands[-4:]] == [b"ASKING", b"SET", b"ASKING", b"GET"]


async def test_a_command_whose_keys_are_on_their_way_is_tried_again(fakes: FakeCluster) -> None:
    node = fakes.nodes[0]
    key = fakes.key_of(node)
    again = b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n"
    node.says("EVAL", again, again, b":7\r\n")
    async with fakes.client() as client:
        assert await client.run(INVAL, key, ()) == 7
    assert len(node.sent("EVAL")) == 3


async def test_a_node_that_is_down_for_its_clients_takes_no_other_slots_along(fakes: FakeCluster) -> None:
    down, well, _ = fakes.nodes
    notes = Notes()
    async with fakes.client(notes) as client:
        await client.call(("GET", fakes.key_of(well)))
        down.says("GET", DOWN)
        with pytest.raises(CacheUnavailableError, match="CLUSTERDOWN"):
            await client.call(("GET", fakes.key_of(down)))
        assert ("doubted", down.place) in notes.told
        assert await client.call(("GET", fakes.key_of(well)))
        down.says("GET")
        assert await client.call(("GET", fakes.key_of(down)))


async def test_a_slot_that_nobody_serves_is_unavailable_and_no_reason_to_doubt_its_node(fakes: FakeCluster) -> None:
    node = fakes.nodes[0]
    notes = Notes()
    async with fakes.client(notes) as client:
        node.says("GET", b"-CLUSTERDOWN Hash slot not served\r\n")
        with pytest.raises(CacheUnavailableError, match="not served"):
            await client.call(("GET", fakes.key_of(node)))
        key = fakes.key_of(node)
        fakes.ranges = fakes.ranges[1:]
        await client.members.atlas.now()
        with pytest.raises(CacheUnavailableError, match="no node of the cluster serves slot 5"):
            await client.call(("GET", key))
    assert "doubted" not in notes.names()


async def test_a_repeat_goes_where_the_map_says_by_then(fakes: FakeCluster) -> None:
    dead, heir, _ = fakes.nodes
    key = fakes.key_of(dead)
    async with fakes.client(attempts=3) as client:
        await client.call(("GET", key))
        fakes.ranges = [(first, last, heir if owner is dead else owner) for first, last, owner in fakes.ranges]
        dead.says("CLUSTER SHARDS", DOWN)
        dead.answer = lambda talk, words: talk.hang_up() if words[0] == b"GET" else None
        assert await client.call(("GET", key)) == f"value of {key}".encode()
        assert heir.sent("GET")


async def test_a_write_whose_outcome_is_unknown_is_not_repeated_on_the_successor(fakes: FakeCluster) -> None:
    dead, heir, _ = fakes.nodes
    key = fakes.key_of(dead)
    async with fakes.client(attempts=3) as client:
        await client.call(("GET", key))
        fakes.ranges = [(first, last, heir if owner is dead else owner) for first, last, owner in fakes.ranges]
        dead.answer = lambda talk, words: talk.hang_up() if words[0] == b"SET" else None
        with pytest.raises(OutcomeUnknownError):
            await client.call(("SET", key, "v"), Repeat.UNSENT)
        assert heir.sent("SET") == []


async def test_a_write_is_not_repeated_because_another_node_did_not_run_another(fakes: FakeCluster) -> None:
    left, one, other = fakes.nodes
    first, last, _ = next(place for place in fakes.ranges if place[2] is left)
    keys = [key_in(first), key_in(last)]
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    async with fakes.client(attempts=50) as client:
        await client.call(("GET", keys[0]))
        left.says("SET", loading)
        one.says("SET", loading)
        other.answer = lambda talk, words: talk.hang_up() if words[0] == b"SET" else None
        fakes.ranges = [place for place in fakes.ranges if place[2] is not left]
        fakes.ranges += [(first, last - 1, one), (last, last, other)]
        with pytest.raises(OutcomeUnknownError):
            await client.take([Step(key, [("SET", key, "v")]) for key in keys], Repeat.UNSENT)
    assert one.sent("SET")
    assert len(other.sent("SET")) == 1


async def test_no_timer_is_left_of_a_node_that_serves_no_more_when_all_is_closed(fakes: FakeCluster) -> None:
    left, heir, _ = fakes.nodes
    scheduled: list[asyncio.TimerHandle] = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    async with fakes.client() as client:
        await client.call(("GET", fakes.key_of(left)))
        fakes.ranges = [(first, last, heir if owner is left else owner) for first, last, owner in fakes.ranges]
        await client.members.atlas.now()
        assert "_leave" in str([timer for timer in scheduled if not timer.cancelled()])
    assert "_leave" not in str([timer for timer in scheduled if not timer.cancelled()])


async def test_nobody_follows_for_a_caller_who_has_gone(fakes: FakeCluster) -> None:
    old, new, _ = fakes.nodes
    key = fakes.key_of(old)
    async with fakes.client() as client:
        await client.call(("GET", key))
        old.says("SET", b"")
        write = asyncio.create_task(client.call(("SET", key, "abandoned"), Repeat.UNSENT))
        await old.until(lambda: bool(old.sent("SET")))
        write.cancel()
        await asyncio.wait({write})
        old.talks[0].transport.write(moved(key, new))
        old.says("GET", moved(key, new))
        await client.call(("GET", key))
        assert new.sent("SET") == []
        assert new.sent("GET")


async def test_a_script_that_a_node_does_not_know_is_sent_whole(fakes: FakeCluster) -> None:
    one, other, _ = fakes.nodes
    for node in (one, other):
        node.says("EVAL", b":1\r\n")
        node.says("EVALSHA", b":1\r\n")
    async with fakes.client() as client:
        for node in (one, other, one, other):
            assert await client.run(INVAL, fakes.key_of(node), ()) == 1
        one.says("EVALSHA", b"-NOSCRIPT No matching script. Please use EVAL.\r\n")
        assert await client.run(INVAL, fakes.key_of(one), ()) == 1
    assert (len(one.sent("EVAL")), len(one.sent("EVALSHA"))) == (2, 2)
    assert (len(other.sent("EVAL")), len(other.sent("EVALSHA"))) == (1, 1)


async def test_steps_of_several_nodes_run_side_by_side_and_are_seen_one_by_one(fakes: FakeCluster) -> None:
    keys = [fakes.key_of(node) for node in fakes.nodes]
    fakes.nodes[0].says("GET", b"")  # does not answer
    seen: list[str] = []
    two_seen = asyncio.Event()

    def see(key: str, raw: Reply) -> Reply:
        seen.append(key)
        if len(seen) == 2:
            two_seen.set()
        return raw

    async with fakes.client() as client:
        await client.ready()
        asked = asyncio.create_task(client.take([Reads(keys, see)]))
        await two_seen.wait()
        assert sorted(seen) == sorted(keys[1:])
        fakes.nodes[0].talks[0].transport.write(bulk("late"))
        assert await asked == [[b"late", *(f"value of {key}".encode() for key in keys[1:])]]


async def test_what_may_remain_unanswered_takes_nothing_else_along(fakes: FakeCluster) -> None:
    dead, well, _ = fakes.nodes
    mine, other = fakes.key_of(dead), fakes.key_of(well)
    shown: list[object] = []

    def see(key: str, raw: Reply) -> Reply:
        shown.append(raw)
        return None

    async with fakes.client() as client:
        await client.take([Step(mine, [("GET", mine)])])
        dead.answer = lambda talk, words: talk.hang_up()
        replies = await client.take([Reads((mine,), see, spare=True), Step(other, [("GET", other)])])
        assert replies == [[None], [f"value of {other}".encode()]]
        assert isinstance(shown[0], CacheUnavailableError)
        ((refused,), (given,)) = await client.take(
            [Step(mine, [("SET", mine, "v")], spare=True), Step(other, [("SET", other, "v")], spare=True)]
        )
        assert isinstance(refused, CacheUnavailableError)
        assert given == b"OK"
        with pytest.raises(CacheUnavailableError):
            await client.take([Step(mine, [("GET", mine)]), Step(other, [("GET", other)])])


async def test_scripts_over_many_keys_go_key_by_key_and_are_added_up(fakes: FakeCluster) -> None:
    for node in fakes.nodes:
        node.says("EVAL", b":1\r\n")
    keys = [fakes.key_of(node) for node in fakes.nodes]
    seen: list[tuple[str, ...]] = []

    def observe(page: object) -> Observer:
        def see(reply: Reply) -> Reply:
            seen.append(tuple(cast("tuple[str, ...]", page)))
            return reply

        return see

    async with fakes.client() as client:
        assert await client.run_over(INVAL, keys, (), observe) == 3
    assert sorted(seen) == sorted((key,) for key in keys)
    assert [len(node.sent("EVAL")) for node in fakes.nodes] == [1, 1, 1]


async def test_a_storm_of_redirections_reads_the_map_a_few_times_only(fakes: FakeCluster) -> None:
    old, new, _ = fakes.nodes
    async with fakes.client() as client:
        await client.ready()
        keys = [f"key{number}" for number in range(2000)]
        mine = [key for key in keys if slot_of(key) < 5461]
        for key in mine:
            old.says(f"GET {key}", moved(key, new))
        await asyncio.gather(*[client.call(("GET", key)) for key in mine])
    assert len(new.sent("GET")) == len(mine) > 500
    assert fakes.surveys() < 10


async def test_a_node_that_serves_nothing_any_more_is_parted_with(fakes: FakeCluster) -> None:
    leaving = fakes.nodes[2]
    async with fakes.client(stall=0.2) as client:
        await client.call(("GET", fakes.key_of(leaving)))
        fakes.ranges = [(0, 8000, fakes.nodes[0]), (8001, 16383, fakes.nodes[1])]
        await client.members.atlas.now()
        await asyncio.wait_for(leaving.talks[0].ended, 5)
        assert leaving.place not in client.members.met


async def test_all_nodes_have_the_time_of_the_owner_of_slot_0() -> None:
    fakes = FakeCluster()
    for number, node in enumerate(fakes.nodes):
        node.says("TIME", b"*2\r\n$10\r\n%d\r\n$1\r\n0\r\n" % (1_600_000_000 + number * 1000))
    async with fakes.running(), fakes.client() as client:
        for node in reversed(fakes.nodes):
            await client.call(("GET", fakes.key_of(node)))
        assert client.server_ms() // 10_000 == 160_000_000
        assert client.local_time(client.server_ms()) == pytest.approx(client.members._clock.monotonic(), abs=1)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("MOVED 3999 127.0.0.1:6381", ("MOVED", 3999, "127.0.0.1", 6381)),
        ("ASK 1 node.example:7", ("ASK", 1, "node.example", 7)),
        ("MOVED 5 :7", ("MOVED", 5, "", 7)),
        ("MOVED 5 ?:7", ("MOVED", 5, "", 7)),
        ("MOVED 5 ::1:7", ("MOVED", 5, "::1", 7)),
    ],
)
def test_a_redirection_is_read(text: str, place: tuple[str, int, str, int]) -> None:
    error = reply_error(text)
    assert isinstance(error, Redirected)
    assert (error.code, error.slot, error.host, error.port) == place


@pytest.mark.parametrize("text", ["MOVED", "MOVED x y:1", "ASK 5 nowhere", "MOVED 5 h:port"])
def test_a_garbled_redirection_is_an_error_of_the_server(text: str) -> None:
    error = reply_error(text)
    assert isinstance(error, CacheServerError)
    assert not isinstance(error, Redirected)


async def test_a_dead_end_is_told_with_its_reason() -> None:
    async with FakeServer(lambda talk, words: talk.hang_up()).running() as server:
        fakes = FakeCluster(1)
        fakes.nodes[0].port = server.port
        async with fakes.client() as client:
            with pytest.raises(CacheUnavailableError, match="no node tells who serves what"):
                await client.ready()
