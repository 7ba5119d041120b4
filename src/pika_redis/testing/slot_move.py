"""A slot on its way from one node of a cluster to another, in the steps of which resharding consists."""

from __future__ import annotations

from collections.abc import Sequence

from ..wire.address import parse_url
from ..wire.embedded import EmbeddedServer
from .direct import Word, ask

__all__ = ["SlotMove"]

_PAGE = 200
_PATIENCE_MS = 5000


class SlotMove:
    """Each step is one method, in this order: `set_importing`, `set_migrating`, `migrate_keys`, `set_node`.

    Between the second and the last, the source answers for keys that it still has and says ASK for others. Made by
    `EmbeddedCluster.moving`. Every step raises CacheServerError when a node refuses.
    """

    def __init__(
        self,
        slot: int,
        source: tuple[str, EmbeddedServer],
        target: tuple[str, EmbeddedServer],
        others: Sequence[EmbeddedServer],
    ) -> None:
        """`source` and `target` are nodes with their ids, `others` the primaries that are told at the end."""
        self.slot = slot
        self.source_id, self.source = source
        self.target_id, self.target = target
        self._others = others

    def set_importing(self) -> None:
        """The target will answer for the slot to those who say ASKING."""
        ask(self.target, "CLUSTER", "SETSLOT", self.slot, "IMPORTING", self.source_id)

    def set_migrating(self) -> None:
        """The source sends those who ask for a key that it hasn't, to the target."""
        ask(self.source, "CLUSTER", "SETSLOT", self.slot, "MIGRATING", self.target_id)

    def migrate_keys(self, *keys: Word) -> int:
        """Carry these keys over, or all that the slot holds; how many it were."""
        if keys:
            self._carry(keys)
            return len(keys)
        carried = 0
        while found := ask(self.source, "CLUSTER", "GETKEYSINSLOT", self.slot, _PAGE):
            self._carry(found)
            carried += len(found)
        return carried

    def set_node(self) -> None:
        """The slot is the target's: the target is told first, so that somebody serves it at every moment."""
        for node in (self.target, self.source, *self._others):
            ask(node, "CLUSTER", "SETSLOT", self.slot, "NODE", self.target_id)

    def set_stable(self) -> None:
        """Give the move up: the slot stays, keys already carried over are lost to readers."""
        for node in (self.source, self.target):
            ask(node, "CLUSTER", "SETSLOT", self.slot, "STABLE")

    def _carry(self, keys: Sequence[Word]) -> None:
        password = parse_url(self.target.url).password
        login = ("AUTH", password.reveal()) if password else ()
        where = (self.target.host, self.target.port, "", 0, _PATIENCE_MS)
        ask(self.source, "MIGRATE", *where, "REPLACE", *login, "KEYS", *keys)
