"""A primary, its replicas and the Sentinels that watch them, each a process of its own, on loopback.

Sentinels find each other and the replicas, and see who was promoted, by what they publish every two and ask every ten
seconds. `start` and `settle` let them ask more often while they wait, and give them the usual times back.

One time stays shorter than in life: a Sentinel dials a server again only a second after the last time, so that with
less than that as `down_after_ms` it calls a primary down which it has just promoted, and whose connections that closed.

A Sentinel that is killed and restarted keeps what it knew, as in life: it writes it into its configuration. So do
servers that were promoted or demoted. A primary that was killed comes back as a primary, and is demoted only when a
Sentinel sees it. A Sentinel that was paused for more than two seconds distrusts its clock and does nothing for the next
30 (TILT).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from ..errors import ArgumentError, CacheServerError, CacheUnavailableError
from ..wire.embedded import EmbeddedServer, ServerKind
from .direct import Word, ask
from .waiting import wait_until

__all__ = ["EmbeddedSentinels"]

_FORMED_WITHIN = 30.0
_LOOK_TIMEOUT = 1.0
_REDIAL = ("PING-PERIOD", 300)  # below 200 it takes every replica for one that has not been heard of lately
_WHILE_MEETING = (*_REDIAL, "PUBLISH-PERIOD", 100, "INFO-PERIOD", 200)
_USUAL = (*_REDIAL, "PUBLISH-PERIOD", 2000, "INFO-PERIOD", 10000)


class EmbeddedSentinels:
    """Servers and Sentinels, reached by `url`. Made by `start`; its methods block, for up to some seconds."""

    def __init__(self, servers: list[EmbeddedServer], sentinels: list[EmbeddedServer], name: str) -> None:
        """For `start`: all run; the first server is the primary."""
        self.servers = servers
        """The primary at the start, then its replicas. Kill, pause, resume and restart them as you like."""
        self.sentinels = sentinels
        """The Sentinels, likewise."""
        self.name = name
        """What the Sentinels call the primary."""
        self.settle()

    @classmethod
    def start(
        cls,
        kind: ServerKind = "valkey",
        *,
        sentinels: int = 3,
        replicas: int = 1,
        name: str = "mymaster",
        quorum: int = 2,
        down_after_ms: int = 500,
        failover_timeout_ms: int = 5000,
        config: Mapping[str, str] | None = None,
        sentinel_config: Mapping[str, str] | None = None,
    ) -> Self:
        """Start them and return when all Sentinels know each other and the replicas, and the replicas follow.

        `down_after_ms` is how long a server is silent before a Sentinel calls it down, `quorum` how many Sentinels
        must say so. `config` holds further directives for the servers, `sentinel_config` for the Sentinels;
        ``requirepass`` of the servers is told to the replicas and the Sentinels.

        Raises as `EmbeddedServer.start` does, and ArgumentError for a number that makes no sense.
        """
        if sentinels < 1 or replicas < 0 or not 1 <= quorum <= sentinels:
            raise ArgumentError(
                f"at least 1 sentinel, 0 replicas, and a quorum from 1 to the number of sentinels, "
                f"not {sentinels}, {replicas} and {quorum}"
            )
        given = dict(config or {})
        password = given.get("requirepass")
        serving = {
            "rdb-del-sync-files": "yes",
            "repl-diskless-sync-delay": "0",
            "repl-ping-replica-period": "1",
            **({"masterauth": password} if password else {}),
            **given,
        }
        started: list[EmbeddedServer] = []
        try:
            primary = EmbeddedServer.start(kind, config=serving)
            started.append(primary)
            following = {"replicaof": f"{primary.host} {primary.port}", **serving}
            started.extend(EmbeddedServer.start(kind, config=following) for _ in range(replicas))
            watching = {
                "sentinel monitor": f"{name} {primary.host} {primary.port} {quorum}",
                "sentinel down-after-milliseconds": f"{name} {down_after_ms}",
                "sentinel failover-timeout": f"{name} {failover_timeout_ms}",
                **({"sentinel auth-pass": f"{name} {password}"} if password else {}),
                **(sentinel_config or {}),
            }
            started.extend(EmbeddedServer.start(kind, sentinel=True, config=watching) for _ in range(sentinels))
            return cls(started[: 1 + replicas], started[1 + replicas :], name)
        except BaseException:
            for server in started:
                server.stop()
            raise

    @property
    def url(self) -> str:
        """The address for `RedisService`: the Sentinels and the name, with the servers' password if they have one."""
        login, at, _ = self.servers[0].url.removeprefix("redis://").rpartition("@")
        return f"redis+sentinel://{login}{at}{','.join(f'{one.host}:{one.port}' for one in self.sentinels)}/{self.name}"

    @property
    def primary(self) -> EmbeddedServer:
        """Whom the Sentinels name: the one that has seen the latest failover is believed.

        Raises CacheUnavailableError when no Sentinel answers.
        """
        seen = [(int(state["config-epoch"]), int(state["port"])) for _, state in self._states()]
        if not seen:
            raise CacheUnavailableError("no sentinel answers")
        return self._at(max(seen)[1])

    @property
    def replicas(self) -> list[EmbeddedServer]:
        """The other servers that run."""
        primary = self.primary
        return [server for server in self.servers if server is not primary and server.running]

    def execute(self, node: EmbeddedServer, *command: Word) -> Any:  # noqa: ANN401 (a reply has any shape)
        """The reply of one server or Sentinel to one command.

        Raises CacheServerError for an error reply, CacheUnavailableError when the node doesn't answer.
        """
        return ask(node, *command)

    def failover(self, *, timeout: float = 15.0) -> EmbeddedServer:
        """Promote a replica, by SENTINEL FAILOVER; gives the new primary when all Sentinels that answer name it."""
        before = self.primary
        wait_until(self._asked_for_failover, "SENTINEL FAILOVER", timeout)
        wait_until(lambda: self._moved_from(before), "the failover", timeout)
        return self.primary

    def settle(self, *, timeout: float = _FORMED_WITHIN) -> None:
        """Wait until the Sentinels that answer know all others, name one primary and call it well, and replicas follow.

        Raises CacheUnavailableError if they don't within `timeout` seconds.
        """
        self._set_periods(*_WHILE_MEETING)
        try:
            wait_until(self._settled, "sentinels that agree", timeout)
        finally:
            self._set_periods(*_USUAL)

    def stop(self) -> None:
        """End all processes and remove their directories. Does nothing the second time."""
        for server in (*self.sentinels, *self.servers):
            server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<EmbeddedSentinels {self.name!r}: {len(self.servers)} servers, {len(self.sentinels)} sentinels>"

    # -- what they say ---------------------------------------------------------------------------------------------

    def _set_periods(self, *words: Word) -> None:
        for sentinel in filter(_answers, self.sentinels):
            with contextlib.suppress(CacheUnavailableError):
                ask(sentinel, "SENTINEL", "DEBUG", *words)

    def _asked_for_failover(self) -> bool:
        for sentinel, _ in self._states():
            with contextlib.suppress(CacheServerError):  # NOGOODSLAVE, INPROG: not yet
                ask(sentinel, "SENTINEL", "FAILOVER", self.name)
                return True
        return False

    def _moved_from(self, before: EmbeddedServer) -> bool:
        ports = {int(state["port"]) for _, state in self._states()}
        return len(ports) == 1 and before.port not in ports and ask(self._at(ports.pop()), "ROLE")[0] == b"master"

    def _settled(self) -> bool:
        states = list(self._states())
        if not states or len({state["port"] for _, state in states}) > 1:
            return False
        primary = self._at(int(states[0][1]["port"]))
        return all(self._knows_all(state) for _, state in states) and all(
            self._in_its_role(server, primary) for server in filter(_answers, self.servers)
        )

    def _knows_all(self, state: Mapping[str, str]) -> bool:
        return (
            state["flags"] == "master"
            and int(state["num-other-sentinels"]) == len(self.sentinels) - 1
            and int(state["num-slaves"]) >= len(self.servers) - 1
        )

    @staticmethod
    def _in_its_role(server: EmbeddedServer, primary: EmbeddedServer) -> bool:
        role = ask(server, "ROLE")
        if server is primary:
            return bool(role[0] == b"master")
        return bool(role[0] == b"slave" and role[2] == primary.port and role[3] == b"connected")

    def _states(self) -> Iterator[tuple[EmbeddedServer, dict[str, str]]]:
        """Every Sentinel that answers, with what it says of the primary."""
        for sentinel in filter(_answers, self.sentinels):
            with contextlib.suppress(CacheUnavailableError):
                reply = ask(sentinel, "SENTINEL", "MASTER", self.name, timeout=_LOOK_TIMEOUT)
                words = [word.decode() for word in reply]
                yield sentinel, dict(zip(words[::2], words[1::2], strict=True))

    def _at(self, port: int) -> EmbeddedServer:
        return next(server for server in self.servers if server.port == port)


def _answers(server: EmbeddedServer) -> bool:
    return server.running and not server.paused
