"""The first words on a connection, all in one write, and what the server says of itself.

`CLIENT KILL` of the predecessor stands right after the login: a write of ours that is stuck in the old connection's
flow must not reach the server after what the new connection does (a stalled SET that lands after an acknowledged
DELETE would bring the old value back). The predecessor is named by its number *and* its address as the server saw it: a
server that was restarted counts from the beginning, and the number alone would hit a stranger.

What knows no HELLO hears them a second time, with AUTH instead: of the first time it may have refused all.

The login's words come back in some errors, whole or in part, from servers that don't know HELLO and from proxies. So of
an error that answers HELLO or AUTH nothing is told but its code and what we make of it.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final, cast

from ..errors import AccessDeniedError, CacheServerError, CacheUnavailableError
from ..model.clock import Clock
from .connection import Command, Connection, Reply
from .endpoint import Credentials, Endpoint
from .packing import pack_all
from .replies import NotServing

__all__ = [
    "Client",
    "Credentials",
    "Login",
    "Past",
    "ServerFacts",
    "TimeSample",
    "greet_sentinel",
    "shake_hands",
]


_SETNAME: Final[Command] = ("CLIENT", "SETNAME", "pika-redis")
_INFO: Final[Command] = ("INFO", "server", "replication", "persistence")
_CODE: Final = re.compile(r"[A-Z]{2,16}")
_NOT_NOW: Final = ("max number of clients", "LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED")
_ONLY_RESP2: Final = ("NOPROTO", "unknown command")
_OLDEST: Final = 7
_NO_LOGIN: Final = "a password is set here ({}), and the server has none for this user"
_MEANINGS: Final = (
    ("without any password configured", _NO_LOGIN),
    ("no password is set", _NO_LOGIN),
    ("DENIED", "the server is in protected mode, in which it takes no connections from other machines"),
)
"""What errors that answer the login mean, by words in them."""


@dataclass(frozen=True, slots=True)
class Client:
    """A connection of ours as the server names it."""

    id: int
    address: str


@dataclass(frozen=True, slots=True)
class Login:
    """What a connection is to become."""

    credentials: Credentials
    track: bool = False
    """Whether the server shall tell of changes to keys that were read (never NOLOOP, BCAST, OPTIN or REDIRECT)."""


@dataclass(frozen=True, slots=True)
class TimeSample:
    """One reading of the server's clock: its milliseconds at our `monotonic` seconds, give or take the round trip."""

    server_ms: float
    monotonic: float
    round_trip: float

    @staticmethod
    def of(reply: Reply, sent: float, received: float) -> TimeSample:
        """From a reply to TIME; the server read its clock about half-way between sending and receiving.

        Raises TypeError or ValueError for what is no reply to TIME.
        """
        seconds, micros = cast("tuple[bytes, bytes]", reply)
        return TimeSample(int(seconds) * 1000 + int(micros) / 1000, (sent + received) / 2, received - sent)


@dataclass(frozen=True, slots=True)
class Past:
    """Where the data of a server come from."""

    run_id: str
    """Another one each time a server is started."""
    replication_id: str
    """Another one when a replica takes its primary's place."""
    uptime: float
    """Seconds since it was started."""
    from_file: bool
    """Whether it began with data that it loaded, from a file or from a primary."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server said of itself and of this connection."""

    name: str
    version: str
    role: str
    time: TimeSample
    client: Client | None
    """None when the user may not ask for CLIENT INFO; its successor then can't end it."""
    untracked: str | None = None
    """Why the server does not tell of changed keys; None when it does."""
    past: Past | None = None
    """Where its data come from; None when it may not be asked, or was not."""
    place: Endpoint | None = None
    """Where it was found."""


async def shake_hands(connection: Connection, login: Login, predecessor: Client | None, clock: Clock) -> ServerFacts:
    """Log in, speak RESP3, end the predecessor, select the database, ask to be told of changes, read the clock.

    What knows no RESP3 (a proxy, say) is spoken to in RESP2, and tells of no changes. Raises AccessDeniedError for
    refused credentials, CacheUnavailableError for a server that can't serve now, is too old or is none at all.
    """
    asked = await _ask(connection, _commands(login, predecessor), clock)
    if _mode(asked.replies["HELLO"]) == "sentinel":
        raise CacheUnavailableError("it is a sentinel: its URL begins with redis+sentinel:// and names a master")
    if _is_unknown(asked.replies["HELLO"], login.credentials):
        asked = await _ask(connection, _older_commands(login, predecessor), clock)
    for name, reply in asked.replies.items():
        if isinstance(reply, BaseException) and not name.startswith(("CLIENT", "INFO")) and not asked.spares(name):
            raise _explained(reply, name, login.credentials)
    return asked.facts()


