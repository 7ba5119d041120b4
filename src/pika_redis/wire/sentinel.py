"""A primary that sentinels watch: found through them, left when they say so, and believed only while they confirm it.

Strategy.

- *Locate.* At every connect the sentinels are asked in turn, the one that answered last first, and of what they say
  counts what `sentinel_answers` holds to be the newest. The role that the server claims is checked in its handshake.
- *Watch.* One small connection to one sentinel is subscribed to its news. When it says that the primary is another
  one, the connections to the old one are closed at once. When the connection itself is lost, another sentinel is
  subscribed to, on one schedule with full jitter, and asked what was missed. It is asked now and then in any case: a
  user may have no right to subscribe, and a dead peer says nothing.
- *Confirm.* An old primary that comes back after it was stopped says that it is the primary, answers PING and takes
  writes, for about a second until a sentinel demotes it; and a sentinel may not reach it at all. So copies in memory
  need a proof that a sentinel agreed not long ago: one is asked, all of them if that one doesn't answer, is behind or
  disagrees. Without that copies are not served (`proves`), and every read asks the server.

Sources: Sentinel's documentation for clients; measured: a resumed primary acknowledged writes for as long as nobody
demoted it, and lost all of them.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Coroutine, Sequence
from dataclasses import replace

from ..errors import AccessDeniedError, CacheError, CacheServerError, CacheTimeoutError, CacheUnavailableError
from ..model.clock import Clock
from .address import HostPort, shown_place
from .backoff import LONGEST_DELAY, reconnect_delay
from .connection import Connection, Reply, ignore
from .endpoint import Endpoint, SentinelSet
from .framing import Push
from .handshake import ServerFacts, greet_sentinel
from .limits import Limits
from .locator import Fixed, Locator, MovedHandler
from .opener import Opener
from .progress import JointProof, Proof, Proven
from .replies import LoginDenied
from .sentinel_answers import CHANNELS, Answer, answer_of, is_majority, question, told_of, verdict

__all__ = ["Sentinel", "locator_of"]

_PATIENCE = 1.0
"""Seconds for one sentinel to answer, a connection to it included."""
_CHECK = 10.0
"""Seconds after which the watched sentinel is asked in any case."""


class Sentinel:
    """The locator of a primary that sentinels watch, in one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        sentinels: SentinelSet,
        clock: Clock,
        on_moved: MovedHandler,
    ) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._sentinels = sentinels
        self._now = clock.monotonic
        self._on_moved = on_moved
        self._opener = Opener(loop, clock)
        self._order = list(sentinels.hosts)  # in which they are asked
        self._epoch = -1  # the newest heard of
        self._place: HostPort | None = None  # where the connection T is
        self._tried: HostPort | None = None  # where it went last
        self._proof = Proof()
        self._located_at = self._proof.at
        self._session: Connection | None = None
        self._session_host: HostPort | None = None
        self._silenced: set[HostPort] = set()  # sentinels that let us not subscribe
        self._watching: asyncio.Task[None] | None = None
        self._confirming: asyncio.Task[None] | None = None
        self._not_before = 0.0  # when the next confirmation may be asked for

    # -- as the locator ------------------------------------------------------------------------------------------

    async def locate(self) -> Endpoint:
        answers: list[Answer] = []
        failures: list[CacheError | None] = []
        sent = self._now()
        for host in list(self._order):
            answer = await self._asked(host)
            if not isinstance(answer, Answer):
                failures.append(answer)
                continue
            answers.append(answer)
            if answer.epoch >= self._epoch:
                self._prefer(host)
                return self._found(answer, sent)
        newest = verdict(answers, self._epoch, len(self._order))
        if newest is not None:
            return self._found(newest, sent)
        raise self._nowhere(answers, failures)

    def settle(self, facts: ServerFacts | None) -> None:
        place = None if facts is None else facts.place
        if place is None:
            self._place = None
            return
        self._place = place.host, place.port
        if self._place == self._tried:
            self._proof.at = self._located_at
        if self._watching is None:
            self._watching = self._begin(self._watch(), "watch")

    def believes(self, role: str) -> bool:
        return role == "master"

    def proof(self, of: Proven) -> Proven:
        return JointProof(of, self._proof) if self._sentinels.proves else of

    def confirm(self) -> None:
        idle = self._confirming is None or self._confirming.done()
        if idle and self._place is not None and self._loop.time() >= self._not_before:
            self._confirming = self._begin(self._confirm(), "confirm")

    async def aclose(self) -> None:
        tasks = {task for task in (self._watching, self._confirming) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._opener.aclose()

    def abandon(self) -> None:
        self._opener.abandon()

    def _begin(self, what: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        return self._loop.create_task(what, name=f"pika-redis sentinel {name}", context=contextvars.Context())

    # -- what is known -------------------------------------------------------------------------------------------

    def _found(self, answer: Answer, sent: float) -> Endpoint:
        self._epoch = answer.epoch
        self._tried = answer.address
        self._located_at = sent
        if self._place is not None and self._place != answer.address:  # another connection than T asked
            self._loop.call_soon(self._leave, answer.address)
        host, port = answer.address
        return replace(self._endpoint, host=host, port=port, sentinels=None)

    def _nowhere(self, answers: Sequence[Answer], failures: Sequence[CacheError | None]) -> CacheError:
        asked = ", ".join(shown_place(*host) for host in self._sentinels.hosts)
        name = self._sentinels.master
        if answers:
            return CacheUnavailableError(f"{self._endpoint}: the sentinels that answer are behind; asked were {asked}")
        denied = next((failure for failure in failures if isinstance(failure, AccessDeniedError)), None)
        if denied is not None:
            return LoginDenied(str(denied), code=denied.code)
        said = "; ".join(dict.fromkeys(str(failure) for failure in failures if failure is not None))
        if None in failures:
            said = f": {said}" if said else ""
            return CacheUnavailableError(f"no sentinel watches a master named {name!r}; asked were {asked}{said}")
        return CacheUnavailableError(f"no sentinel of {name} can be asked: {said}")

    def _learn(self, answer: Answer, sent: float, votes: int) -> bool:
        """Take an answer as true, if it is newer than what is known, or the same, or that of most."""
        if answer.address != self._place:
            if answer.epoch > self._epoch or is_majority(votes, len(self._order)):
                self._epoch = answer.epoch
                self._leave(answer.address)
                return True
            return False
        if answer.epoch < self._epoch and not is_majority(votes, len(self._order)):
            return False
        self._epoch = answer.epoch
        self._proof.at = sent
        return True

    def _leave(self, address: HostPort) -> None:
        """The primary is there."""
        if address != (self._place or self._tried):
            self._tried = address
            self._place = None
            self._on_moved(f"the primary of {self._sentinels.master} is {shown_place(*address)} now", address)

    def _prefer(self, host: HostPort) -> None:
        self._order.remove(host)
        self._order.insert(0, host)

    # -- asking --------------------------------------------------------------------------------------------------

    async def _asked(self, host: HostPort) -> Answer | CacheError | None:
        """What a sentinel says, why it says nothing, or None when it watches no such master."""
        try:
            session = self._session
            if session is not None and session.usable and self._session_host == host:
                return await self._ask(session)
            connection = await self._open(host, listens=False)
            try:
                return await self._ask(connection)
            finally:
                connection.close()
        except CacheError as error:
            return error

    async def _ask(self, connection: Connection) -> Answer | None:
        """Raises CacheError; a connection that gives no answer is closed."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return answer_of(await connection.call_many(question(self._sentinels.master)))
        except CacheError:
            raise
        except TimeoutError as error:
            connection.close("a sentinel gave no answer")
            raise CacheTimeoutError(f"a sentinel gave no answer within {_PATIENCE:g} s") from error

    async def _open(self, host: HostPort, *, listens: bool) -> Connection:
        """A connection to a sentinel. Raises CacheError."""
        endpoint = Endpoint(
            *host,
            tls=self._endpoint.tls,
            credentials=self._sentinels.credentials,
            connect_timeout=min(_PATIENCE, self._endpoint.connect_timeout),
        )

        async def greet(connection: Connection) -> None:
            await greet_sentinel(connection, endpoint.credentials, self._opener.clock)

        on_push = self._hear if listens else ignore
        connection, _ = await self._opener.open(endpoint, greet, Limits(stall=_PATIENCE), on_push=on_push)
        return connection

    async def _confirm(self) -> None:
        sent = self._now()
        host = self._session_host or self._order[0]
        first = await self._asked(host)
        if self._place is None or (isinstance(first, Answer) and self._learn(first, sent, 1)):
            return
        others = await asyncio.gather(*[self._asked(other) for other in self._order if other != host])
        answers = [answer for answer in (first, *others) if isinstance(answer, Answer)]
        newest = verdict(answers, self._epoch, len(self._order))
        if newest is None or not self._learn(newest, sent, len(answers)):
            self._not_before = self._loop.time() + _PATIENCE * random.uniform(0.5, 1)  # noqa: S311 (jitter, no secret)

    # -- watching ------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        failures = 0
        while True:
            if failures:
                await asyncio.sleep(reconnect_delay(failures))
            host = self._order[0]
            began = self._loop.time()
            try:
                await self._attend(host)
            except CacheError:
                pass
            finally:
                self._session = self._session_host = None
            self._order.remove(host)
            self._order.append(host)
            failures = 0 if self._loop.time() - began > LONGEST_DELAY else failures + 1

    async def _attend(self, host: HostPort) -> None:
        """Listen to a sentinel until it is gone. Raises CacheError."""
        session = await self._open(host, listens=True)
        try:
            if host not in self._silenced:
                await self._subscribe(session, host)
            self._session, self._session_host = session, host
            while session.usable:
                sent = self._now()
                answer = await self._ask(session)
                if answer is None:
                    raise CacheUnavailableError(f"{shown_place(*host)} watches no such master any more")
                if self._place is not None and not self._learn(answer, sent, 1):
                    self.confirm()
                pause = _CHECK * random.uniform(0.8, 1.2)  # noqa: S311 (jitter, not a secret)
                await asyncio.wait({session.closed}, timeout=pause)
        finally:
            session.close()

    async def _subscribe(self, session: Connection, host: HostPort) -> None:
        """Subscribe. In RESP3 that is answered by pushes alone, so a PING behind it tells when it was done."""
        done: asyncio.Future[Reply] = self._loop.create_future()
        session.send((("SUBSCRIBE", *CHANNELS), ("PING",)), (done,))
        try:
            await done
        except CacheServerError:  # then there are two replies, and the connection is of no use any more
            self._silenced.add(host)
            raise

    def _hear(self, push: Push) -> None:
        address = told_of(push, self._sentinels.master)
        if address is None or address == (self._place or self._tried):
            return
        if self._epoch >= 0:
            self._epoch += 1  # at least; sentinels that have not heard of it yet are not believed
        self._leave(address)


def locator_of(loop: asyncio.AbstractEventLoop, endpoint: Endpoint, clock: Clock, on_moved: MovedHandler) -> Locator:
    """Who knows where this endpoint is."""
    if endpoint.sentinels is None:
        return Fixed(endpoint)
    return Sentinel(loop, endpoint, endpoint.sentinels, clock, on_moved)
