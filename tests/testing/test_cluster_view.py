"""What a node says of the cluster, as its reply spells it."""

from __future__ import annotations

from pika_redis.testing.cluster_view import View

REPLY = b"""\
5cd43d 127.0.0.1:50299@40775 myself,slave b2d40d 0 0 3 connected
666db0 127.0.0.1:51979@46929,name master - 0 1795669987000 1 connected 0-100 102 [93->-5cd43d] [94-<-b2d40d]
b2d40d 127.0.0.1:36367@45773 master,fail? - 0 1795669987017 12 disconnected 101 103-16383
c00000 127.0.0.1:36369@45775 handshake - 0 0 0 connected
"""


def test_a_view_tells_roles_epochs_slots_and_trouble() -> None:
    view = View.read(REPLY)
    assert (view.myself.id, view.myself.is_primary, view.myself.primary) == ("5cd43d", False, "b2d40d")
    primary, failing = view.members["666db0"], view.members["b2d40d"]
    assert [primary.serves(slot) for slot in (0, 100, 101, 102, 93)] == [True, True, False, True, True]
    assert (primary.epoch, failing.epoch) == (1, 12)
    assert [view.members[id].well for id in ("5cd43d", "666db0", "b2d40d", "c00000")] == [True, True, False, False]


def test_a_view_says_who_serves_what() -> None:
    assert View.read(REPLY).slots == {
        "666db0": (range(101), range(102, 103)),
        "b2d40d": (range(101, 102), range(103, 16384)),
    }
