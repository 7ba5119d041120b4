"""`RedisService`: the cache on a Redis or Valkey server. One of the places where the layers are put together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from ..codec import Codec, Limits, Serializer
from ..errors import ArgumentError, ArgumentTypeError, CacheUnavailableError, CommandRefusedError
from ..model.clock import Clock, SystemClock
from ..model.duration import Duration
from ..model.secret import Secret
from ..policy.read_through import ReadThrough
from ..policy.rules.options import OnUnavailable, Options
from ..policy.sync_read_through import SyncReadThrough
from ..storage.copies import copier
from ..storage.degraded import Degraded
from ..storage.memory import MemoryStore
from ..storage.namespace import Namespace
from ..storage.near import Near
from ..storage.null import NullStore
from ..storage.records import Records
from ..storage.remote import RemoteStore, ServerOnlyStore
from ..storage.shelf import Shelf
from ..storage.standing import OnRestart
from ..storage.store import Store
from ..storage.tiers import Tiers
from ..wire import connection as wire
from ..wire.backoff import RetryPolicy
from ..wire.commands import Mode, mode_of
from ..wire.connection import Command
from ..wire.endpoint import CredentialProvider, Credentials, SentinelSet
from ..wire.loops import LoopLocal
from ..wire.node import Endpoint
from ..wire.replies import LoginDenied
from ..wire.tls import tls_context
from .base import Service
from .execution import ClusterExecution, Execution, SingleExecution
from .redis_config import RedisConfig
from .resolve import resolve as resolve_settings

if TYPE_CHECKING:
    from ..wire.embedded import EmbeddedServer

__all__ = ["RedisService", "RedisSettings"]

_log = logging.getLogger("pika_redis")
_LEAST_REPLY = 128 * 1024 * 1024
_process_server: EmbeddedServer | None = None


class RedisSettings(TypedDict, total=False):
    """Keywords of `RedisService`: the environment's names without ``REDIS_`` and ``CACHE_``; durations in seconds."""

    url: str | Secret
    host: str
    port: int
    username: str | None
    password: str | Secret | None
    db: int
    tls_ca_file: str | None
    tls_cert_file: str | None
    tls_key_file: str | None
    tls_verify: bool
    sentinel_username: str | None
    sentinel_password: str | Secret | None
    key_prefix: str
    connect_timeout: Duration
    command_timeout: Duration
    stall_timeout: Duration
    retry_attempts: int
    retry_delay: Duration
    ttl: Duration
    default_cache_ttl: Duration
    max_cache_key_length: int
    compression_enabled: bool
    enabled: bool
    l1_max_bytes: int
    max_value_bytes: int
    on_unavailable: OnUnavailable
    degraded_ttl: Duration
    on_restart: OnRestart
    max_connection_age: Duration
    sentinel_proof: bool
    credentials: CredentialProvider
    lazy_connect: bool


