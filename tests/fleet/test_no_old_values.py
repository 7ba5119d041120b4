"""A process that was stopped, blocked or merely overtaken gives nothing old once it goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from ..storage.raw import Raw
from .members import Log, Member
from .shared_clock import SharedClock


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
    fleet: list[Member], spare: Callable[[], Member], prefix: str, shell: Raw, tmp_path: Path, change: str
) -> None:
    """Stopped somewhere within a turn of its loop, it reads on in that turn, and has heard nothing by then."""
    clock = SharedClock(tmp_path / "clock")
    reader, writer = spare(), fleet[0]
    reader.do("shared_time", prefix=prefix, path=str(tmp_path / "clock"))
    reader.do("get", prefix=prefix, key="k")  # connects
    for _ in range(3):
        writer.do("set", prefix=prefix, key="k", value="old")
        assert reader.do("hear_and_get", prefix=prefix, key="k") == "old"
        reading = reader.send("read_on", prefix=prefix, key="k", tasks=200, gap=5)
        sent = [reader.do("commands") for _ in range(3)]
        assert len(set(sent)) == 1, "these reads are of copies"
        reader.stop()
        if change == "set":
            writer.do("set", prefix=prefix, key="k", value="new")
        else:
            shell("DEL", f"{prefix}k")
        clock.advance(10)
        reader.go_on()
        reader.do("end_reading")
        before, _, behind, _, _ = reader.result(reading)
        assert (before, behind) == (["old"], ["new" if change == "set" else None])


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
@pytest.mark.ci
def test_a_storm_of_changes_is_heard_in_turns(
    fleet: list[Member], spare: Callable[[], Member], prefix: str, shell: Raw, log: Log
) -> None:
    """Between two reads of the socket all else in the loop has its turn, however much there is to hear."""
    reader, count = spare(), 50_000
    weather = reader.send("weather", prefix=prefix, count=count)
    assert log.next() == "ready"
    names = [f"{prefix}k{number}" for number in range(count)]
    for start in range(0, count, 500):
        shell("UNLINK", *names[start : start + 500])
    turns, longest, whole = reader.result(weather)
    print(f"{count} pushes in {whole:.0f} ms, {turns} turns, the longest {longest:.0f} ms")  # noqa: T201 (the figure)
    assert turns >= count * len(names[0]) / 262_144  # asyncio reads so much at a time
    assert reader.do("get", prefix=prefix, key="k7") is None


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGSTOP", "a blocked loop"])
def test_after_ten_seconds_of_standstill_no_read_is_stale(
    fleet: list[Member], spare: Callable[[], Member], prefix: str, shell: Raw, how: str
) -> None:
    reader, writer = spare(), fleet[0]
    writer.do("set", prefix=prefix, key="k", value="old")
    reader.do("get", prefix=prefix, key="k")  # connects
    assert reader.do("get", prefix=prefix, key="k") == "old"
    reading = reader.send("read_on", prefix=prefix, key="k", tasks=200, gap=5)
    for _ in range(3):
        reader.do("commands")
    blocked = None
    if how == "SIGSTOP":
        reader.stop()
    else:
        blocked = reader.send("block", seconds=10)
    shell("BLPOP", f"nothing of {prefix}", 3)
    for number in range(100):
        writer.do("set", prefix=prefix, key="k", value=f"new {number}")
    written = monotonic()
    if blocked is None:
        shell("BLPOP", f"nothing of {prefix}", 7)
        reader.go_on()
    else:
        reader.result(blocked)
    for _ in range(3):
        reader.do("commands")
    reader.do("end_reading")
    before, reads_before, behind, reads, resumed = reader.result(reading)
    print(f"{how}: {reads_before} reads before of {before}, {reads} behind of {behind}")  # noqa: T201 (the figure)
    assert written < resumed, "the standstill was over before all was written"
    assert (before, behind) == (["old"], ["new 99"])
