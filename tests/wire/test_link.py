from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from contextvars import ContextVar, copy_context

import pytest

from pika_redis.errors import (
    AccessDeniedError,
    CacheClosedError,
    CacheError,
    CacheTimeoutError,
    CacheUnavailableError,
)
from pika_redis.wire.connection import Connection, LossHandler, PushHandler
from pika_redis.wire.endpoint import Endpoint
from pika_redis.wire.handshake import Client, ServerFacts, TimeSample
from pika_redis.wire.limits import Limits
from pika_redis.wire.link import Link
from pika_redis.wire.replies import Disconnected

from .stub_transport import StubTransport
from .timing import VirtualLoop, in_virtual_time, settled


class StubDialer:
    """Opens connections over stubs; `outcomes` says how each attempt ends, `hold` keeps them waiting."""

    def __init__(self) -> None:
        self.outcomes: list[BaseException | None] = []
        self.usual: BaseException | None = None
        self.hold: asyncio.Event | None = None
        self.opened: list[Connection] = []
        self.predecessors: list[Client | None] = []
        self.times: list[float] = []
        self.at_once = self.most_at_once = 0

    async def open(
        self,
        limits: Limits,
        on_lost: LossHandler,
        on_push: PushHandler | None = None,
        predecessor: Client | None = None,
    ) -> tuple[Connection, ServerFacts]:
        loop = asyncio.get_running_loop()
        self.times.append(loop.time())
        self.predecessors.append(predecessor)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.hold is not None:
                await self.hold.wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        outcome = self.outcomes.pop(0) if self.outcomes else self.usual
        if outcome is not None:
            raise outcome
        connection = Connection(loop, limits, on_lost)
        connection.connection_made(StubTransport(connection))
        self.opened.append(connection)
        me = Client(len(self.opened), "here")
        return connection, ServerFacts("fake", "7", "master", TimeSample(0, 0, 0), me)


class Listening:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.facts: list[ServerFacts] = []
        self.losses = 0

    def made(self, connection: Connection, facts: ServerFacts) -> None:
        self.facts.append(facts)

    def pushed(self, push: object) -> None:
        raise AssertionError("nothing is pushed here")

    def resumed(self) -> None:
        raise AssertionError("nothing stalls here")

    def lost(self) -> None:
        self.losses += 1


def linked(endpoint: Endpoint | None = None, *, keep: bool = True) -> tuple[Link, StubDialer, list[ServerFacts]]:
    dialer = StubDialer()
    listening = Listening()
    link = Link(asyncio.get_running_loop(), endpoint or Endpoint(), dialer, listening, keep=keep)  # type: ignore[arg-type]
    return link, dialer, listening.facts


REFUSED = CacheUnavailableError("nobody listens")


@in_virtual_time
async def test_it_connects_at_first_need_and_once_for_all() -> None:
    link, dialer, made = linked()
    with pytest.raises(Disconnected, match="not connected"):
        link.connection.call(("GET", "a"))
    with pytest.raises(Disconnected):
        link.connection.call_many([("GET", "a")])
    assert dialer.times == []
    await asyncio.gather(*[link.ready() for _ in range(10)])
    assert link.connection is dialer.opened[0]
    assert (len(dialer.times), len(made)) == (1, 1)
    await link.aclose()


@in_virtual_time
async def test_attempts_follow_one_another_and_the_pauses_grow() -> None:
    link, dialer, _ = linked()
    dialer.usual = REFUSED
    with pytest.raises(CacheUnavailableError, match="nobody listens"):
        await link.ready()
    for _ in range(2000):
        with pytest.raises(CacheUnavailableError):  # told at once, or when the attempt under way ends
            await link.ready()
        await asyncio.sleep(0.05)
    pauses = [late - early for early, late in zip(dialer.times, dialer.times[1:], strict=False)]
    assert dialer.most_at_once == 1
    assert all(pause <= 10 for pause in pauses)
    assert all(pause <= 0.05 * 2**failures for failures, pause in enumerate(pauses, 1))
    assert 10 < len(pauses) < 60  # in 100 seconds
    dialer.usual = None
    await asyncio.sleep(11)
    await link.ready()
    await link.aclose()