class RedisService(Service):
    """A cache on a Redis (7.0 or newer) or Valkey (7.2 or newer) server, or a cluster of them.

    `config` is a URL (``redis://``, ``rediss://``, ``redis+sentinel://``, ``redis+cluster://``, ``unix://``,
    ``memory://``, ``embedded://``), a `RedisConfig`, or None for the environment; keywords win over it. Making a
    service is cheap: it connects at first use, in each event loop for itself, or in `connect`. Close it with `aclose`
    or ``async with``.

    `l1` says whether this process may hold copies of what it reads, which the server keeps true: True = as many bytes
    as the setting `l1_max_bytes`, or a number of bytes; False = every read asks the server.

    Without a server, on ``memory://`` or with ``enabled=False``, it has `sync` and serves plain functions too. Raises
    ConfigurationError or ArgumentTypeError for settings that make no sense.
    """

    def __init__(
        self,
        config: str | RedisConfig | None = None,
        *,
        l1: bool | int = True,
        clock: Clock | None = None,
        serializer: Serializer | None = None,
        **settings: Unpack[RedisSettings],
    ) -> None:
        resolved = resolve_settings(config, settings)
        compress_from = Limits().compress_from if resolved.compression_enabled else None
        codec = Codec(
            serializer=serializer, limits=Limits(max_bytes=resolved.max_value_bytes, compress_from=compress_from)
        )
        super().__init__(
            Namespace(resolved.key_prefix),
            Options(ttl=resolved.ttl, on_unavailable=resolved.on_unavailable, degraded_ttl=resolved.degraded_ttl),
            resolved.max_cache_key_length,
            codec,
        )
        self._config = resolved
        self._tls = None if resolved.address.tls is None else tls_context(resolved.address.tls)
        self._clock = clock or SystemClock()
        self._near_bytes = _near_bytes(l1, resolved.l1_max_bytes)
        self._nears = LoopLocal(self._make_near)
        self._is_cluster = resolved.address.kind == "cluster"
        self._execution: Execution = ClusterExecution() if self._is_cluster else SingleExecution()
        shelf = Shelf(resolved.l1_max_bytes, resolved.max_value_bytes, self._counters)
        self._degraded = Degraded(shelf, self._counters, self._clock.monotonic, resolved.degraded_ttl)
        self._memory = MemoryStore(shelf, self._namespace, codec, self._clock, self._counters)
        store = self._store_of(self._namespace)
        waits = resolved.enabled and resolved.address.kind != "memory"
        sync_reads = None if waits else SyncReadThrough(store, self._counters, copier(codec))
        self._serve(store, ReadThrough(store, self._counters, copier(codec)), sync_reads)

    # -- any command ----------------------------------------------------------------------------------------------

    async def execute(self, *command: str | bytes | float, key: str | None = None) -> Any:
        """Run any command; gives the server's reply as it is, with keys as you write them (no prefix is added).

        In a cluster a command goes to the node of its keys, or of `key`; commands without keys need it (any key of
        the node that is meant). Blocking commands get a connection of their own. Raises CommandRefusedError for
        commands that change the connection (SELECT, MULTI, SUBSCRIBE...), ArgumentError for one that could go to
        several nodes, CacheServerError for an error reply, CacheUnavailableError, OutcomeUnknownError.
        """
        replies = await self._run([command], key)
        return replies[0]

    async def execute_many(self, commands: Sequence[Sequence[str | bytes | float]]) -> list[Any]:
        """Run several commands in one pipeline; gives their replies. Raises as `execute`, at the first error.

        In a cluster those of one node keep their order.
        """
        return await self._run(commands, None)

    async def _run(self, commands: Sequence[Sequence[str | bytes | float]], key: str | None) -> list[Any]:
        checked = [_checked(command) for command in commands]
        if not checked:
            return []
        modes = {mode_of(command) for command in checked}
        if Mode.REFUSED in modes:
            refused = next(command[0] for command in checked if mode_of(command) is Mode.REFUSED)
            raise CommandRefusedError(f"{refused!s} changes the state of a connection that is shared; it is refused")
        near = self._near()
        replies = await self._execution.run(near, checked, key, blocking=Mode.BLOCKING in modes)
        await near.hear()
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    def _near(self) -> Near:
        self._refuse_when_closed()
        if self._config.address.kind == "memory":
            raise CacheUnavailableError("memory:// has no server that could run a command")
        if not self._config.enabled:
            raise CacheUnavailableError("the cache is switched off (enabled=False): its server is asked nothing")
        return self._nears.get()

    # -- the service itself ---------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Reach the server now. Raises CacheUnavailableError with the reason, AccessDeniedError."""
        self._refuse_when_closed()
        if self._config.address.kind != "memory" and self._config.enabled:
            await self._near().node.ready()

    async def aclose(self) -> None:
        await super().aclose()
        await self._nears.aclose()

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except (CacheUnavailableError, LoginDenied) as error:
            if not self._config.lazy_connect or (isinstance(error, LoginDenied) and self._options.raises):
                raise
            _log.warning("starting without the server: %s", error)
        return self

    def _make_near(self, loop: asyncio.AbstractEventLoop) -> Near:
        endpoint = _endpoint(self._config, self._tls)
        if self._is_cluster:  # imported by who needs it: most have one server, and wait for no import but theirs
            from ..storage.cluster.near import ClusterNear

            return ClusterNear(
                loop,
                endpoint,
                self._clock,
                self._degraded,
                self._near_bytes,
                on_restart=self._config.on_restart,
            )
        return Near(loop, endpoint, self._clock, self._degraded, self._near_bytes, on_restart=self._config.on_restart)

    def _store_of(self, namespace: Namespace) -> Store:
        if not self._config.enabled:
            return NullStore()
        if self._config.address.kind == "memory":
            return self._memory.beside(namespace)
        self._degraded.epochs.add(namespace.epoch_key)
        records = Records(self._codec, self._counters)
        kinds: tuple[type[RemoteStore], type[RemoteStore]] = (RemoteStore, ServerOnlyStore)
        tiers = Tiers
        if self._is_cluster:
            from ..storage.cluster.store import ClusterOnlyStore, ClusterStore
            from ..storage.cluster.tiers import ClusterTiers

            kinds, tiers = (ClusterStore, ClusterOnlyStore), ClusterTiers
        server = kinds[not self._near_bytes](self._nears, namespace, records, self._clock, self._counters)
        options = self._options
        if options.raises:
            return server
        return tiers(
            server,
            self._memory.beside(namespace),
            self._degraded,
            degraded_ttl=options.degraded_ttl,
            stale_if_error=options.stale_if_error,
        )


