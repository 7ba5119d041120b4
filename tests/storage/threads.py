"""The same search for real threads: every order of the places where two readers and a writer stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from pika_redis import MemoryCacheService
from pika_redis.model.entry import Outcome
from pika_redis.policy.sync_flights import SyncFlight
from pika_redis.policy.sync_read_through import SyncReadThrough
from pika_redis.storage.copies import copier
from pika_redis.storage.store import Store

from .interleave import NEW, OLD, Choice

_PATIENCE = 60.0

SyncChange = Callable[[Any, str, str], object]

SYNC_CHANGES: dict[str, SyncChange] = {
    "delete": lambda sync, key, tag: sync.delete(key),
    "invalidate_tags": lambda sync, key, tag: sync.invalidate_tags([tag]),
    "clear": lambda sync, key, tag: sync.clear(sweep=False),
    "delete_pattern": lambda sync, key, tag: sync.delete_pattern(f"{key[:-1]}?"),
    "set": lambda sync, key, tag: sync.set(key, NEW, tags=[tag]),
    "mark_stale": lambda sync, key, tag: sync.mark_stale(key),
}


class ThreadTurns:
    """Threads stop at turns; one of them goes on when no other moves.

    Those who wait are chosen from in the order of the actors, not in that of their coming, which no one decides: the
    same choices must give the same run.
    """

    def __init__(self, choose: Choice) -> None:
        self._choose = choose
        self._changed = threading.Condition()
        self._moving = 0
        self._waiting: dict[str, threading.Event] = {}
        self.step = 0

    def take(self) -> None:
        """Stop here until it is this thread's turn."""
        turn = threading.Event()
        with self._changed:
            self._waiting[threading.current_thread().name] = turn
        self.rest()
        assert turn.wait(_PATIENCE)

    def rest(self) -> None:
        """This thread waits, for its turn or for another thread."""
        with self._changed:
            self._moving -= 1
            self._changed.notify_all()

    def move(self) -> None:
        """A thread goes on."""
        with self._changed:
            self._moving += 1

    def play(self, *actors: Callable[[], None]) -> None:
        errors: list[BaseException] = []

        def act(actor: Callable[[], None]) -> None:
            try:
                actor()
            except BaseException as error:  # noqa: BLE001 (told by `play`)
                errors.append(error)
            finally:
                self.rest()

        threads = [threading.Thread(target=act, args=(actor,), name=str(at)) for at, actor in enumerate(actors)]
        self._moving = len(threads)
        for thread in threads:
            thread.start()
        while True:
            with self._changed:
                assert self._changed.wait_for(lambda: not self._moving, _PATIENCE)
                if not self._waiting:
                    break
                self.step += 1
                self._moving += 1
                names = sorted(self._waiting)
                self._waiting.pop(names[self._choose(len(names))]).set()
        for thread in threads:
            thread.join(_PATIENCE)
        assert errors == []


class StoppingStore:
    """Memory with a turn before each store of a loaded value: there a change can come between."""

    def __init__(self, inner: Store, turns: list[ThreadTurns]) -> None:
        self._inner = inner
        self._turns = turns

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def replace(self, *args: Any) -> Outcome:
        self._turns[0].take()
        return await self._inner.replace(*args)


class ThreadRace:
    """Two reading threads and a writing one, on one key."""

    def __init__(self, change: SyncChange, found: str, monkeypatch: pytest.MonkeyPatch, *, naive: bool = False) -> None:
        self._change = change
        self._found = found
        self._naive = naive
        self._turns: list[ThreadTurns] = []
        self._service = service = MemoryCacheService()
        store = cast("Store", StoppingStore(service._store, self._turns))
        service._sync_reads = SyncReadThrough(store, service._counters, copier(service._codec))
        service._serve(service._store, service._reads, service._sync_reads)
        self._runs = 0
        turns = self._turns

        class Landing(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                turns[0].rest()
                landed = super().wait(timeout)
                turns[0].take()  # or it would go on beside the one that led
                return landed

            def set(self) -> None:
                super().set()

        def begin(flight: SyncFlight, *args: Any, **wanted: Any) -> None:
            made(flight, *args, **wanted)
            flight.landing = Landing()

        made = SyncFlight.__init__
        monkeypatch.setattr(SyncFlight, "__init__", begin)

        def settle(flight: SyncFlight, *args: Any) -> None:
            settled(flight, *args)
            for _ in range(flight.joiners):
                turns[0].move()

        settled = SyncFlight.settle
        monkeypatch.setattr(SyncFlight, "settle", settle)

    def run(self, choose: Choice) -> int:
        """One order; gives how many reads were stale."""
        self._runs += 1
        key, tag, sync = f"key{self._runs}", f"tag{self._runs}", self._service.sync
        if self._found != "absent":
            sync.set(key, OLD, tags=[tag])
            sync.mark_stale(key)
        turns = ThreadTurns(choose)
        self._turns[:] = [turns]
        database, ended = {"row": OLD}, [0]
        reads: list[tuple[int, object]] = []

        def load() -> str:
            turns.take()
            row = database["row"]
            turns.take()
            return row

        def read() -> None:
            turns.take()
            began = turns.step
            if self._naive:
                value = sync.get(key)
                if value is None:
                    value = load()
                    sync.set(key, value, tags=[tag])
            else:
                value = sync.get_or_load(key, load, 100, tags=[tag])
            reads.append((began, value))

        def write() -> None:
            turns.take()
            database["row"] = NEW
            turns.take()
            self._change(sync, key, tag)
            ended[0] = turns.step

        turns.play(read, read, write)
        late = sync.get(key)
        sync.delete(key)
        stale = sum(began > ended[0] and value == OLD for began, value in reads)
        return stale + int(late == OLD)