@in_virtual_time
async def test_when_the_cause_has_changed_the_next_attempt_is_made_at_once() -> None:
    loop = asyncio.get_running_loop()
    link, dialer, _ = linked()
    dialer.usual = AccessDeniedError("wrong password", code="WRONGPASS")
    for _ in range(20):
        with pytest.raises(AccessDeniedError):
            await link.ready()
        await asyncio.sleep(1)
    dialer.usual = None
    link.hurry()
    now = loop.time()
    await settled(10)
    assert dialer.times[-1] == now
    assert link.connection.usable
    await link.aclose()


@in_virtual_time
async def test_who_is_told_of_a_failure_gets_an_error_of_its_own() -> None:
    link, dialer, _ = linked()
    dialer.usual = AccessDeniedError("wrong password", code="WRONGPASS")
    told: list[CacheError] = []
    for _ in range(2):
        with pytest.raises(AccessDeniedError, match="wrong password") as refused:
            await link.ready()
        assert refused.value.code == "WRONGPASS"
        told.append(refused.value)
    assert told[0] is not told[1]
    await link.aclose()


@in_virtual_time
async def test_a_caller_waits_for_an_attempt_until_it_has_taken_the_stall_timeout() -> None:
    loop = asyncio.get_running_loop()
    link, dialer, _ = linked(Endpoint(limits=Limits(stall=1.0)))
    dialer.hold = asyncio.Event()
    began = loop.time()
    with pytest.raises(CacheTimeoutError, match="within 1 s"):
        await link.ready()
    assert loop.time() - began == pytest.approx(1.0)
    with pytest.raises(CacheTimeoutError):
        await link.ready()
    assert loop.time() - began == pytest.approx(1.0)  # the second was told at once
    dialer.hold.set()
    await settled()
    await link.ready()
    assert len(dialer.times) == 1
    await link.aclose()


@in_virtual_time
async def test_a_caller_that_is_cancelled_while_it_waits_harms_nobody() -> None:
    link, dialer, _ = linked()
    dialer.hold = asyncio.Event()
    waiting = [asyncio.create_task(link.ready()) for _ in range(3)]
    await settled()
    waiting[0].cancel()
    await settled()
    dialer.hold.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, type(None), type(None)]
    await link.aclose()


@in_virtual_time
async def test_a_loss_is_mended_at_once_when_the_connection_was_of_use() -> None:
    loop = asyncio.get_running_loop()
    link, dialer, made = linked()
    await link.ready()
    for _ in range(5):
        now = loop.time()
        dialer.opened[-1].heard = True
        dialer.opened[-1].connection_lost(None)
        await link.ready()
        assert loop.time() == now
    assert len(made) == 6
    await link.aclose()


@in_virtual_time
async def test_connections_that_are_lost_before_they_are_of_use_do_not_come_back_ever_faster() -> None:
    link, dialer, _ = linked()
    await link.ready()
    for _ in range(3000):
        if link.connection is dialer.opened[-1]:
            dialer.opened[-1].connection_lost(None)
        with pytest.raises(CacheUnavailableError, match="the server closed the connection"):
            await link.ready()
        await asyncio.sleep(0.1)
    assert dialer.most_at_once == 1
    assert 20 < len(dialer.times) < 120  # in 300 seconds
    await link.aclose()


@in_virtual_time
async def test_an_idle_connection_that_the_server_ends_after_a_while_is_mended_at_once() -> None:
    loop = asyncio.get_running_loop()
    link, dialer, _ = linked()
    await link.ready()
    for _ in range(5):
        await asyncio.sleep(300)
        dialer.opened[-1].connection_lost(None)
        now = loop.time()
        await link.ready()
        assert loop.time() == now
    await link.aclose()


@in_virtual_time
async def test_what_is_not_to_be_kept_is_made_again_only_when_needed() -> None:
    link, dialer, _ = linked(keep=False)
    await link.ready()
    dialer.opened[0].heard = True
    dialer.opened[0].connection_lost(None)
    await asyncio.sleep(100)
    assert len(dialer.opened) == 1
    await link.ready()
    assert len(dialer.opened) == 2
    await link.aclose()


