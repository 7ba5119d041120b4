"""A server on loopback with a handful of keys that pushes only when told to."""

from __future__ import annotations

from pika_redis import RedisService

from ..wire.fake_server import FakeServer, Talk, bulk

__all__ = ["NULL_PUSH", "TrackingServer", "push"]

NULL_PUSH = b">2\r\n$10\r\ninvalidate\r\n_\r\n"


def push(*keys: str) -> bytes:
    """The message that these keys changed."""
    return b">2\r\n$10\r\ninvalidate\r\n*%d\r\n%s" % (len(keys), b"".join(map(bulk, keys)))


def _value(raw: bytes | None) -> bytes:
    return b"_\r\n" if raw is None else bulk(raw)


class TrackingServer(FakeServer):
    """Holds strings. `silent` = it takes commands and says nothing."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.data: dict[bytes, bytes] = {}
        self.role = "master"
        self.tracking = b"+OK\r\n"
        self.silent = False

    def _answer(self, talk: Talk, words: list[bytes]) -> bytes | None:
        if self.silent:
            return b""
        match [words[0].upper(), *words[1:]]:
            case [b"HELLO", *_]:
                facts = {"server": "fake", "version": "7.0.0", "role": self.role}
                return b"%%%d\r\n" % len(facts) + b"".join(bulk(name) + bulk(fact) for name, fact in facts.items())
            case [b"CLIENT", b"TRACKING", *_]:
                return self.tracking
            case [b"GET", key]:
                return _value(self.data.get(key))
            case [b"MGET", *keys]:
                return b"*%d\r\n" % len(keys) + b"".join(_value(self.data.get(key)) for key in keys)
            case [b"SET", key, value, *how]:
                return self._set(key, value, how)
            case _:
                return None

    def _set(self, key: bytes, value: bytes, how: list[bytes]) -> bytes:
        before = self.data.get(key)
        if b"NX" not in how or before is None:
            self.data[key] = value
        return _value(before) if b"GET" in how else b"+OK\r\n"

    def tell(self, message: bytes) -> None:
        """Say something unasked."""
        self.talks[-1].transport.write(message)

    def service(self, **settings: object) -> RedisService:
        """A service that asks this server."""
        url = f"redis://127.0.0.1:{self.port}"
        return RedisService(url, key_prefix="p:", **settings)  # type: ignore[arg-type]
