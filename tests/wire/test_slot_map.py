"""Slots of keys, and the maps in what nodes say."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pika_redis.testing import EmbeddedCluster
from pika_redis.wire.slot_map import SLOTS, hashed, read_shards, read_slots, slot_of

ASKED = ("seed", 7000)
NO_MAP = "expected|needs|do not exist|invalid literal|values to unpack|longer|shorter"
A, B = ("10.0.0.1", 1), ("10.0.0.2", 2)


def test_the_checksum_is_that_of_the_specification() -> None:
    assert slot_of("123456789") == 0x31C3 % SLOTS


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("{user1000}.following", b"user1000"),
        ("foo{}{bar}", b"foo{}{bar}"),
        ("foo{{bar}}zap", b"{bar"),
        ("foo{bar}{zap}", b"bar"),
        ("foo{bar", b"foo{bar"),
        ("foo}bar{", b"foo}bar{"),
        ("", b""),
        (b"\xff{\x00}", b"\x00"),
        ("é{ü}", "ü".encode()),
    ],
)
def test_a_key_is_hashed_by_what_stands_in_its_first_braces(key: str | bytes, part: bytes) -> None:
    assert hashed(key) == part


@example(text="", tag="\udd00")
@given(text=st.text(), tag=st.text(alphabet=st.characters(exclude_characters="{}"), min_size=1))
def test_a_name_in_text_and_in_bytes_has_one_slot(text: str, tag: str) -> None:
    key = text.replace("{", "") + "{" + tag + "}"
    encoded = key.encode("utf-8", "surrogatepass") if key.isprintable() else None
    assert 0 <= slot_of(key) < SLOTS
    if encoded is not None:
        assert slot_of(key) == slot_of(encoded) == slot_of(tag)


@pytest.mark.slow
@pytest.mark.ci
def test_a_real_node_reckons_the_same_slots(valkey_cluster: EmbeddedCluster) -> None:
    keys = ["", "a", "{a}b", "{}a", "a{b{c}d}", "x" * 1000, "käse", "a}{b", "{{}}", *(f"key:{n}" for n in range(50))]
    node = valkey_cluster.nodes[0]
    for key in keys:
        assert slot_of(key) == valkey_cluster.execute(node, "CLUSTER", "KEYSLOT", key), key


def shard(slots: list[int], *nodes: dict[bytes, object]) -> dict[bytes, object]:
    return {b"slots": slots, b"nodes": list(nodes)}


def node(place: tuple[str, int], role: bytes = b"master", **more: object) -> dict[bytes, object]:
    fields: dict[bytes, object] = {b"endpoint": place[0].encode(), b"port": place[1], b"role": role}
    return {
        **fields,
        b"health": b"online",
        **{name.encode().replace(b"_", b"-"): value for name, value in more.items()},
    }


def test_shards_are_read() -> None:
    reply = [
        shard([0, 100, 200, 300], node(B, b"replica"), node(A)),
        shard([101, 199], node(B)),
        shard([], node(ASKED)),
    ]
    found = read_shards(reply, ASKED)
    assert (found.owners[0], found.owners[100], found.owners[101], found.owners[300], found.owners[301]) == (
        *(A, A, B, A, None),
    )
    assert found.primaries == (A, B)


def test_shards_are_read_in_resp2_too() -> None:
    flat = [[b"slots", [0, 5], b"nodes", [[b"port", 1, b"endpoint", b"10.0.0.1", b"role", b"master"]]]]
    assert read_shards(flat, ASKED).owners[5] == A


def test_of_two_primaries_of_a_shard_the_one_that_is_well_serves() -> None:
    failed = node(A, health=b"fail")
    assert read_shards([shard([0, 5], failed, node(B))], ASKED).owners[0] == B
    assert read_shards([shard([0, 5], failed, node(B, b"replica"))], ASKED).owners[0] == A


@pytest.mark.parametrize("unknown", [b"", b"?", None])
def test_a_node_that_does_not_know_its_address_is_where_it_was_asked(unknown: bytes | None) -> None:
    assert read_shards([shard([0, 5], node(A, endpoint=unknown))], ASKED).owners[0] == ("seed", 1)
    assert read_slots([[0, 5, [unknown, 1, b"id"]]], ASKED).owners[0] == ("seed", 1)


def test_with_tls_the_port_for_tls_counts() -> None:
    reply = [shard([0, 5], node(A, tls_port=99))]
    assert read_shards(reply, ASKED, tls=True).owners[0] == (A[0], 99)
    assert read_shards(reply, ASKED).owners[0] == A


def test_announced_names_are_taken_as_they_are() -> None:
    assert read_shards([shard([0, 5], node(("node-1.example", 6379)))], ASKED).owners[0] == ("node-1.example", 6379)


def test_slots_are_read() -> None:
    reply = [[0, 100, [b"10.0.0.1", 1, b"id", []], [b"10.0.0.2", 2, b"id"]], [101, 16383, [b"10.0.0.2", 2]]]
    found = read_slots(reply, ASKED)
    assert (found.owners[100], found.owners[101], found.owners[16383]) == (A, B, B)


@pytest.mark.parametrize(
    "reply",
    [
        *(b"OK", None, 5, [[0]], [[0, 5]], [[0, 5, []]], [[5, 0, [b"h", 1]]], [[0, 16384, [b"h", 1]]]),
        *([[-1, 5, [b"h", 1]]], [[b"x", 5, [b"h", 1]]], [[0, 5, [b"h", b"port"]]]),
    ],
)
def test_what_is_no_map_is_a_value_error(reply: object) -> None:
    with pytest.raises(ValueError, match=NO_MAP):
        read_slots(reply, ASKED)


@pytest.mark.parametrize("reply", [b"OK", None, [b"x"], [{b"slots": [1], b"nodes": [node(A)]}], [{b"slots": [0, 5]}]])
def test_what_is_no_list_of_shards_is_a_value_error(reply: object) -> None:
    with pytest.raises(ValueError, match=NO_MAP):
        read_shards(reply, ASKED)
