"""The rows of the fault matrix: how each fault is brought about on real servers, and what callers may notice of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass

from pika_redis import CacheError
from pika_redis.testing import FaultyWire
from pika_redis.testing.cluster_view import View
from pika_redis.testing.direct import ask
from pika_redis.testing.waiting import wait_until

from .stages import LOGIN, TOPOLOGIES, Topology, Victim

__all__ = ["FAULTS", "Fault"]

Act = Callable[[Victim], object]
ALONE: tuple[Topology, ...] = ("standalone",)
WATCHED: tuple[Topology, ...] = ("sentinel", "cluster")


@dataclass(frozen=True)
class Fault:
    """What is done to the victim, and how it ends."""

    strike: Act
    end: Act
    on: tuple[Topology, ...] = TOPOLOGIES
    says: str = ""
    """A word that who wants to know is told, and health shows."""
    reads: bool = False
    """Whether what is stored is read all the while."""
    calm: bool = False
    """Whether every call is answered as if nothing had happened."""
    loses: bool = False
    """Whether what the victim held is lost with it."""
    succeeded: bool = False
    """Whether another server takes over, which must be noticed and told of what was ended lately."""


def nothing(_: Victim) -> None:
    """It ends by itself."""


def _answer(victim: Victim) -> str:
    """What the victim says to a PING."""
    try:
        ask(victim.server, "PING", timeout=1.0)
    except CacheError as error:
        return str(error)
    return "PONG"


def _until_it_says(victim: Victim, word: str) -> None:
    wait_until(lambda: word in _answer(victim), word, 10)


# -- it refuses ------------------------------------------------------------------------------------------------------


def fill_the_disk(victim: Victim) -> None:
    """The file that every change is appended to is on a device without room."""
    folder = victim.server.directory / "appendonlydir"
    folder.mkdir(exist_ok=True)
    (folder / "temp-appendonly.aof.incr").symlink_to("/dev/full")
    victim.configure("appendonly", "yes")
    filler = victim.name("filler")

    def refused() -> bool:
        (said,) = victim.shell.wire(("SET", filler, "x"))
        return "MISCONF" in str(said)

    wait_until(refused, "a full disk", 20)


def busy(victim: Victim) -> None:
    victim.send("EVAL", "while true do end", 0)
    _until_it_says(victim, "BUSY")


def no_longer_busy(victim: Victim) -> None:
    with contextlib.suppress(CacheError):  # a sentinel may have been faster
        ask(victim.server, "SCRIPT", "KILL")


def load(victim: Victim) -> None:
    """It loads its data anew, so slowly that it lasts until it is told to hurry."""
    for number in range(150):
        victim.shell("SET", victim.name(f"filler{number}-"), os.urandom(4096))
    victim.configure("loading-process-events-interval-bytes", 1024)
    victim.configure("key-load-delay", 50_000)
    victim.send("DEBUG", "RELOAD")
    _until_it_says(victim, "LOADING")


def loaded(victim: Victim) -> None:
    victim.configure("key-load-delay", 0)
    wait_until(lambda: "PONG" in _answer(victim), "the end of loading", 30)


def cut_from_its_primary(victim: Victim) -> None:
    victim.configure("replica-serve-stale-data", "no")
    victim.shell("REPLICAOF", "127.0.0.1", 1)


def its_own_primary(victim: Victim) -> None:
    victim.shell("REPLICAOF", "NO", "ONE")
    victim.configure("replica-serve-stale-data", "yes")


def no_room_for_clients(victim: Victim) -> None:
    victim.shell("CONFIG", "SET", "maxclients", 1)
    victim.shell("CLIENT", "KILL", "USER", "app")


def room_for_clients(victim: Victim) -> None:
    victim.shell("CONFIG", "SET", "maxclients", 1000)


def log_out(victim: Victim) -> None:
    """The user is deleted, and its connections end."""
    victim.shell("ACL", "DELUSER", "app")


def log_in(victim: Victim) -> None:
    victim.shell("ACL", "SETUSER", "app", *LOGIN.split())


def setting(name: str, value: str | int) -> Act:
    return lambda victim: victim.configure(name, value)


REFUSALS = {
    "too few replicas": Fault(
        setting("min-replicas-to-write", 9), setting("min-replicas-to-write", 0), says="NOREPLICAS", reads=True
    ),
    "disk full": Fault(fill_the_disk, setting("appendonly", "no"), says="MISCONF", reads=True),
    "memory full": Fault(setting("maxmemory", 1), setting("maxmemory", 0), reads=True),
    "turned replica": Fault(
        lambda victim: victim.shell("REPLICAOF", "127.0.0.1", 1),
        lambda victim: victim.shell("REPLICAOF", "NO", "ONE"),
        on=ALONE,
        says="READONLY",
        reads=True,
    ),
    "replica without primary": Fault(cut_from_its_primary, its_own_primary, on=ALONE, says="MASTERDOWN"),
    "loading": Fault(load, loaded, says="LOADING"),
    "busy in a script": Fault(busy, no_longer_busy, says="BUSY"),
    "no room for clients": Fault(no_room_for_clients, room_for_clients, says="max number of clients"),
    "logged out": Fault(log_out, log_in, says="WRONGPASS"),
}


# -- it is slow, or silent, or gone -----------------------------------------------------------------------------------


def paused(kind: str) -> Act:
    return lambda victim: victim.shell("CLIENT", "PAUSE", 700, kind)


def come_back(victim: Victim) -> None:
    victim.server.restart()


TROUBLES = {
    "clients killed": Fault(lambda victim: victim.shell("CLIENT", "KILL", "USER", "app"), nothing, reads=True),
    "clients paused": Fault(paused("ALL"), nothing),
    "writing clients paused": Fault(paused("WRITE"), nothing),
    "asleep": Fault(lambda victim: victim.send("DEBUG", "SLEEP", "0.2"), nothing, reads=True, calm=True),
    "scripts forgotten": Fault(lambda victim: victim.shell("SCRIPT", "FLUSH"), nothing, reads=True, calm=True),
    "flushed": Fault(lambda victim: victim.shell("FLUSHALL"), nothing, loses=True),
    "stopped": Fault(lambda victim: victim.server.pause(), lambda victim: victim.server.resume()),
    "killed": Fault(lambda victim: victim.server.kill(), come_back, on=ALONE, loses=True),
}


# -- another server takes over -----------------------------------------------------------------------------------------


def when_succeeded(end: Act) -> Act:
    def act(victim: Victim) -> None:
        victim.await_successor()
        end(victim)

    return act


def hand_over(victim: Victim) -> None:
    """In a cluster by one of its replicas, else by the sentinels."""
    if victim.stage.topology == "cluster":
        victim.stage.held.failover(victim.server)
    else:
        victim.stage.held.failover()


SUCCESSIONS = {
    "killed for good": Fault(
        lambda victim: victim.server.kill(), when_succeeded(come_back), on=WATCHED, succeeded=True
    ),
    "stopped for good": Fault(
        lambda victim: victim.server.pause(),
        when_succeeded(lambda victim: victim.server.resume()),
        on=WATCHED,
        succeeded=True,
    ),
    "handed over": Fault(hand_over, nothing, on=WATCHED, reads=True, succeeded=True),
}


# -- a cluster without some of its slots -------------------------------------------------------------------------------


def stop_most(victim: Victim) -> None:
    """The victim lives and says that the cluster is down, since it can't reach most of its like."""
    for node in victim.stage.held.primaries:
        if node is not victim.server:
            node.pause()
    wait_until(lambda: b"cluster_state:fail" in victim.shell("CLUSTER", "INFO"), "a cluster that is down", 20)


