"""What goes wrong with servers that Sentinels watch: the primary changes, by force and by command."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ...wire.embedded import EmbeddedServer
from ..sentinels import EmbeddedSentinels
from .fault import End, Fault, nothing
from .server_faults import command_faults, killed, paused

__all__ = ["sentinel_faults"]


def sentinel_faults(watched: EmbeddedSentinels) -> Sequence[Fault]:
    """Those that end in another primary may lose what the old one acknowledged last."""

    def primary(_: random.Random) -> EmbeddedServer:
        return watched.primary

    def sentinel(dice: random.Random) -> EmbeddedServer:
        return dice.choice(watched.sentinels)

    def replica(dice: random.Random) -> EmbeddedServer:
        return dice.choice(watched.replicas)

    def handed_over(_: random.Random) -> End:
        watched.failover()
        return nothing

    return [
        Fault("primary killed", killed(primary), 3.0, 5.0, loses=True),
        Fault("primary paused", paused(primary), 2.0, 5.0, loses=True),
        Fault("primary paused briefly", paused(primary), 0.05, 0.3, loses=True),
        Fault("failover by command", handed_over, loses=True),
        Fault("replica killed", killed(replica), 0.5, 1.0),
        Fault("sentinel killed", killed(sentinel), 0.5, 2.0),
        *command_faults(primary),
    ]