@in_virtual_time
async def test_a_stalled_connection_refuses_at_once_and_is_not_replaced() -> None:
    loop = asyncio.get_running_loop()
    link, dialer, _ = linked(Endpoint(limits=Limits(stall=1.0, command_timeout=5.0)))
    await link.ready()
    link.connection.call(("GET", "a")).add_done_callback(lambda call: call.exception())
    await asyncio.sleep(1.2)
    now = loop.time()
    with pytest.raises(CacheTimeoutError, match="no progress"):
        await link.ready()
    assert loop.time() == now
    assert len(dialer.opened) == 1
    await asyncio.sleep(5)  # silent for the command timeout: now it is
    await link.ready()
    assert link.connection is dialer.opened[1]
    await link.aclose()


@in_virtual_time
async def test_the_next_connection_ends_the_one_before() -> None:
    link, dialer, _ = linked()
    dialer.outcomes = [None, REFUSED]
    await link.ready()
    dialer.opened[0].heard = True
    dialer.opened[0].close("silent")
    await asyncio.sleep(1)
    await link.ready()
    assert dialer.predecessors == [None, Client(1, "here"), Client(1, "here")]
    await link.aclose()


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda connection: connection.close("silent"), Client(1, "here")),
        (lambda connection: connection.connection_lost(None), None),
    ],
)
def test_on_a_unix_socket_only_what_we_hung_up_on_needs_to_be_ended(
    end: Callable[[Connection], object], expected: Client | None
) -> None:
    @in_virtual_time
    async def scenario() -> None:
        link, dialer, _ = linked(Endpoint(path="/somewhere"))
        await link.ready()
        dialer.opened[0].heard = True
        end(dialer.opened[0])
        await link.ready()
        assert dialer.predecessors[1] == expected
        await link.aclose()

    scenario()


@in_virtual_time
async def test_closing_ends_the_attempt_under_way_and_tells_who_waits() -> None:
    link, dialer, _ = linked()
    dialer.hold = asyncio.Event()
    waiting = asyncio.create_task(link.ready())
    await settled()
    await link.aclose()
    with pytest.raises(CacheClosedError):
        await waiting
    with pytest.raises(CacheClosedError):
        await link.ready()
    assert (dialer.at_once, dialer.opened) == (0, [])
    await link.aclose()


@in_virtual_time
async def test_closing_before_the_first_attempt_has_begun_tells_who_waits() -> None:
    link, dialer, _ = linked()
    waiting = asyncio.create_task(link.ready())
    await asyncio.sleep(0)  # its task exists and has not run
    await link.aclose()
    with pytest.raises(CacheClosedError):
        await waiting
    assert dialer.times == []


@in_virtual_time
async def test_closing_during_a_pause_ends_it() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    link, dialer, _ = linked()
    dialer.usual = REFUSED
    with pytest.raises(CacheUnavailableError):
        await link.ready()
    await settled()
    await link.aclose()
    await settled()
    assert loop.timers == 0
    assert len(dialer.times) == 1


@in_virtual_time
async def test_after_closing_a_lost_connection_stays_lost() -> None:
    link, dialer, _ = linked()
    await link.ready()
    await link.aclose()
    dialer.opened[0].heard = True
    dialer.opened[0].close()
    await asyncio.sleep(100)
    assert len(dialer.opened) == 1


def test_a_connection_lost_on_a_closed_loop_starts_nothing() -> None:
    runner = asyncio.Runner(loop_factory=VirtualLoop)

    async def begin() -> tuple[Link, StubDialer]:
        link, dialer, _ = linked()
        await link.ready()
        return link, dialer

    link, dialer = runner.run(begin())
    runner.close()
    dialer.opened[0].close()
    assert not link.connection.usable


class Marker:
    """Something in the context of a caller."""


@in_virtual_time
async def test_the_context_of_the_caller_that_connected_is_not_kept() -> None:
    link, dialer, _ = linked()
    dialer.usual = REFUSED
    request: ContextVar[Marker] = ContextVar("request")
    marker = Marker()
    gone = weakref.ref(marker)
    context = copy_context()
    context.run(request.set, marker)
    with pytest.raises(CacheUnavailableError):
        await asyncio.create_task(link.ready(), context=context)
    del marker, context
    await asyncio.sleep(60)  # a cancelled timer keeps its context until it would have fired
    gc.collect()
    assert gone() is None
    await link.aclose()