async def greet_sentinel(connection: Connection, credentials: Credentials, clock: Clock) -> None:
    """Log in at a sentinel. Raises as `shake_hands`, and CacheUnavailableError for what is no sentinel."""
    asked = await _ask(connection, {"HELLO": _hello(credentials), "CLIENT SETNAME": _SETNAME}, clock)
    hello = asked.replies["HELLO"]
    if isinstance(hello, BaseException):
        raise _explained(hello, "HELLO", credentials)
    if _mode(hello) != "sentinel":
        raise CacheUnavailableError("it is no sentinel: the URL of a server of one's own begins with redis://")


def _mode(hello: Reply) -> str:
    """What kind of server says hello."""
    return _text(hello.get(b"mode", "")) if isinstance(hello, dict) else ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The replies to the first words, by name, and when they were said and answered."""

    replies: dict[str, Reply]
    sent: float
    received: float

    def spares(self, name: str) -> bool:
        """Whether this was refused, and is not needed."""
        return name == "TIME" and isinstance(self.replies[name], AccessDeniedError) and self._time() is not None

    def _time(self) -> Reply:
        """What TIME says, or would say: INFO tells the time too."""
        told = self.replies["TIME"]
        if not isinstance(told, AccessDeniedError):
            return told
        micros = _fields_of_info(self.replies.get("INFO")).get("server_time_usec", "")
        return divmod(int(micros), 1_000_000) if micros.isdigit() else None

    def facts(self) -> ServerFacts:
        """What they tell. Raises CacheUnavailableError for what is no server that we can use."""
        replies = self.replies
        try:
            time = TimeSample.of(self._time(), self.sent, self.received)
            if "HELLO" in replies:
                facts = {_text(name): value for name, value in cast("dict[Reply, Reply]", replies["HELLO"]).items()}
            else:
                facts = _facts_of_info(replies["INFO"])
        except (AttributeError, TypeError, ValueError):
            raise CacheUnavailableError("what answers is no Redis or Valkey server") from None
        name, version, role = (_text(facts.get(fact, "unknown")) for fact in ("server", "version", "role"))
        past = _past(_fields_of_info(replies.get("INFO")))
        return ServerFacts(name, version, role, time, _client(replies["CLIENT INFO"]), _untracked(replies), past)


async def _ask(connection: Connection, commands: dict[str, Command], clock: Clock) -> _Asked:
    pack_all([*commands.values()])  # what can't be sent fails here, before there are replies that nobody waits for
    sent = clock.monotonic()
    # One by one, not as a batch: a server that refuses us answers the first and hangs up, and the answer says why.
    asked = {name: connection.call(command) for name, command in commands.items()}
    replies = dict(zip(asked, await asyncio.gather(*asked.values(), return_exceptions=True), strict=True))
    return _Asked(replies, sent, clock.monotonic())


def _is_unknown(hello: Reply, credentials: Credentials) -> bool:
    """Whether what answers HELLO does not know it. Some servers first ask for the login that it holds."""
    if not isinstance(hello, CacheServerError):
        return False
    if hello.code == "NOAUTH":
        return credentials.password is not None
    return any(words in str(hello) for words in _ONLY_RESP2)


def _facts_of_info(info: Reply) -> dict[str, Reply]:
    """What INFO says of a server that knows no HELLO; nothing when it may not be asked.

    Raises CacheUnavailableError for one that is too old.
    """
    fields = _fields_of_info(info)
    if not fields:
        return {}
    version = fields.get("redis_version", "")
    if version.split(".")[0].isdigit() and int(version.split(".")[0]) < _OLDEST:
        raise CacheUnavailableError(f"the server is Redis {version}; {_OLDEST}.0 is the oldest that can be used")
    name = fields.get("server_name", "redis")
    return {"server": name, "version": fields.get(f"{name}_version", version), "role": fields.get("role", "unknown")}


def _fields_of_info(info: Reply) -> dict[str, str]:
    if not isinstance(info, bytes):
        return {}
    return dict(line.split(":", 1) for line in _text(info).splitlines() if ":" in line)


def _past(fields: dict[str, str]) -> Past | None:
    try:
        loaded = fields.get("rdb_last_load_keys_loaded", "0") != "0" or fields.get("aof_enabled") == "1"
        return Past(fields["run_id"], fields.get("master_replid", ""), float(fields["uptime_in_seconds"]), loaded)
    except (KeyError, ValueError):
        return None


def _untracked(replies: dict[str, Reply]) -> str | None:
    if "HELLO" not in replies:
        return "it speaks RESP2, in which it can't"
    tracking = replies.get("CLIENT TRACKING", "it was not asked to")
    return None if tracking == b"OK" else str(tracking)


def _commands(login: Login, predecessor: Client | None) -> dict[str, Command]:
    behind = _commands_behind(login, predecessor, ("CLIENT", "TRACKING", "ON"))
    return {"HELLO": _hello(login.credentials), **behind}


def _hello(credentials: Credentials) -> Command:
    if credentials.password is None and credentials.username is None:
        return ("HELLO", 3)
    return ("HELLO", 3, "AUTH", credentials.username or "default", credentials.password or "")


def _older_commands(login: Login, predecessor: Client | None) -> dict[str, Command]:
    """The same without HELLO, which was refused; what was said behind it was perhaps not heard."""
    credentials = login.credentials
    commands: dict[str, Command] = {}
    if credentials.password is not None or credentials.username is not None:
        user = () if credentials.username is None else (credentials.username,)
        commands["AUTH"] = ("AUTH", *user, credentials.password or "")
    return {**commands, **_commands_behind(login, predecessor, ("CLIENT", "TRACKING", "OFF"))}


def _commands_behind(login: Login, predecessor: Client | None, tracking: Command) -> dict[str, Command]:
    commands: dict[str, Command] = {}
    if predecessor is not None:
        commands["CLIENT KILL"] = ("CLIENT", "KILL", "ID", predecessor.id, "ADDR", predecessor.address)
    commands["CLIENT SETNAME"] = _SETNAME
    commands["CLIENT INFO"] = ("CLIENT", "INFO")
    if login.track:
        commands["CLIENT TRACKING"] = tracking
    if login.credentials.db:
        commands["SELECT"] = ("SELECT", login.credentials.db)
    commands["INFO"] = _INFO
    commands["TIME"] = ("TIME",)
    return commands


def _explained(error: BaseException, name: str, credentials: Credentials) -> BaseException:
    if isinstance(error, AccessDeniedError) and error.code == "NOAUTH" and credentials.password is None:
        return AccessDeniedError(
            f"the server asks for a password and none is set ({credentials.setting})", code="NOAUTH"
        )
    if name not in ("HELLO", "AUTH"):
        refused = isinstance(error, CacheServerError) and not isinstance(error, AccessDeniedError)
        return CacheUnavailableError(f"{name} failed: {error}") if refused else error
    said = str(error)
    if isinstance(error, NotServing):
        reason = next((word for word in _NOT_NOW if word in said), "it said so")
        return NotServing(f"the server can't serve now: {reason}")
    if not isinstance(error, CacheServerError):
        return error
    code = error.code if _CODE.fullmatch(error.code) and error.code not in (credentials.password or "") else "an error"
    if isinstance(error, AccessDeniedError):
        return AccessDeniedError(f"the server refused this user or password: {code}", code=code)
    meaning = next((meaning for words, meaning in _MEANINGS if words in said), f"the server refused {name}")
    return CacheUnavailableError(f"{meaning.format(credentials.setting)}: {code}")


def _client(info: Reply) -> Client | None:
    """Who we are, from a reply to CLIENT INFO."""
    if not isinstance(info, bytes):
        return None
    fields = dict(field.split("=", 1) for field in _text(info).split() if "=" in field)
    try:
        return Client(int(fields["id"]), fields["addr"])
    except (KeyError, ValueError):
        return None


def _text(value: Reply) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
