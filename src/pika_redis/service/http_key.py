"""Keys of HTTP requests: ``{prefix}:GET:/api/users/123?include=profile``.

One request, however it is spelled, has one key, and two that a handler could tell apart have two:

- percent-encoding is undone and done again in one way, byte by byte, so ``%41`` is ``A`` while ``%2F`` in a path and
  ``%26`` in a query stay what they are;
- query parameters are sorted by name; the values of a repeated name keep their order, and blank values stay;
- what isn't in the URL follows ``#`` as a digest: credentials (the `Authorization` and `Cookie` headers, unless the
  answer is declared public) and arguments of the call that the URL doesn't give. ``#`` occurs nowhere else in the key,
  so no URL can be made to look like another one with a digest.

The host is not part of the key: a service that answers by host needs a prefix or a key callable that names it.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote_from_bytes, unquote_to_bytes

from ..errors import UnstableArgumentError
from .canonical import Place, digest, encode

__all__ = ["RequestFacts", "current_request", "facts_of", "facts_of_scope", "given_by_url", "http_key"]

CACHED_METHODS = frozenset({"GET", "HEAD"})
CREDENTIALS = ("authorization", "cookie")
_PATH_SAFE = "/-._~!$&'()+,;=@:"
_QUERY_SAFE = "/-._~,@:"


def _no_header(_name: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What a key needs to know of a request. Integrations put one into `current_request`."""

    method: str
    path: str
    """The path as it was sent, percent-encoding included, without the query."""
    query: str = ""
    """The raw query string, without ``?``."""
    path_params: Mapping[str, object] = field(default_factory=dict[str, object])
    """The parameters that the route took from the path, by name."""
    header: Callable[[str], str | None] = _no_header
    """Looks a header up by its lower-case name; None where it is absent."""


current_request: ContextVar[RequestFacts | None] = ContextVar("pika_redis_current_request", default=None)
"""The request that is being answered, set by the framework integrations."""


def facts_of(request: object) -> RequestFacts:
    """The facts of a request object of Starlette, FastAPI or Litestar, or of one made alike."""
    like: Any = request
    scope: Any = getattr(request, "scope", None)
    if isinstance(scope, Mapping):
        return facts_of_scope(cast("Mapping[str, Any]", scope))
    return RequestFacts(
        method=like.method,
        path=_quoted(like.url.path),
        query=like.url.query,
        path_params=getattr(request, "path_params", None) or {},
        header=like.headers.get,
    )


def facts_of_scope(scope: Mapping[str, Any]) -> RequestFacts:
    """The facts of a raw ASGI scope."""
    return RequestFacts(
        method=scope.get("method", ""),
        path=_sent_path(scope),
        query=scope.get("query_string", b"").decode("latin-1"),
        path_params=_PathParams(scope),
        header=lambda name: _scope_header(scope, name),
    )


class _PathParams(Mapping[str, object]):
    """The path parameters of a scope as they are when asked for: a router fills them in after the middleware ran."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._scope = scope

    def __getitem__(self, name: str) -> object:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def _now(self) -> Mapping[str, object]:
        return self._scope.get("path_params") or {}


def http_key(prefix: str, facts: RequestFacts, extra: bytes = b"", *, public: bool = False) -> str | None:
    """The key of the request; None for a method other than GET and HEAD, whose calls run through.

    `extra` is what else the answer depends on, encoded. `public` declares that credentials do not change the answer.
    """
    if facts.method not in CACHED_METHODS:
        return None
    query = normal_query(facts.query)
    url = f"{facts.method}:{normal_path(facts.path)}{'?' if query else ''}{query}"
    key = f"{prefix}:{url}" if prefix else url
    held = [] if public else [(name, facts.header(name)) for name in CREDENTIALS]
    credentials = [pair for pair in held if pair[1] is not None]
    if not credentials and not extra:
        return key
    return f"{key}#{digest(encode((extra, credentials), Place('request', prefix)))}"


def given_by_url(facts: RequestFacts, name: str, value: object, default: object) -> bool:
    """Whether the URL alone tells this argument of the call.

    It does if the path or query has a parameter of that name with the value's text, or has none of that name and the
    argument is at its default. Values are compared as text because frameworks convert them: ``/users/7`` gives 7.
    A value that can't be compared isn't told.
    """
    try:
        return _is_given(facts, name, value, default)
    except Exception:  # noqa: BLE001 (the value's own methods may raise anything)
        return False


def _is_given(facts: RequestFacts, name: str, value: object, default: object) -> bool:
    if name in facts.path_params:
        return _same_text(value, [str(facts.path_params[name])])
    sent = [content for key, content in _query_pairs(facts.query) if key == name.encode()]
    if sent:
        return _same_text(value, [content.decode("utf-8", "replace") for content in sent])
    return value is default or _same_value(value, default)


def normal_path(path: str) -> str:
    """The path with every escape undone that needs none, and done that needs one."""
    segments = path.encode("utf-8", "surrogatepass").split(b"/")
    return "/".join(quote_from_bytes(unquote_to_bytes(segment), _PATH_SAFE[1:]) for segment in segments)


def normal_query(query: str) -> str:
    """The parameters sorted by name, each as ``name=value``."""
    pairs = sorted(_query_pairs(query), key=lambda pair: pair[0])
    return "&".join(f"{quote_from_bytes(n, _QUERY_SAFE)}={quote_from_bytes(v, _QUERY_SAFE)}" for n, v in pairs)


def _same_text(value: object, sent: list[str]) -> bool:
    values = cast("Sequence[object]", value) if isinstance(value, list | tuple) else [value]
    return len(values) == len(sent) and all(map(_is_text_of, sent, values))


def _is_text_of(sent: str, value: object) -> bool:
    if isinstance(value, enum.Enum):
        value = value._value_
    if isinstance(value, bool):
        return sent.lower() == str(value).lower()
    if isinstance(value, dt.date | dt.time):
        return sent == value.isoformat()
    return isinstance(value, str | int | float | decimal.Decimal | uuid.UUID) and sent == str(value)


def _same_value(value: object, default: object) -> bool:
    if type(value) is not type(default):
        return False
    place = Place("default", "request")
    try:
        return encode(value, place) == encode(default, place)
    except UnstableArgumentError:
        return False


def _query_pairs(query: str) -> Iterable[tuple[bytes, bytes]]:
    for piece in query.encode("utf-8", "surrogatepass").split(b"&"):
        if piece:
            name, _, value = piece.replace(b"+", b" ").partition(b"=")
            yield unquote_to_bytes(name), unquote_to_bytes(value)


def _sent_path(scope: Mapping[str, Any]) -> str:
    """The raw path where the server kept it and nothing rewrote the decoded one since, else that one, encoded."""
    path: str = scope.get("path", "")
    raw: bytes = (scope.get("raw_path") or b"").partition(b"?")[0]
    return raw.decode("latin-1") if unquote_to_bytes(raw).decode("utf-8", "replace") == path else _quoted(path)


def _quoted(path: str) -> str:
    return quote_from_bytes(path.encode("utf-8", "surrogatepass"), _PATH_SAFE)


def _scope_header(scope: Mapping[str, Any], name: str) -> str | None:
    """All values of the header in order; HTTP/2 may send cookies one by one."""
    found = [value for key, value in scope.get("headers", ()) if key.lower() == name.encode()]
    return b"; ".join(found).decode("latin-1") if found else None
