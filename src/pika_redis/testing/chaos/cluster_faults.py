"""What goes wrong with a cluster: primaries change, and slots move."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pika_redis import CacheUnavailableError

from ...wire.embedded import EmbeddedServer
from ..cluster import EmbeddedCluster
from .fault import Begin, End, Fault, nothing
from .server_faults import command_faults, killed, paused

__all__ = ["cluster_faults"]

_SLOTS = 16384
_MOVED = 20


def cluster_faults(cluster: EmbeddedCluster) -> Sequence[Fault]:
    """Those that end in another primary may lose what the old one acknowledged last."""

    def primary(dice: random.Random) -> EmbeddedServer:
        return dice.choice(cluster.primaries)

    def covered(dice: random.Random) -> EmbeddedServer:
        found = [node for node in cluster.primaries if cluster.replicas_of(node)]
        if not found:
            raise CacheUnavailableError("no primary has a replica")
        return dice.choice(found)

    def failover(how: str) -> Begin:
        def begin(dice: random.Random) -> End:
            cluster.failover(covered(dice), how)  # type: ignore[arg-type]
            return nothing

        return begin

    def slots_moved(dice: random.Random) -> End:
        to = primary(dice)
        for slot in dice.sample(range(_SLOTS), _MOVED):
            if cluster.primary_of(slot) is not to:
                cluster.move_slot(slot, to)
        return nothing

    return [
        Fault("primary killed", killed(covered), 5.0, 8.0, loses=True),
        Fault("primary paused", paused(covered), 4.0, 7.0, loses=True),
        Fault("primary paused briefly", paused(primary), 0.05, 0.5),
        Fault("failover by command", failover(""), loses=True),
        Fault("failover by force", failover("FORCE"), loses=True),
        Fault("slots moved", slots_moved),
        *command_faults(primary),
    ]
