"""What a process holds of a cluster ends with whatever makes it untrue, on whichever node."""

from __future__ import annotations

from pika_redis import RedisService
from pika_redis.testing import EmbeddedCluster, FakeClock
from pika_redis.wire.slot_map import slot_of

from .conftest import soon
from .near import elsewhere, key_on, near_cluster


async def held(service: RedisService, key: str) -> None:
    """This process has a copy, and serves it."""
    assert await service.get(key) is not None
    before = (await service.get_stats()).l1_hits
    assert await service.get(key) is not None
    assert (await service.get_stats()).l1_hits == before + 1


async def test_an_invalidation_elsewhere_ends_the_copies_of_a_tag_on_another_node(
    service: RedisService, other: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    node = cluster.primary_of(f"{prefix}#t:tag")
    key = key_on(cluster, prefix, elsewhere(cluster, node))
    await service.set(key, "value", tags=["tag"])
    await held(service, key)
    await other.invalidate_tags(["tag"])
    await soon(lambda: near_cluster(service).nonces.at(f"{prefix}#t:tag").now is None)
    assert await service.get(key) is None


async def test_any_slot_that_moves_ends_all_copies(
    service: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    await service.set_many({f"k{number}": number / 2 for number in range(30)})
    await held(service, "k1")
    source = cluster.primary_of(f"{prefix}moving")
    cluster.move_slot(slot_of(f"{prefix}moving"), elsewhere(cluster, source))
    near = near_cluster(service)
    assert near.copies
    assert await service.get("moving") is None  # finds out
    assert near.copies == {}
    assert near.nonces.known() == {}
    assert await service.get_many([f"k{number}" for number in range(30)]) == [number / 2 for number in range(30)]
    await held(service, "k1")


async def test_what_is_on_its_way_is_served_and_not_kept(
    service: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    key, tag = "travels", f"{prefix}#t:tag"
    await service.set(key, "value", tags=["tag"])
    near = near_cluster(service)
    for full in (f"{prefix}{key}", tag):
        source = cluster.primary_of(full)
        move = cluster.moving(slot_of(full), elsewhere(cluster, source))
        move.set_importing()
        move.set_migrating()
        move.migrate_keys()
        near._forget()
        for _ in range(2):
            assert await service.get(key) == "value"
            assert await service.get(key, consistency="strict") == "value"
            assert full not in near.copies
            assert full not in near.nonces.known()
        await service.set(key, "value", tags=["tag"])
        assert await service.get_or_load(key, lambda: "loaded", tags=["tag"]) == "value"
        assert await service.delete("another") is False
        await service.invalidate_tags(["tag"])
        assert await service.get(key) is None
        assert await service.get_or_load(key, lambda: "value", tags=["tag"]) == "value"
        assert await service.get(key) == "value"
        move.set_node()
    assert await service.get(key) == "value"
    await held(service, key)


async def test_a_nonce_that_differs_is_read_once_more(service: RedisService, prefix: str) -> None:
    await service.set("k", "value", tags=["tag"])
    near = near_cluster(service)
    for key in (f"{prefix}#e", f"{prefix}#t:tag"):
        near._forget()
        near.nonces.learn(key, b"T" + b"old one!" + b"\xff\xff\xff\xff")  # its node's push is not here yet
        assert await service.get("k") == "value"
        assert (await service.get_many(["k"])) == ["value"]
        assert await service.remaining_ttl("k") is not None


async def test_every_node_is_asked_for_a_sign_of_life_while_copies_are_served(
    service: RedisService, clock: FakeClock
) -> None:
    await service.set_many({f"k{number}": number / 2 for number in range(30)})
    await held(service, "k1")
    near = near_cluster(service)
    await near.hear()
    old = near.oldest()
    clock.advance(2)
    await held(service, "k1")
    await soon(lambda: near.oldest() > old)
    assert len([side for side in near.sides.values() if side.proof is not None]) == 3


async def test_a_node_that_is_silent_for_too_long_ends_trust_in_copies_and_not_in_the_other_nodes(
    service: RedisService, clock: FakeClock, cluster: EmbeddedCluster, prefix: str
) -> None:
    silent = cluster.primary_of(f"{prefix}#e")
    key = key_on(cluster, prefix, elsewhere(cluster, silent))
    await service.set(key, "value")
    await held(service, key)
    silent.pause()
    clock.advance(4)
    hits = near_cluster(service)._counters.l1_hits
    assert await service.get(key) == "value"  # by the epoch as it was last known
    assert near_cluster(service)._counters.l1_hits == hits
    assert await service.get(key, consistency="strict") is None
    clock.advance(27)
    assert await service.get(key) is None  # nobody knows any more


async def test_the_loss_of_a_node_ends_all_copies_and_its_nonces_are_believed_for_a_while(
    service: RedisService, clock: FakeClock, cluster: EmbeddedCluster, prefix: str
) -> None:
    lost = cluster.primary_of(f"{prefix}#e")
    key = key_on(cluster, prefix, elsewhere(cluster, lost))
    await service.set(key, "value")
    await held(service, key)
    near = near_cluster(service)
    lost.kill()
    await soon(lambda: not near.copies)
    assert near.nonces.known() == {}
    assert await service.get(key) == "value"
    assert await service.get_or_load(key, lambda: "loaded") == "value"
    clock.advance(31)
    near.cluster.members.atlas.abandon()  # or it would find the successor
    assert await service.get(key) is None


async def test_what_this_process_invalidated_is_believed_of_no_node_that_is_gone(
    service: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    lost = cluster.primary_of(f"{prefix}#t:tag")
    key = key_on(cluster, prefix, elsewhere(cluster, lost))
    await service.set(key, "value", tags=["tag"])
    await held(service, key)
    near = near_cluster(service)
    lost.kill()
    await soon(lambda: not near.copies)
    assert await service.get(key) == "value"
    await service.invalidate_tags(["tag"])
    assert await service.get(key) is None
