"""Every error that pika-redis raises, in one small tree, by blame.

::

    CacheError                              the one root: `except CacheError` catches all of it
    ├── CacheUsageError                     the caller's side: fix the call
    │   ├── ArgumentError (ValueError)      a value is outside what is allowed: ttl <= 0, empty key
    │   │   └── ConfigurationError          a setting, URL or combination of options makes no sense
    │   ├── ArgumentTypeError (TypeError)   a value has the wrong type: a bare str for tags, a non-str key
    │   │   └── UnstableArgumentError       an argument of a cached call has no identity to build a key from
    │   ├── SerializationError (TypeError)  the value can't be held; `.path` names the place inside it
    │   │   └── ValueTooLargeError          the value is larger than `max_value_bytes`
    │   ├── NotAnIntegerError (ValueError)  a counter verb met something that isn't a plain integer
    │   ├── KeyNotFoundError (KeyError)     `increment(create=False)` on an absent key
    │   ├── CommandRefusedError (ValueError)  `execute` was given a command that changes the connection
    │   └── CacheClosedError (RuntimeError)  a verb was called after `aclose()`
    ├── CacheServerError                    the server answered, with an error; `.code` is its first word
    │   ├── AccessDeniedError (PermissionError)  wrong password, no rights for the command
    │   └── NotReplicatedError              too few replicas know of a change yet; `.replicas` is how many do
    ├── CacheUnavailableError (ConnectionError)  no answer: unreachable, cut off, stalled
    │   ├── CacheTimeoutError (TimeoutError)  no progress within the stall or command timeout
    │   ├── OutcomeUnknownError             the connection broke after a write left that may not be repeated
    │   └── OverloadedError                 too much is in flight; nothing was sent
    ├── LoadTimeoutError (TimeoutError)     a loader took longer than `hard_timeout`
    ├── LoadFailedError                     the load failed in other processes a moment ago, and is not tried yet
    ├── LockNotAcquiredError (TimeoutError) another holds the lock, and did so until `wait` was over
    ├── LockLostError                       the lock was not renewed in time; another may hold it
    └── BatchError                          some items of a batch failed; `.failed` maps key to error

Messages name the value and what is allowed, never a password and never a cached value.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "AccessDeniedError",
    "ArgumentError",
    "ArgumentTypeError",
    "BatchError",
    "CacheClosedError",
    "CacheError",
    "CacheServerError",
    "CacheTimeoutError",
    "CacheUnavailableError",
    "CacheUsageError",
    "CommandRefusedError",
    "ConfigurationError",
    "KeyNotFoundError",
    "LoadFailedError",
    "LoadTimeoutError",
    "LockLostError",
    "LockNotAcquiredError",
    "NotAnIntegerError",
    "NotReplicatedError",
    "OutcomeUnknownError",
    "OverloadedError",
    "SerializationError",
    "UnstableArgumentError",
    "ValueTooLargeError",
]


class CacheError(Exception):
    """The root of every error of this library."""


class CacheUsageError(CacheError):
    """The call itself is wrong; repeating it will not help."""


class ArgumentError(CacheUsageError, ValueError):
    """An argument has the right type and a value that is not allowed."""


class ConfigurationError(ArgumentError):
    """A setting, a URL or a combination of options makes no sense."""


class ArgumentTypeError(CacheUsageError, TypeError):
    """An argument has the wrong type."""


class UnstableArgumentError(ArgumentTypeError):
    """An argument of a cached call has no identity that a key can be built from."""


class SerializationError(CacheUsageError, TypeError):
    """The codec can't hold the value. `path` is the place inside it, such as ``$.orders[3].lines``."""

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class ValueTooLargeError(SerializationError):
    """The encoded value is larger than `max_value_bytes`."""


class NotAnIntegerError(CacheUsageError, ValueError):
    """A counter verb met a live entry that isn't a plain integer."""


class KeyNotFoundError(CacheUsageError, KeyError):
    """The key is absent and the call was told not to create it."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0]) if self.args else ""


class CommandRefusedError(CacheUsageError, ValueError):
    """`execute` refuses commands that change the state of a shared connection."""


class CacheClosedError(CacheUsageError, RuntimeError):
    """The service was closed with `aclose()`."""


class CacheServerError(CacheError):
    """The server answered with an error. `code` is the first word of its text, such as ``OOM``."""

    def __init__(self, message: str, *, code: str = "ERR") -> None:
        super().__init__(message)
        self.code = code


class AccessDeniedError(CacheServerError, PermissionError):
    """The server refused the credentials, or the user lacks the right for a command."""


class NotReplicatedError(CacheServerError):
    """A change was made, and fewer replicas than wanted have heard of it yet. `replicas` is how many have."""

    def __init__(self, message: str, replicas: int) -> None:
        super().__init__(message, code="WAIT")
        self.replicas = replicas


class CacheUnavailableError(CacheError, ConnectionError):
    """No answer from the server: unreachable, cut off or stalled."""


class CacheTimeoutError(CacheUnavailableError, TimeoutError):
    """The server made no progress within the stall or command timeout."""


class OutcomeUnknownError(CacheUnavailableError):
    """The connection broke after a write was sent that may not be repeated: it may or may not have run."""


class OverloadedError(CacheUnavailableError):
    """Too many commands or bytes are in flight; nothing was sent."""


class LoadTimeoutError(CacheError, TimeoutError):
    """A loader took longer than `hard_timeout`."""


class LoadFailedError(CacheError):
    """The load failed in two processes a moment ago (see `error_backoff`), and there is nothing to serve instead."""


class LockNotAcquiredError(CacheError, TimeoutError):
    """Another holds the lock, and did so until `wait` was over."""


class LockLostError(CacheError):
    """The lock ended before it was given back; another may have taken it meanwhile."""


class BatchError(CacheError):
    """Some items of a batch failed. `failed` maps each failed key to its error; the others were stored."""

    def __init__(self, message: str, failed: Mapping[str, Exception]) -> None:
        super().__init__(message)
        self.failed = dict(failed)
