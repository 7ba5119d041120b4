"""A sentinel on loopback that says what it is told to, and servers with a role."""

from __future__ import annotations

from .fake_server import FakeServer, Talk, bulk

__all__ = ["FakePrimary", "FakeSentinel"]


def _map(facts: dict[str, str]) -> bytes:
    return b"%%%d\r\n" % len(facts) + b"".join(bulk(name) + bulk(fact) for name, fact in facts.items())


class FakeSentinel(FakeServer):
    """Watches `mymaster`. `denied` holds the commands that the user may not use; `silent` = it answers nothing."""

    def __init__(self, place: tuple[str, int], epoch: int = 0) -> None:
        super().__init__(self._answer)
        self.place = place
        self.epoch = epoch
        self.denied: set[bytes] = set()
        self.silent = False
        self.master = b"mymaster"

    def _answer(self, talk: Talk, words: list[bytes]) -> bytes | None:
        if self.silent:
            return b""
        if words[0] in self.denied or (words[0] == b"SENTINEL" and words[1] in self.denied):
            return b"-NOPERM this user has no permissions to run the command\r\n"
        match words:
            case [b"HELLO", *_]:
                return _map({"server": "fake", "version": "7.0.0", "mode": "sentinel"})
            case [b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name]:
                host, port = self.place
                return b"*2\r\n" + bulk(host) + bulk(str(port)) if name == self.master else b"_\r\n"
            case [b"SENTINEL", b"MASTER", name]:
                known = _map({"config-epoch": str(self.epoch)})
                return known if name == self.master else b"-ERR No such master with that name\r\n"
            case [b"SUBSCRIBE", *channels]:
                return b"".join(b">3\r\n$9\r\nsubscribe\r\n" + bulk(one) + b":1\r\n" for one in channels)
            case _:
                return None

    @property
    def subscribed(self) -> bool:
        """Whether a connection that stands has subscribed, and has asked since."""
        return any(self._names(talk)[-1] == b"SENTINEL" for talk in self._listening())

    def _listening(self) -> list[Talk]:
        return [talk for talk in self.talks if b"SUBSCRIBE" in self._names(talk) and not talk.ended.done()]

    def _names(self, talk: Talk) -> list[bytes]:
        return [words[0] for words in talk.commands]

    def tell(self, place: tuple[str, int], *, epoch: int | None = None) -> None:
        """A failover: from now on the primary is there, and who listens is told."""
        (host, port), self.place = self.place, place
        self.epoch = self.epoch + 1 if epoch is None else epoch
        news = f"{self.master.decode()} {host} {port} {place[0]} {place[1]}"
        for talk in self._listening():
            talk.transport.write(b">3\r\n$7\r\nmessage\r\n" + bulk("+switch-master") + bulk(news))


class FakePrimary(FakeServer):
    """A server that says what its role is, answers GET with its port and refuses writes as a replica does."""

    def __init__(self, role: str = "master") -> None:
        super().__init__(self._answer)
        self.role = role
        self.silent = False

    @property
    def place(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    def _answer(self, talk: Talk, words: list[bytes]) -> bytes | None:
        if self.silent:
            return b""
        match words:
            case [b"HELLO", *_]:
                return _map({"server": "fake", "version": "7.0.0", "role": self.role})
            case [b"ECHO", *_]:
                return bulk(str(self.port))
            case [b"SET", *_] if self.role != "master":
                return b"-READONLY You can't write against a read only replica.\r\n"
            case _:
                return None