def wake_all(victim: Victim) -> None:
    victim.stage.heal()


def give_up_slots(victim: Victim) -> None:
    """The victim serves nothing any more, and nobody else does instead."""
    victim.slots = View.read(victim.shell("CLUSTER", "NODES")).myself.slots
    _of_slots(victim, "DELSLOTSRANGE")


def take_slots_back(victim: Victim) -> None:
    _of_slots(victim, "ADDSLOTSRANGE")


def _of_slots(victim: Victim, what: str) -> None:
    for some in victim.slots:
        victim.shell("CLUSTER", what, some.start, some.stop - 1)


SHORTAGES = {
    "most primaries stopped": Fault(stop_most, wake_all, on=("cluster",), says="CLUSTERDOWN"),
    "slots that nobody serves": Fault(give_up_slots, take_slots_back, on=("cluster",)),
}


# -- between callers and server ----------------------------------------------------------------------------------------


def on_the_wire(act: Callable[[FaultyWire], object]) -> Act:
    def do(victim: Victim) -> None:
        assert victim.stage.wire is not None
        act(victim.stage.wire)

    return do


def cut_off(wire: FaultyWire) -> None:
    wire.refuse()
    wire.cut()


heal = on_the_wire(lambda wire: wire.heal())
WIRE = {
    "refused": Fault(on_the_wire(cut_off), heal, on=ALONE),
    "reset": Fault(on_the_wire(lambda wire: wire.cut()), nothing, on=ALONE, reads=True),
    "reset within replies": Fault(on_the_wire(lambda wire: wire.break_off()), heal, on=ALONE),
    "commands swallowed": Fault(on_the_wire(lambda wire: wire.drop(direction="commands")), heal, on=ALONE),
    "replies swallowed": Fault(on_the_wire(lambda wire: wire.drop(direction="replies")), heal, on=ALONE),
    "commands held up": Fault(on_the_wire(lambda wire: wire.stall("commands")), heal, on=ALONE),
    "replies held up": Fault(on_the_wire(lambda wire: wire.stall("replies")), heal, on=ALONE),
    "late": Fault(on_the_wire(lambda wire: wire.delay(0.05)), heal, on=ALONE, reads=True, calm=True),
    "later than anybody waits": Fault(on_the_wire(lambda wire: wire.delay(1.0)), heal, on=ALONE),
    "byte by byte": Fault(on_the_wire(lambda wire: wire.chunk(1)), heal, on=ALONE, reads=True, calm=True),
    "garbage": Fault(on_the_wire(lambda wire: wire.garble()), heal, on=ALONE),
}

FAULTS: dict[str, Fault] = {**REFUSALS, **TROUBLES, **SUCCESSIONS, **SHORTAGES, **WIRE}
