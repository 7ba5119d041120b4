"""Guards between processes: what a writer did is seen by all, also when it dies before it can say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..storage.raw import Raw
from .members import Log, Member


class Scene:
    """A source, cached under a key and a tag, in four processes that have it as a copy."""

    def __init__(self, readers: list[Member], prefix: str, shell: Raw, log: Log) -> None:
        self.readers, self.prefix, self.shell, self.log = readers, prefix, shell, log
        self.key = f"{prefix}k"
        shell("SET", f"source of {prefix}", "old")
        for _ in range(2):
            assert self.seen() == ["old"] * 4
        assert log.rest() == ["load"]

    def seen(self) -> list[Any]:
        """What each process reads, all at once."""
        orders = [(one, one.send("read_source", prefix=self.prefix, key="k", tags=["t"])) for one in self.readers]
        return [one.result(order) for one, order in orders]

    def write(self, writer: Member, value: str, by: str = "key", hold: float = 60, **more: Any) -> int:
        """Begin to write under a guard, and wait until it has committed."""
        names = {"keys": ["k"], "tags": []} if by == "key" else {"keys": [], "tags": ["t"]}
        order = writer.send("write_guarded", prefix=self.prefix, value=value, hold=hold, **names, **more)
        if "before" not in more:
            assert self.log.next() == f"committed {value}"
        return order

    @property
    def kind(self) -> bytes:
        """The first byte of what the key holds."""
        return bytes(self.shell("GETRANGE", self.key, 0, 0))

    def let_end(self, name: str, within: float) -> None:
        """A hold comes to its end by itself, now rather than in so many seconds."""
        assert 0 < self.shell("PTTL", name) <= within * 1000
        self.shell("PEXPIRE", name, 1)
        while self.shell("EXISTS", name):
            pass


@pytest.fixture
def scene(fleet: list[Member], prefix: str, shell: Raw, log: Log) -> Scene:
    return Scene(fleet, prefix, shell, log)


@pytest.mark.parametrize("by", ["key", "tag"])
def test_a_guarded_writer_that_dies_behind_its_commit_leaves_nothing_old(
    scene: Scene, spare: Callable[[], Member], by: str
) -> None:
    writer = spare()
    scene.write(writer, "new", by, hold=60, gate="never")
    assert scene.seen() == ["new"] * 4
    writer.kill()
    assert scene.seen() == ["new"] * 4
    scene.let_end(scene.key if by == "key" else f"{scene.prefix}#t:t", 60)
    scene.log.rest().clear()
    for _ in range(2):
        assert scene.seen() == ["new"] * 4
    assert scene.log.rest() == ["load"]  # it is cached again


def test_a_writer_without_a_guard_that_dies_behind_its_commit_leaves_the_old(
    scene: Scene, spare: Callable[[], Member]
) -> None:
    """Why there are guards: this is the control."""
    writer = spare()
    writer.send("write_source", prefix=scene.prefix, value="new", gate="never")
    assert scene.log.next() == "committed new"
    writer.kill()
    assert scene.seen() == ["old"] * 4


@pytest.mark.parametrize("by", ["key", "tag"])
@pytest.mark.parametrize("leaves", ["the first leaves first", "the last leaves first"])
def test_of_two_guarded_writers_each_holds_until_it_leaves(
    scene: Scene, spare: Callable[[], Member], leaves: str, by: str
) -> None:
    writers = [spare(), spare()]
    orders = [scene.write(one, f"by {at}", by, gate=f"g{at}") for at, one in enumerate(writers)]
    scene.log.rest().clear()
    for at in (0, 1) if leaves == "the first leaves first" else (1, 0):
        assert scene.seen() == ["by 1"] * 4
        assert scene.seen() == ["by 1"] * 4
        assert len(scene.log.rest()) >= 2, "while one of them holds, nothing is stored"
        scene.log.events.clear()
        scene.log.open(f"g{at}")
        assert writers[at].result(orders[at]) is False
    for _ in range(2):
        assert scene.seen() == ["by 1"] * 4
    assert scene.log.rest() == ["load"]


def test_when_one_of_two_guarded_writers_dies_its_hold_stays_until_its_end(
    scene: Scene, spare: Callable[[], Member]
) -> None:
    dies, leaves = spare(), spare()
    scene.write(dies, "first", hold=60, gate="never")
    order = scene.write(leaves, "second", hold=60, gate="g")
    dies.kill()
    scene.log.open("g")
    assert leaves.result(order) is False
    assert scene.kind == b"H"
    assert scene.seen() == ["second"] * 4
    scene.let_end(scene.key, 60)
    assert scene.seen() == ["second"] * 4
    assert scene.kind == b"V"


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("by", ["key", "tag"])
def test_a_hold_is_made_longer_while_the_body_runs(scene: Scene, spare: Callable[[], Member], by: str) -> None:
    writer = spare()
    name = scene.key if by == "key" else f"{scene.prefix}#t:t"
    order = scene.write(writer, "new", by, hold=1.5, gate="g")
    scene.shell("CLIENT", "TRACKING", "ON")
    for _ in range(4):  # at each third: more than its whole length passes
        assert scene.shell("GETRANGE", name, 0, 0) == b"H"
        scene.shell.await_push()
    assert scene.shell("GETRANGE", name, 0, 0) == b"H"
    assert scene.seen() == ["new"] * 4
    scene.log.open("g")
    assert writer.result(order) is False
    assert scene.shell("EXISTS", name) == 0


def test_a_guard_that_lost_its_hold_says_so_and_ends_what_was_stored_meanwhile(
    scene: Scene, spare: Callable[[], Member]
) -> None:
    writer = spare()
    order = scene.write(writer, "new", hold=0.4, gate="g", before="b")
    assert scene.log.next() == "entered"
    scene.shell("DEL", scene.key)
    assert scene.seen() == ["old"] * 4
    assert scene.kind == b"V"  # loaded before the commit, stored behind the hold
    writer.until("warned", of="lost its hold")
    scene.log.rest().clear()
    scene.log.open("b")
    assert scene.log.next() == "committed new"
    scene.log.open("g")
    assert writer.result(order) is True
    assert scene.seen() == ["new"] * 4


def test_a_load_that_began_before_a_guard_is_not_stored_behind_it(
    scene: Scene, spare: Callable[[], Member], fleet: list[Member]
) -> None:
    writer, prefix = spare(), scene.prefix
    slow = fleet[0].send("load", prefix=prefix, key="other", value="old", gate="slow")
    assert scene.log.next() == "+old"
    order = writer.send("write_guarded", prefix=prefix, value="new", gate="g", keys=["other"], tags=[], hold=60)
    assert scene.log.next() == "committed new"
    scene.log.open("slow")
    assert fleet[0].result(slow) == ["old"]  # it was asked for before
    scene.log.rest().clear()
    scene.log.open("g")
    assert writer.result(order) is False
    for reader in fleet:
        assert reader.do("read_source", prefix=prefix, key="other", tags=[]) == "new"