def _checked(command: Sequence[str | bytes | float]) -> Command:
    if isinstance(command, str | bytes):
        raise ArgumentTypeError(f"a command is a sequence of words: write ({command!r},) or execute('GET', 'key')")
    words = tuple(command)
    if not words or not isinstance(words[0], str | bytes) or not words[0]:
        raise ArgumentTypeError("a command begins with its name, a str")
    for word in words:
        if isinstance(word, bool) or not isinstance(word, str | bytes | int | float):
            raise ArgumentTypeError(f"the words of a command are str, bytes, int or float, not {type(word).__name__}")
    return words


def _near_bytes(l1: bool | int, default: int) -> int:
    """How much of the server's entries a process may hold; 0 = nothing. Raises ArgumentTypeError, ArgumentError."""
    if isinstance(l1, bool):
        return default if l1 else 0
    if not isinstance(l1, int):
        raise ArgumentTypeError(f"l1 must be True, False or a number of bytes, not {type(l1).__name__}")
    if l1 < 0:
        raise ArgumentError(f"l1 must not be negative, but is {l1}")
    return l1


def _endpoint(config: RedisConfig, tls: SSLContext | None) -> Endpoint:
    address = config.address
    if address.kind == "embedded":
        address = replace(resolve_settings(_embedded_url(), {}).address, db=address.db)
    return Endpoint(
        host=address.host,
        port=address.port,
        path=address.path,
        tls=tls,
        credentials=Credentials(address.username, address.password.reveal() if address.password else None, address.db),
        limits=wire.Limits(
            stall=min(config.stall_timeout, config.command_timeout),
            command_timeout=config.command_timeout,
            reply_bytes=max(_LEAST_REPLY, 2 * config.max_value_bytes),  # others may write larger values than we do
        ),
        provider=config.credentials,
        retry=_retry(config),
        connect_timeout=config.connect_timeout,
        max_age=config.max_connection_age,
        sentinels=_sentinels(config),
        cluster=address.hosts if address.kind == "cluster" else (),
    )


def _sentinels(config: RedisConfig) -> SentinelSet | None:
    named = config.address.sentinel
    if named is None:
        return None
    password = None if named.password is None else named.password.reveal()
    login = Credentials(named.username, password, setting="REDIS_SENTINEL_PASSWORD")
    return SentinelSet(config.address.hosts, named.master, login, config.sentinel_proof)


def _retry(config: RedisConfig) -> RetryPolicy:
    """A call that memory can answer instead has one attempt."""
    if config.on_unavailable == "degrade":
        return RetryPolicy(0, config.retry_delay, patient=False)
    return RetryPolicy(config.retry_attempts, config.retry_delay)


def _embedded_url() -> str:
    """The URL of this process's own server, started at first need, stopped at exit."""
    global _process_server  # noqa: PLW0603 (one server a process is the point)
    from ..wire.embedded import EmbeddedServer

    if _process_server is None or not _process_server.running:
        _process_server = EmbeddedServer.start(unix=True)
    return _process_server.url
