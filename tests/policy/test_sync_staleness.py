"""Stale serving and what loaders say, for synchronous callers: the promises that the async face makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pika_redis import DO_NOT_STORE, ArgumentError, ConfigurationError, Loaded, MemoryCacheService, bypass_cache
from pika_redis.testing import FakeClock

from .stage import ThreadSource
from .test_sync_read_through import wait_until


class Face:
    """A synchronous service, its clock, and threads that call it."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.clock = FakeClock()
        self.service = MemoryCacheService(clock=self.clock)
        self.sync = self.service.sync
        self.pool = pool

    def get(self, loader: Callable[[], object], **options: Any) -> Any:
        return self.sync.get_or_load("k", loader, 100, tags=["t"], **{"ttl_jitter": 0, **options})

    def becomes(self, value: object) -> None:
        wait_until(lambda: self.sync.get("k") == value)

    def hold_old(self, **options: Any) -> None:
        """``["old"]``, past its time."""
        assert self.get(lambda: ["old"], **options) == ["old"]
        self.clock.advance(120)


@pytest.fixture
def face() -> Iterator[Face]:
    with ThreadPoolExecutor(8) as pool:
        yield Face(pool)


def fail() -> object:
    raise LookupError("down")


ENDINGS: dict[str, Callable[[Any], object]] = {
    "delete": lambda sync: sync.delete("k"),
    "invalidate_tags": lambda sync: sync.invalidate_tags(["t"]),
    "clear": lambda sync: sync.clear(sweep=False),
    "sweep": lambda sync: sync.clear(),
}


def test_a_value_past_its_time_is_served_while_one_load_goes_on_in_a_thread(face: Face) -> None:
    face.hold_old(stale_while_revalidate=50)
    source = ThreadSource(["new"], shut=True)
    for _ in range(20):
        assert face.get(source, stale_while_revalidate=50) == ["old"]
    assert source.entered.wait(60)
    source.gate.set()
    face.becomes(["new"])
    assert face.get(source, stale_while_revalidate=50) == ["new"]
    assert source.calls == 1
    stats = face.sync.get_stats()
    assert (stats.stale, stats.refreshes) == (20, 1)


def test_a_value_past_its_time_is_served_when_its_load_fails(face: Face) -> None:
    face.hold_old(stale_if_error=50)
    assert face.get(fail, stale_if_error=50) == ["old"]
    face.clock.advance(31)
    with pytest.raises(LookupError):
        face.get(fail, stale_if_error=50)


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("window", ["stale_while_revalidate", "stale_if_error"])
def test_what_was_invalidated_is_served_under_no_option(face: Face, window: str, end: str) -> None:
    face.hold_old(**{window: 50})
    ENDINGS[end](face.sync)
    for _ in range(2):
        with pytest.raises(LookupError):
            face.get(fail, **{window: 50})
    assert face.get(lambda: ["new"], **{window: 50}) == ["new"]


@pytest.mark.parametrize("window", ["stale_while_revalidate", "stale_if_error"])
def test_what_was_marked_stale_is_served_within_the_windows(face: Face, window: str) -> None:
    face.sync.set("k", ["old"], 100)
    assert face.sync.mark_stale("k") is True
    assert face.get(fail, **{window: 50}) == ["old"]
    face.clock.advance(10)
    face.get(lambda: ["new"], **{window: 50})
    face.becomes(["new"])


def test_who_joins_a_load_is_served_after_the_soft_timeout_and_who_leads_stays_with_it(face: Face) -> None:
    options: dict[str, Any] = {"stale_if_error": 50, "soft_timeout": 0.01}
    face.hold_old(**options)
    source = ThreadSource(["new"], shut=True)
    leader = face.pool.submit(face.get, source, **options)
    assert source.entered.wait(60)
    assert face.pool.submit(face.get, source, **options).result() == ["old"]
    source.gate.set()
    assert leader.result() == face.sync.get("k") == ["new"]
    assert source.calls == 1


@pytest.mark.parametrize(("result", "gives"), [(Loaded(["v"], ttl=0), ["v"]), (DO_NOT_STORE, None)])
def test_what_a_loader_does_not_want_stored_is_not(face: Face, result: object, gives: object) -> None:
    source = ThreadSource(result)
    for _ in range(2):
        assert face.get(source) == gives
    assert source.calls == 2
    assert face.sync.exists("k") is False


def test_without_the_cache_callers_get_the_value_as_well(face: Face) -> None:
    for result, value in ((Loaded(["v"]), ["v"]), (DO_NOT_STORE, None)):
        assert face.get(lambda result=result: result, enabled=False) == value  # type: ignore[misc]
        with bypass_cache():
            assert face.get(lambda result=result: result) == value  # type: ignore[misc]


def test_a_loader_may_say_how_long_its_value_lives(face: Face) -> None:
    assert face.get(lambda: Loaded(["v"], ttl="20s")) == ["v"]
    assert face.sync.remaining_ttl("k") == 20


def test_a_none_with_a_ttl_of_its_own_is_cached(face: Face) -> None:
    source = ThreadSource(None)
    for _ in range(3):
        assert face.get(source, none_ttl=10) is None
    assert source.calls == 1
    assert face.sync.remaining_ttl("k") == 10


def test_tags_that_a_loader_names_end_the_entry_too(face: Face) -> None:
    face.sync.set("another", 1, tags=["late"])
    face.clock.advance(5)
    source = ThreadSource(Loaded(["v"], tags=["late"]))
    for calls, tag in enumerate(("late", "t", "late"), 1):
        for _ in range(2):
            assert face.get(source) == ["v"]
        assert source.calls == calls
        face.sync.invalidate_tags([tag])
        assert face.sync.get("k") is None


def test_what_was_loaded_while_a_tag_of_its_own_was_invalidated_is_not_stored(face: Face) -> None:
    face.sync.set("another", 1, tags=["late"])
    face.clock.advance(5)
    rows = [["new"], ["old"]]

    def load() -> Loaded[list[str]]:
        row = rows.pop() if len(rows) > 1 else rows[0]
        if row == ["old"]:
            face.sync.invalidate_tags(["late"])
        return Loaded(row, tags=["late"])

    assert face.get(load) == ["old"]
    face.becomes(["new"])


@pytest.mark.parametrize("attached", [False, True])
def test_a_loader_that_names_another_tag_each_time_is_called_twice(face: Face, attached: bool) -> None:
    calls: list[int] = []

    def load() -> Loaded[int]:
        calls.append(1)
        return Loaded(1, tags=[f"version {len(calls)}"])

    assert face.get(load) == 1
    wait_until(lambda: len(calls) > 1 and face.service.sync_reads()._flights._refreshes == 0)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"stale_while_revalidate": -1}, ConfigurationError),
        ({"stale_if_error": float("inf")}, ConfigurationError),
        ({"soft_timeout": 30}, ConfigurationError),
        ({"soft_timeout": -1}, ArgumentError),
        ({"error_backoff": 0}, ArgumentError),
    ],
)
def test_options_that_make_no_sense_are_refused(face: Face, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        face.get(lambda: 1, **options)
