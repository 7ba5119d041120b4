"""How a command ends, and what an error of the library means for that.

====  ==========================================================================================
code  meaning
====  ==========================================================================================
0     done
1     the answer is no: absent, unhealthy, declined
2     the command line or a setting is wrong: an option, key, ttl, value, URL, variable
3     no answer to give: the server can't be reached, refuses us or reports an error; or the
      answer can't be written out
130   interrupted (128 + SIGINT)
141   whoever read the output stopped reading (128 + SIGPIPE)
====  ==========================================================================================
"""

from __future__ import annotations

from pika_redis import AccessDeniedError, CacheError, CacheServerError, CacheUnavailableError, CacheUsageError

__all__ = ["INTERRUPTED", "NO", "NO_ANSWER", "OK", "UNREAD", "USAGE", "Failure", "failure_of"]

OK, NO, USAGE, NO_ANSWER, INTERRUPTED, UNREAD = 0, 1, 2, 3, 130, 141


class Failure(Exception):
    """A command that can't go on: one line for people, and the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def failure_of(error: CacheError, source: str) -> Failure:
    """The failure that an error of the library stands for. `source` says where the server's address came from."""
    if isinstance(error, CacheUsageError):
        return Failure(str(error).replace("math.inf", "inf"), USAGE)
    if isinstance(error, CacheUnavailableError):
        return Failure(f"no answer from the server: {error} ({source})", NO_ANSWER)
    if isinstance(error, AccessDeniedError):
        return Failure(f"access denied: {error}", NO_ANSWER)
    if isinstance(error, CacheServerError):
        return Failure(f"the server reports an error: {error}", NO_ANSWER)
    return Failure(str(error), NO_ANSWER)
