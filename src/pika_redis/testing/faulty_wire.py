"""A wire between a service and its server that fails as it is told: for testing your own outage.

A `FaultyWire` listens on loopback and relays to the server; the service gets its `url` instead of the server's. It
lives in a thread with an event loop of its own, so that it works for synchronous tests, for asyncio and for uvloop
alike, and goes on while the test's own loop is busy.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Literal, Self, TypeVar
from urllib.parse import urlsplit

from ..errors import ArgumentError, CacheUnavailableError
from ..wire.address import Address, parse_url
from .faults import BOTH, Direction, Fault, Faults, directions
from .relay import Gates, Relay, reset

__all__ = ["FaultyWire"]

_HOST = "127.0.0.1"
_BACKLOG = 128
_CONNECT_TIMEOUT = 5.0
_PATIENCE = 10.0

ResultT = TypeVar("ResultT")
Way = Literal["commands", "replies", "both"]


class FaultyWire:
    """Relays between services and one server; use it with ``with`` or ``async with``.

    Faults stay on until they are changed or `heal` is called. `share` is the probability that a message (a command
    or a reply) is struck; which are struck follows from `seed`, and is the same for the same traffic. Every method
    may be called from any thread and has taken effect when it returns. Each raises ArgumentError for a value that
    makes no sense, and CacheUnavailableError when the wire isn't running.
    """

    def __init__(self, url: str, *, seed: int = 0) -> None:
        """`url` is the server's: ``redis://`` or ``unix://``. Raises ConfigurationError, ArgumentError for another."""
        self._address = parse_url(url)
        if self._address.kind not in ("tcp", "unix"):
            raise ArgumentError(f"a faulty wire reads what it relays: redis:// or unix://, not {self._address}")
        parts = urlsplit(url.strip())
        login, at, _ = parts.netloc.rpartition("@")
        rest = (parts.path if self._address.kind == "tcp" else "") + (f"?{parts.query}" if parts.query else "")
        self._url = (f"redis://{login}{at}{_HOST}:", rest)
        self._faults = Faults(seed)
        self._port = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._gates: Gates
        self._door: socket.socket
        self._accepting: asyncio.Task[None] | None = None
        self._relays: dict[Relay, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepted = 0

    @property
    def url(self) -> str:
        """The address for `RedisService`: the wire's, with user, password, db and options of the server's."""
        if not self._port:
            raise CacheUnavailableError("the faulty wire has no address before it runs: use it with 'with'")
        before, after = self._url
        return f"{before}{self._port}{after}"

    @property
    def counts(self) -> Counter[str]:
        """How often each fault has struck, by the name of its method."""
        return Counter(self._faults.counts)

    @property
    def connections(self) -> int:
        """How many connections it relays now."""
        return self._do(lambda: len(self._relays))

    # -- faults ----------------------------------------------------------------------------------------------------

    def delay(self, seconds: float, *, share: float = 1.0, direction: Way = "replies") -> None:
        """Messages come so many seconds late, and so do those behind them. A second call replaces the first."""
        if not 0 <= seconds <= 3600:
            raise ArgumentError(f"seconds must be from 0 to 3600, not {seconds!r}")
        self._faults.seconds = seconds
        self._faults.turn_on(Fault.DELAY, share, directions(direction))

    def drop(self, *, share: float = 1.0, direction: Way = "both") -> None:
        """A message is swallowed, and with it all that follows on its connection: the peer waits and is told nothing.

        `heal` cuts connections on which something is missing.
        """
        self._faults.turn_on(Fault.DROP, share, directions(direction))

    def garble(self, *, share: float = 1.0, payload: bool = False) -> None:
        """Replies come with a byte changed: the first, so that it looks like no reply; with `payload` any.

        A change within a payload may go unnoticed: a value that isn't signed then comes back as another one.
        """
        self._faults.payload_too = payload
        self._faults.turn_on(Fault.GARBLE, share, ("replies",))

    def break_off(self, *, share: float = 1.0) -> None:
        """Half of a reply comes, then the connection is reset."""
        self._faults.turn_on(Fault.BREAK_OFF, share, ("replies",))

    def answer(self, command: str, error: str, *, share: float = 1.0) -> None:
        """Commands of this name get this error reply (``LOADING …``, ``OOM …``) and don't reach the server.

        `command` may be two words (``CLIENT TRACKING``), or ``*`` for every command, those of the handshake too: a
        service reads and writes by commands of its own choice. Not for connections that use MONITOR, or SUBSCRIBE in
        RESP2: there replies come without a command.
        """
        self._faults.answer(command, error, share)

    def chunk(self, size: int = 1) -> None:
        """Bytes come in pieces of at most `size`; how many of them the peer reads at once is up to the system."""
        if size < 1:
            raise ArgumentError(f"size must be at least 1, not {size!r}")
        self._faults.piece = size

    def stall(self, direction: Way = "both") -> None:
        """Nothing moves in this direction; connections stand, and what comes is kept for `release`."""
        ways = directions(direction)
        self._faults.counts[Fault.STALL] += 1
        self._do(lambda: self._stall(ways))

    def release(self, direction: Way = "both") -> None:
        """Deliver, in order, what was kept since `stall`: commands of callers that have gone too."""
        ways = directions(direction)
        self._do(lambda: self._release(ways))

    def cut(self, *, rst: bool = True) -> None:
        """End all connections now, by a reset or, without `rst`, in order. New ones are taken."""
        self._faults.counts[Fault.CUT] += 1
        self._do(lambda: self._cut(rst=rst))

    def refuse(self) -> None:
        """Refuse new connections, as if nobody listened; those that stand go on. With `cut` the server is gone."""
        self._faults.counts[Fault.REFUSE] += 1
        self._do(self._shut)

    def heal(self) -> None:
        """End all faults: release what is stalled, take connections again, cut those on which something is missing."""
        self._do(self._heal)

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen. What ``with`` does."""
        if self._thread is not None:
            return
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pika-redis faulty wire", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(_PATIENCE)

    def stop(self) -> None:
        """Stop listening and end all connections. Does nothing the second time; `start` listens again, elsewhere."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join(_PATIENCE)
        self._loop.close()
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def __repr__(self) -> str:
        where = f"at {_HOST}:{self._port}" if self._port else "not running"
        return f"<FaultyWire {where}, before {self._address}>"

    # -- in the wire's own thread ----------------------------------------------------------------------------------

    def _do(self, action: Callable[[], ResultT]) -> ResultT:
        """Run something in the wire's loop and wait for it, which takes no longer than a message takes."""
        if self._thread is None:
            raise CacheUnavailableError("the faulty wire isn't running: use it with 'with' or 'async with'")
        done: Future[ResultT] = Future()

        def act() -> None:
            try:
                done.set_result(action())
            except BaseException as error:  # noqa: BLE001 (it belongs to the caller, whatever it is)
                done.set_exception(error)

        self._loop.call_soon_threadsafe(act)
        return done.result(_PATIENCE)

    async def _listen(self) -> None:
        self._gates = {way: asyncio.Event() for way in BOTH}
        self._release(BOTH)
        self._door = _bound(0)
        self._port = self._door.getsockname()[1]
        self._open()

    def _open(self) -> None:
        self._door.listen(_BACKLOG)
        self._accepting = asyncio.create_task(self._accept(self._door))

    def _shut(self) -> None:
        """The port stays ours: a socket that is bound and doesn't listen refuses."""
        if self._accepting is not None:
            self._accepting.cancel()
            self._accepting = None
            self._door.close()
            self._door = _bound(self._port)

    def _heal(self) -> None:
        self._faults.heal()
        self._release(BOTH)
        for relay, task in self._relays.items():
            if relay.maimed:
                _cut(relay, task, rst=True)
        if self._accepting is None:
            self._open()

    def _stall(self, ways: Iterable[Direction]) -> None:
        for way in ways:
            self._gates[way].clear()

    def _release(self, ways: Iterable[Direction]) -> None:
        for way in ways:
            self._gates[way].set()

    def _cut(self, *, rst: bool) -> None:
        for relay, task in self._relays.items():
            _cut(relay, task, rst=rst)

    async def _accept(self, door: socket.socket) -> None:
        while True:
            client, _ = await self._loop.sock_accept(door)
            self._accepted += 1
            task = asyncio.create_task(self._serve(client, self._accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: socket.socket, number: int) -> None:
        to_client = await asyncio.open_connection(sock=client)
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                to_server = await _reach(self._address)
        except OSError:  # TimeoutError is one
            reset(to_client[1])
            return
        relay = Relay(number, self._faults, self._gates, to_client, to_server)
        task = asyncio.current_task()
        assert task is not None
        self._relays[relay] = task
        try:
            await relay.run()
        finally:
            del self._relays[relay]

    async def _end(self) -> None:
        tasks = [*self._tasks, *([self._accepting] if self._accepting else [])]
        self._accepting = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._door.close()
        await asyncio.sleep(0)  # transports that were aborted close their sockets in the next step


def _cut(relay: Relay, task: asyncio.Task[None], *, rst: bool) -> None:
    relay.hang_up(rst=rst)
    task.cancel()


def _bound(port: int) -> socket.socket:
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.setblocking(False)
    door.bind((_HOST, port))
    return door


async def _reach(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.path is not None:
        return await asyncio.open_unix_connection(address.path)
    return await asyncio.open_connection(address.host, address.port)
