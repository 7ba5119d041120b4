"""A process that was stopped, blocked or merely overtaken gives nothing old once it goes on."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import pytest

from ..storage.raw import Raw
from .members import Log, Member


def test_what_another_process_set_is_not_hidden_by_what_this_one_set_before(fleet: list[Member], prefix: str) -> None:
    """A sets, B sets, A reads: a server that kept quiet about what its own connection wrote would hide B's value."""
    ours, theirs = fleet[:2]
    for round_ in range(8):
        ours.do("set", prefix=prefix, key="k", value=f"ours {round_}")
        assert ours.do("get", prefix=prefix, key="k") == f"ours {round_}"
        theirs.do("set", prefix=prefix, key="k", value=f"theirs {round_}")
        assert ours.do("hear_and_get", prefix=prefix, key="k") == f"theirs {round_}"
        assert ours.do("get", prefix=prefix, key="k") == f"theirs {round_}"


@pytest.mark.parametrize("change", ["set", "del"])
def test_a_process_that_was_stopped_serves_no_copy_from_before(
    fleet: list[Member], spare: Callable[[], Member], prefix: str, shell: Raw, change: str
) -> None:
    """Its clock is told that ten seconds passed; the order to read lies there when it goes on, as the push does."""
    reader, writer = spare(), fleet[0]
    for round_ in range(3):
        if not round_:
            reader.do("fake_time", prefix=prefix)
            reader.do("get", prefix=prefix, key="k")  # connects
        writer.do("set", prefix=prefix, key="k", value="old")
        assert reader.do("hear_and_get", prefix=prefix, key="k") == "old"
        assert reader.do("wake_after", prefix=prefix, key="k", seconds=0) == ["a copy", "old"]
        reader.stop()
        if change == "set":
            writer.do("set", prefix=prefix, key="k", value="new")
        else:
            shell("DEL", f"{prefix}k")
        woken = reader.send("wake_after", prefix=prefix, key="k", seconds=10)
        reader.go_on()
        assert reader.result(woken) == [None, "new" if change == "set" else None]


def test_a_process_whose_loop_was_blocked_serves_no_copy_from_before(
    fleet: list[Member], spare: Callable[[], Member], prefix: str, shell: Raw, log: Log
) -> None:
    """It reads on at once, before it has heard anything: only its clock can tell it that the copy is too old."""
    reader, writer = spare(), fleet[0]
    reader.do("fake_time", prefix=prefix)
    writer.do("set", prefix=prefix, key="k", value="old")
    reader.do("get", prefix=prefix, key="k")  # connects
    assert reader.do("get", prefix=prefix, key="k") == "old"
    assert reader.do("wake_after", prefix=prefix, key="k", seconds=0) == ["a copy", "old"]
    blocked = reader.send("stand_still", prefix=prefix, key="k", gate="g")
    assert log.next() == "still"
    writer.do("set", prefix=prefix, key="k", value="new")
    log.open("g")
    assert reader.result(blocked) == [None, "new"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGSTOP", "a blocked loop"])
def test_after_ten_seconds_of_standstill_no_read_is_stale(
    fleet: list[Member], spare: Callable[[], Member], prefix: str, shell: Raw, how: str
) -> None:
    reader, writer = spare(), fleet[0]
    writer.do("set", prefix=prefix, key="k", value="old")
    assert reader.do("get", prefix=prefix, key="k") == "old"
    reading = reader.send("read_on", prefix=prefix, key="k", tasks=20)
    reader.do("commands")
    blocked = None
    if how == "SIGSTOP":
        reader.stop()
    else:
        blocked = reader.send("block", seconds=10)
    shell("BLPOP", f"nothing of {prefix}", 3)
    for number in range(100):
        writer.do("set", prefix=prefix, key="k", value=f"new {number}")
    if blocked is None:
        shell("BLPOP", f"nothing of {prefix}", 7)
        resumed = monotonic()
        reader.go_on()
    else:
        reader.result(blocked)
        resumed = monotonic()
    for _ in range(3):
        reader.do("commands")
    values, reads = reader.do("end_reading", since=resumed)
    reader.result(reading)
    print(f"{reads} reads after {how}, all of {values}")  # noqa: T201 (the figure)
    assert reads
    assert values == ["new 99"]
